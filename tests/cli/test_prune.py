"""``prune`` and ``status --sizes``: what they forget and tell, whom they refuse, and what they leave alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

import meerkat_actors as meerkat
from meerkat_actors.store import open_sqlite
from tests.cli.command import here, refused, rows, told
from tests.store.pruning_life import live
from tests.store.sqlite.keeping import content

LONG = "x" * 20_000


async def echo(turn: meerkat.Turn) -> str:
    if turn.text == "fail":
        message = "no"
        raise ValueError(message)
    return "done"


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A database with five inputs, one of them abandoned; nobody owns it."""
    path = tmp_path / "team.db"

    async def main() -> None:
        async with meerkat.open_runtime(
            path, agents={"echo": echo}, limits=meerkat.Limits(attempts_max=1), observers=()
        ) as runtime:
            agent = await runtime.agent("a", kind="echo")
            for number in range(4):
                await agent.ask(f"{number} {LONG}", idempotency_key=str(number))
            await agent.send("fail")
            await runtime.wait_idle()

    trio.run(main)
    return path


def pruned(path: Path, *options: object) -> dict[str, Any]:
    """The one record of a pruning."""
    (record,) = rows("prune", path.name, *options, cwd=path.parent)
    return dict(record)


def forgotten(record: dict[str, Any]) -> int:
    """How many inputs lost their content."""
    return int(record["inputs"]["rows"])


def test_without_a_bound_no_input_loses_its_content(team: Path) -> None:
    before = content(team)
    record = pruned(team)
    nothing = {"rows": 0, "bytes": 0}
    assert {name: record[name] for name in ("inputs", "snapshots", "documents", "journals")} == dict.fromkeys(
        ("inputs", "snapshots", "documents", "journals"), nothing
    )
    after = content(team)
    assert {**after, "meta": None} == {**before, "meta": None}


def test_the_last_inputs_of_each_agent_are_kept_and_dead_letters_are(team: Path) -> None:
    assert forgotten(pruned(team, "--keep-inputs", 3)) == 2
    listed = rows("inputs", team.name, "a", cwd=team.parent)
    assert [(row["pruned"], row["content"] is None) for row in listed] == [(False, False)] * 3 + [(True, True)] * 2
    assert [row["outcome"] is not None for row in listed] == [True] * 5
    assert forgotten(pruned(team, "--keep-inputs", 0)) == 2
    assert forgotten(pruned(team, "--keep-inputs", 0, "--dead-letters")) == 1
    assert forgotten(pruned(team, "--keep-inputs", 0, "--dead-letters")) == 0


def test_an_age_keeps_what_is_younger(team: Path) -> None:
    assert forgotten(pruned(team, "--older-than", "30d")) == 0
    assert forgotten(pruned(team, "--older-than", "1h", "--keep-inputs", 0)) == 0
    assert forgotten(pruned(team, "--older-than", "0s")) == 4


def test_events_go_by_their_age_and_by_nothing_else(team: Path) -> None:
    def events(*arguments: object) -> int:
        return int(pruned(team, *arguments)["events"]["rows"])

    assert events("--older-than", "0s", "--dry-run") == 0
    assert events("--events-older-than", "30d", "--dry-run") == 0
    assert events("--events-older-than", "0s") > 0


def test_a_dry_run_tells_the_same_and_changes_no_byte(team: Path) -> None:
    files = {path.name: path.read_bytes() for path in team.parent.iterdir()}
    would = pruned(team, "--keep-inputs", 1, "--dry-run")
    assert {path.name: path.read_bytes() for path in team.parent.iterdir()} == files
    did = pruned(team, "--keep-inputs", 1)
    assert (would.pop("dry_run"), did.pop("dry_run")) == (True, False)
    assert would.pop("free_bytes") != did.pop("free_bytes")
    assert would == did
    assert forgotten(did) == 4


def test_a_table_tells_what_went_and_a_listing_what_was_pruned(team: Path) -> None:
    page = told("prune", team.name, "--keep-inputs", 0, "--dry-run", cwd=team.parent)
    assert "content of inputs that have their outcome" in page
    assert "80.0 kB would be forgotten" in page
    page = told("prune", team.name, "--keep-inputs", 0, cwd=team.parent)
    assert "80.0 kB forgotten" in page
    assert "of the file are empty pages, filled before it grows; --compact makes the file smaller" in page
    assert told("inputs", team.name, "a", cwd=team.parent).count("(pruned)") == 4
    assert told("inputs", team.name, cwd=team.parent).count("(pruned)") == 4
    assert LONG[:60] in told("history", team.name, "a", cwd=team.parent)


