"""The command that lists dead letters, and what the others tell of resets, steering and endings without a turn."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio

import meerkat_actors as meerkat
from tests.cli.command import meerkat as run
from tests.cli.command import refused, rows, told

LIMITS: Final = meerkat.Limits(attempts_max=1)


async def surgeon(turn: meerkat.Turn) -> str:
    if turn.text.startswith("broken"):
        message = f"no cure for {turn.text}\x1b[2J"
        raise ValueError(message)
    if turn.text == "long":
        turn.append("so far")
        await trio.sleep_forever()
    return f"cured {turn.text}"


async def fill(database: Path) -> None:
    async with meerkat.open_runtime(
        database, agents={"surgeon": surgeon}, limits=LIMITS, observers=(), synchronous="normal"
    ) as runtime:
        for name in ("ann", "bob"):
            agent = await runtime.agent(name, kind="surgeon")
            for number in range(3):
                await agent.send(f"broken {number}", kind="external_event", source="ward")
            await agent.ask("toe")
            await runtime.wait_idle()
        await runtime.drop(await anext(runtime.dead_letters("bob")))
        agent = await runtime.agent("cyd", kind="surgeon")
        await agent.ask("before")
        await agent.send("long")
        await trio.sleep(0.05)
        await agent.send("old", supersession_key="k")
        await agent.steer("new", kind="prompt", supersession_key="k")
        await agent.interrupt()
        await agent.send({"done": 1}, kind="operation")
        await runtime.wait_idle()
        await agent.reset()
        await (await runtime.agent("dan", kind="surgeon")).destroy()


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``a.db``, that a runtime wrote and left in good order."""
    folder = tmp_path_factory.mktemp("ward")
    trio.run(fill, folder / "a.db")
    return folder


def test_dead_letters_are_listed_oldest_first(ward: Path) -> None:
    everybody = rows("dead-letters", "a.db", cwd=ward)
    assert [(row["identity"], row["content"]) for row in everybody] == [
        ("ann", "broken 0"),
        ("ann", "broken 1"),
        ("ann", "broken 2"),
        ("bob", "broken 1"),
        ("bob", "broken 2"),
    ]
    first = everybody[0]
    assert first["outcome"]["reason"] == "attempts_exhausted"
    assert (first["kind"], first["letter"], first["lane"]) == ("external_event", "dead", "queue")
    assert first["header"] == {"source": "ward"}
    mine = rows("dead-letters", "a.db", "--identity", "bob", cwd=ward)
    assert [row["content"] for row in mine] == ["broken 1", "broken 2"]
    assert len(rows("dead-letters", "a.db", "--limit", 2, cwd=ward)) == 2


def test_dead_letters_are_shown_to_people(ward: Path) -> None:
    table = told("dead-letters", "a.db", cwd=ward)
    assert table.splitlines()[0].split() == ["identity", "input", "kind", "content", "outcome"]
    (first, *_) = rows("dead-letters", "a.db", cwd=ward)
    assert first["input_id"] in table
    assert "attempts_exhausted: ValueError: no cure for broken 0" in table
    assert "\x1b" not in table
    assert table.endswith("5 dead letters\n")
    assert told("dead-letters", "a.db", "--limit", 1, cwd=ward).endswith("1 dead letter; --limit for more\n")
    assert told("dead-letters", "a.db", "--identity", "cyd", cwd=ward) == "no dead letters\n"
    page = told("dead-letters", "--help", cwd=ward)
    assert "runtime.redrive(ID)" in page
    assert "runtime.drop(ID)" in page


def test_a_name_that_is_none_is_refused(ward: Path) -> None:
    assert "is no agent identity" in refused("dead-letters", "a.db", "--identity", "not a name", cwd=ward)
    assert "there is no such file" in refused("dead-letters", "gone.db", cwd=ward)
    assert "use --json for more" in refused("dead-letters", "a.db", "--limit", 100_000, cwd=ward)


def test_a_process_of_its_own_lists_the_same(ward: Path) -> None:
    ended = run("dead-letters", "a.db", cwd=ward)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, told("dead-letters", "a.db", cwd=ward), "")


def test_the_transcript_is_that_of_now_unless_another_generation_is_asked_for(ward: Path) -> None:
    assert rows("history", "a.db", "cyd", cwd=ward) == []
    old = rows("history", "a.db", "cyd", "--generation", 0, cwd=ward)
    assert {message["generation"] for message in old} == {0}
    assert [message["content"] for message in old] == ["cured new", "new", "so far", "long", "cured before", "before"]
    assert len(rows("history", "a.db", "cyd", "--generation", 0, "--limit", 3, cwd=ward)) == 3
    assert rows("history", "a.db", "cyd", "--generation", 7, cwd=ward) == []
    assert told("history", "a.db", "cyd", cwd=ward) == "no messages yet\n"
    (row,) = (row for row in rows("identities", "a.db", cwd=ward) if row["identity"] == "cyd")
    assert row["generation"] == 1


def test_receipts_tell_how_their_turns_ended(ward: Path) -> None:
    receipts = rows("receipts", "a.db", "cyd", cwd=ward)
    assert [receipt["outcome"] for receipt in receipts] == ["completed", "interrupted", "completed"]
    assert "interrupted" in told("receipts", "a.db", "cyd", cwd=ward)
    assert len(rows("receipts", "a.db", "cyd", "--limit", 2, cwd=ward)) == 2


def test_inputs_tell_every_kind_of_ending(ward: Path) -> None:
    found = {str(row["content"]): row for row in rows("inputs", "a.db", "cyd", cwd=ward)}
    assert found["old"]["outcome"] == {"superseded_by": found["new"]["input_id"]}
    assert found["{'done': 1}"]["outcome"] == {"noted": True}
    assert found["long"]["outcome"]["reason"] == "cancelled"
    assert found["new"]["outcome"]["text"] == "cured new"
    assert [found[content]["lane"] for content in ("old", "new", "{'done': 1}")] == ["queue", "steer", "none"]
    table = told("inputs", "a.db", "cyd", cwd=ward)
    assert "superseded by input" in table
    assert "noted as it was admitted" in table
    # The identity that was destroyed is no more.
    assert "dan" not in told("identities", "a.db", cwd=ward)
