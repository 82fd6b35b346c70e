"""The invariants I1 to I34: what any store, and whoever used it, can be held to.

The rows are read beside the store's own code, so that a fault in that code doesn't hide itself. A check knows nothing
of who ran what: it is given evidence, and says what is wrong with it.
"""

from __future__ import annotations

from meerkat_actors.simulation.checks.checks import CHECKS as CHECKS
from meerkat_actors.simulation.checks.checks import violations as violations
from meerkat_actors.simulation.checks.contents import Contents as Contents
from meerkat_actors.simulation.checks.contents import InputSeen as InputSeen
from meerkat_actors.simulation.checks.evidence import Call as Call
from meerkat_actors.simulation.checks.evidence import Check as Check
from meerkat_actors.simulation.checks.evidence import Evidence as Evidence
from meerkat_actors.simulation.checks.reading import read_database as read_database
from meerkat_actors.simulation.checks.reading import read_tables as read_tables
from meerkat_actors.simulation.checks.reading import tables_of as tables_of