def test_what_it_pruned_still_recognises_its_duplicates(team: Path) -> None:
    pruned(team, "--keep-inputs", 0)

    async def main() -> None:
        async with meerkat.open_runtime(team, agents={"echo": echo}, observers=()) as runtime:
            agent = await runtime.agent("a")
            assert (await agent.send(f"2 {LONG}", idempotency_key="2")).duplicate
            with pytest.raises(meerkat.IdempotencyConflictError):
                await agent.send("another", idempotency_key="2")

    trio.run(main)


def test_compacting_makes_the_file_smaller(team: Path) -> None:
    size = team.stat().st_size
    assert "--compact" not in told("prune", team.name, "--compact", cwd=team.parent)
    record = pruned(team, "--keep-inputs", 0, "--compact")
    assert record["free_bytes"] == 0
    assert team.stat().st_size < size - 75_000
    assert len(rows("history", team.name, "a", cwd=team.parent)) == 8


@pytest.mark.parametrize("clean", [True, False], ids=["in good order", "not in good order"])
def test_how_the_last_runtime_ended_stays_known(team: Path, clean: bool) -> None:
    with closing(open_sqlite(team)) as store:
        store.begin()
        if clean:
            store.end(clean=True)
    pruned(team)
    (record,) = rows("status", team.name, cwd=team.parent)
    assert record["clean"] is clean


def test_beside_an_owner_it_says_who_can_prune(team: Path) -> None:
    with closing(open_sqlite(team)) as store:
        store.begin()
        said = refused("prune", team.name, cwd=team.parent)
    assert "await runtime.prune(...)" in said
    assert "process" in said


def test_nothing_is_made_where_nothing_was(tmp_path: Path) -> None:
    assert "there is no such file" in refused("prune", "none.db", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--older-than", "30"), "use a number with s, m, h, d or w, such as 30d"),
        (("--older-than", "1y"), "such as 30d"),
        (("--older-than", "-1d"), "such as 30d"),
        (("--older-than", "999999999w"), "seconds, or None"),
        (("--keep-inputs", "-1"), "-1"),
        (("--compact", "--dry-run"), "exclude each other"),
    ],
)
def test_what_makes_no_sense_is_refused(team: Path, options: tuple[str, ...], problem: str) -> None:
    assert problem in refused("prune", team.name, *options, cwd=team.parent)


def test_it_forgets_what_facades_can_not_go_back_to(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    with closing(open_sqlite(path)) as store:
        store.begin()
        live(store)
        store.end(clean=True)
    first = pruned(path, "--former-snapshots")
    assert all(first[kind] != {"rows": 0, "bytes": 0} for kind in ("snapshots", "documents", "journals"))
    assert pruned(path)["documents"] == {"rows": 0, "bytes": 0}


# -- sizes --------------------------------------------------------------------------------


def test_the_sizes_of_tables_add_up_to_the_file(team: Path) -> None:
    (record,) = rows("status", team.name, "--sizes", cwd=team.parent)
    tables = record["tables"]
    assert next(iter(tables)) in {"turn", "input"}
    assert sum(size["rows"] + size["indexes"] for size in tables.values()) + record["free_bytes"] == record["bytes"]
    assert tables["input"]["indexes"] > 0
    assert "tables" not in rows("status", team.name, cwd=team.parent)[0]


def test_the_sizes_are_a_table_below_the_facts(team: Path) -> None:
    page = told("status", team.name, "--sizes", cwd=team.parent)
    assert page.index("open inputs") < page.index("unused")
    sizes = [line.split()[0] for line in page.partition("unused")[2].splitlines() if " kB" in line]
    assert {"input", "turn", "head"} <= set(sizes)
    assert "of the file are empty" in page


def test_the_sizes_of_what_is_no_store_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x" * 9_000)
    assert here("status", "notes.txt", "--sizes", cwd=tmp_path).returncode == 2
