"""What a store must do, as checks that any test runner can run, or none.

    from meerkat_actors.testing import conformance

    for check in conformance.checks():
        if not check.needs_restart:
            check.run(lambda: MyStore(...))  # an AssertionError says which rule is broken

A ``Bench`` runs the others, too. A runner that has parameters makes each check a test of its own:

    @pytest.mark.parametrize("check", conformance.checks(), ids=lambda check: check.name)
    def test_my_store_conforms(check: conformance.Check) -> None:
        check.run(MyBench())
"""

from __future__ import annotations

from meerkat_actors.testing.conformance.checking import Bench as Bench
from meerkat_actors.testing.conformance.checking import Check as Check
from meerkat_actors.testing.conformance.suite import checks as checks
