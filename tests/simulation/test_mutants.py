"""Planted faults are found out; all of them by ``scripts/campaign sim_mutants``, a few of the cheapest here.

In processes of their own: in this one every store that is served is held to what must be so, and theirs is not.
"""

from __future__ import annotations

from scripts.campaigns.sim_mutants import main


def test_planted_faults_are_found_out_and_nothing_is_without_them() -> None:
    assert main(["--mutant", "newest-first", "--mutant", "untold-mail", "--mutant", "message-dropped"]) == 0
