"""The owner of one identity: decides, commits, adopts, answers, and starts turns."""

from __future__ import annotations

from meerkat_actors.actors.identity.entry import Entry as Entry
from meerkat_actors.actors.identity.owner import run_identity as run_identity
from meerkat_actors.actors.identity.refusal import answer_posting as answer_posting
from meerkat_actors.actors.identity.surroundings import UNKNOWN_KIND as UNKNOWN_KIND
from meerkat_actors.actors.identity.surroundings import UNREADABLE as UNREADABLE
from meerkat_actors.actors.identity.surroundings import BrokenIdentityError as BrokenIdentityError
from meerkat_actors.actors.identity.surroundings import Counters as Counters
from meerkat_actors.actors.identity.surroundings import HeldElsewhereError as HeldElsewhereError
from meerkat_actors.actors.identity.surroundings import Surroundings as Surroundings
from meerkat_actors.actors.identity.suspects import Suspects as Suspects
