"""Number 19: a backup of what a history left holds all that the store does, and refuses whoever owned that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
from attrs import evolve

from meerkat_actors.records.commits import Refused
from meerkat_actors.records.effects import Claim
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import FencingToken
from meerkat_actors.runtime import open_runtime
from meerkat_actors.simulation.checks import Contents, read_database, violations
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.history import CHECKS, evidence_of
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.workloads import WORKLOADS
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite.backup import back_up
from meerkat_actors.store.sqlite.examining import examine
from tests.store.writing import Writer, insert, read

WORKLOAD_NAMES = ("asks", "mail", "timers", "verbs")


def lived(name: str, copy: Path) -> Seen:
    """A history with all faults, of which a backup is made before its disk is thrown away."""
    found: list[Seen] = []

    def keep(seen: Seen) -> Iterator[str]:
        found.append(seen)
        back_up(seen.contents.location, copy)
        return iter(())

    scenario = evolve(WORKLOADS[name], seconds=15.0, checks=(keep,))
    plan = Faults.all(3).plan("19", scenario.seconds, is_durable=True)
    assert run(scenario, "19", plan).violations == ()
    return found[0]


def problems_of(seen: Seen, contents: Contents) -> list[str]:
    here = evolve(seen, contents=contents)
    return [*violations(evidence_of(here)), *(problem for check in CHECKS for problem in check(here))]


@pytest.mark.parametrize("name", WORKLOAD_NAMES)
def test_a_restored_backup_holds_all_that_clients_were_told(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "restored.db"
    seen = lived(name, copy)
    contents = read_database(copy)
    assert len(seen.asked) > 5
    assert problems_of(seen, contents) == []
    assert (contents.inputs, contents.turns, contents.events) == (
        seen.contents.inputs,
        seen.contents.turns,
        seen.contents.events,
    )
    assert all(head.token > seen.contents.heads[key].token for key, head in contents.heads.items())
    assert examine(copy).number == 0


def test_a_copy_that_lacks_what_was_told_is_found_out(tmp_path: Path) -> None:
    seen = lived("asks", tmp_path / "restored.db")
    contents = read_database(tmp_path / "restored.db")
    assert problems_of(seen, evolve(contents, inputs=contents.inputs[:-1], turns=contents.turns[:-1])) != []


def test_who_owned_the_store_is_refused_by_the_restored_one_which_goes_on(tmp_path: Path) -> None:
    copy = tmp_path / "restored.db"
    seen = lived("asks", copy)
    head = next(iter(seen.contents.agents))
    with closing(open_sqlite(copy)) as store:
        store.begin()
        found = read(store, head.name)
        assert found.head is not None
        old = IdentityFence(
            found.identity, found.key, FencingToken(head.token), found.head.generation, found.head.version
        )
        writer = Writer(store, old, found.head.session_id)
        assert isinstance(writer.commit(insert(900)), Refused)
        again, claim = writer.claiming()
        assert isinstance(again.commit(claim, insert(900)), Refused)
        assert isinstance(claim, Claim)
        store.end(clean=True)
    turns = trio.run(ask_on, copy, seen, head.name)
    assert turns > len(seen.contents.turns)
    assert problems_of(evolve(seen, has_guests=True), read_database(copy)) == []


async def ask_on(copy: Path, seen: Seen, name: str) -> int:
    """The restored store is served, and answers."""
    async with open_runtime(copy, agents=dict(seen.scenario.agents)) as runtime:
        agent = await runtime.agent(name)
        await agent.ask("on")
    return len(read_database(copy).turns)
