"""Every command that looks into a database: tables, JSON lines, limits, and whoever owns it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
import trio

import meerkat_actors as meerkat
from meerkat_actors.store import open_reader
from tests.cli.command import MEERKAT, here, rows, told
from tests.cli.command import meerkat as run
from tests.cli.office import HOSTILE, archive, clerk
from tests.cli.population import populate
from tests.examples.command import environment

# Goes on asking an agent for as long as it lives.
WRITE: Final = """
import sys
import trio
import meerkat_actors as meerkat

async def echo(turn):
    return turn.text

async def main(path):
    async with meerkat.open_runtime(path, agents={"echo": echo}) as runtime:
        agent = await runtime.agent("echo-1", kind="echo")
        for number in range(1_000_000):
            await agent.ask(f"number {number}")
            if number == 0:
                print("written", flush=True)

trio.run(main, sys.argv[1])
"""


def test_status_tells_what_is_there_and_that_nobody_owns_it(office: Path) -> None:
    lines = dict(line.split(maxsplit=1) for line in told("status", "a.db", cwd=office).splitlines())
    assert lines["owner"].strip() == "nobody"
    assert lines["identities"].strip() == "2"
    assert "in good order" in lines["last"]
    (status,) = rows("status", "a.db", cwd=office)
    assert status["database"] == str(office / "a.db")
    assert status["bytes"] == (office / "a.db").stat().st_size
    assert (status["owners"], status["log_bytes"], status["clean"], status["incarnation"]) == ([], 0, True, 1)
    assert (status["identities"], status["turns"], status["open_inputs"]) == (2, 6, 0)
    assert status["identities_exact"] is status["turns_exact"] is True


def test_identities_are_listed_by_name_from_beyond_one(office: Path) -> None:
    assert [row["identity"] for row in rows("identities", "a.db", cwd=office)] == ["archive", "clerk-1"]
    assert [row["kind"] for row in rows("identities", "a.db", "--after", "archive", cwd=office)] == ["clerk"]
    table = told("identities", "a.db", cwd=office)
    assert table.splitlines()[0].split() == ["identity", "kind", "version", "messages", "resets"]
    assert table.endswith("2 agents; that is all\n")
    assert "go on with --after archive" in told("identities", "a.db", "--limit", 1, cwd=office)
    assert told("identities", "a.db", "--after", "zoe", cwd=office) == "no agents here\n"


def test_inputs_are_those_of_one_agent_or_of_all_newest_first(office: Path) -> None:
    mine = rows("inputs", "a.db", "clerk-1", cwd=office)
    assert [row["content"] for row in mine] == ["fail", "three", HOSTILE, "one"]
    assert [row["state"] for row in mine] == ["abandoned", "consumed", "consumed", "consumed"]
    assert mine[0]["outcome"] == {"reason": "attempts_exhausted", "detail": "ValueError: no such thing"}
    assert mine[3]["outcome"] == {"text": "noted one", "version": 1}
    everybody = rows("inputs", "a.db", cwd=office)
    assert len(everybody) == 7
    assert {row["identity"] for row in everybody} == {"clerk-1", "archive"}
    assert {row["sender"] for row in everybody} == {"clerk-1", None}
    sequences = [row["sequence"] for row in everybody]
    assert sequences == sorted(sequences, reverse=True)
    table = told("inputs", "a.db", "clerk-1", "--limit", 2, cwd=office)
    assert "attempts_exhausted: ValueError: no such thing" in table
    assert table.endswith("the newest 2 inputs; --limit for more\n")
    assert "archive" in told("inputs", "a.db", cwd=office)


def test_history_is_the_transcript_newest_first(office: Path) -> None:
    messages = rows("history", "a.db", "clerk-1", cwd=office)
    assert [message["role"] for message in messages[-2:]] == ["assistant", "user"]
    assert [message["content"] for message in messages[-2:]] == ["noted one", "one"]
    assert len(rows("history", "a.db", "clerk-1", "--limit", 3, cwd=office)) == 3
    assert '{"said":"one"}' in told("history", "a.db", "archive", cwd=office)


def test_receipts_are_listed_newest_first(office: Path) -> None:
    receipts = rows("receipts", "a.db", "clerk-1", cwd=office)
    assert [receipt["version"] for receipt in receipts] == [3, 2, 1]
    assert all(len(receipt["contributors"]) == 1 and len(receipt["digest"]) == 64 for receipt in receipts)
    assert receipts[0]["digest"][:16] in told("receipts", "a.db", "clerk-1", cwd=office)


def test_events_are_the_last_ones_or_those_behind_a_number(office: Path) -> None:
    events = rows("events", "a.db", "--after", 0, "--limit", 100, cwd=office)
    kinds = {event["event"] for event in events}
    assert kinds == {"Created", "InputAccepted", "MessageSent", "MailTaken", "TurnEnded", "RunFailed", "InputAbandoned"}
    assert rows("events", "a.db", "--limit", 100, cwd=office) == events
    assert rows("events", "a.db", "--limit", 3, cwd=office) == events[-3:]
    assert rows("events", "a.db", "--after", events[4]["sequence"], "--limit", 100, cwd=office) == events[5:]
    table = told("events", "a.db", "--limit", 2, cwd=office)
    # The second thing that the last commit did.
    assert (events[-1]["event"], events[-1]["index"]) == ("InputAbandoned", 1)
    assert table.endswith(f"2 events; what comes next: --after {events[-1]['sequence']}.2\n")
    assert told("events", "a.db", "--after", 2**63 - 1, cwd=office).startswith("0 events")


def test_what_one_commit_did_has_one_number_and_a_place_for_each_event(office: Path) -> None:
    events = rows("events", "a.db", "--after", 0, "--limit", 100, cwd=office)
    (failed,) = [number for number, event in enumerate(events) if event["event"] == "RunFailed"]
    sequence = events[failed]["sequence"]
    assert [(event["event"], event["sequence"], event["index"]) for event in events[failed : failed + 2]] == [
        ("RunFailed", sequence, 0),
        ("InputAbandoned", sequence, 1),
    ]
    table = told("events", "a.db", "--limit", 100, cwd=office)
    lines = [line for line in table.splitlines() if line.strip().startswith(f"{sequence}.")]
    assert [line.split()[:2] for line in lines] == [[f"{sequence}.1", "RunFailed"], [f"{sequence}.2", "InputAbandoned"]]
    assert "ValueError: no such thing" in lines[0]
    for number, behind in ((f"{sequence}.1", failed + 1), (f"{sequence}.2", failed + 2), (sequence, failed + 2)):
        assert rows("events", "a.db", "--after", number, "--limit", 100, cwd=office) == events[behind:]


def test_a_program_goes_on_from_the_cursor_of_a_listed_event(office: Path, tmp_path: Path) -> None:
    shutil.copy(office / "a.db", tmp_path)
    events = rows("events", "a.db", "--after", 0, "--limit", 100, cwd=tmp_path)

    async def rest(cursor: str, count: int) -> list[str]:
        agents = {"clerk": clerk, "archive": archive}
        async with (
            meerkat.open_runtime(tmp_path / "a.db", agents=agents) as runtime,
            runtime.events(cursor) as behind,
        ):
            return [str((await anext(behind)).cursor) for _ in range(count)]  # type: ignore[union-attr]

    assert trio.run(rest, events[5]["cursor"], len(events) - 6) == [event["cursor"] for event in events[6:]]


def test_the_last_events_are_found_behind_the_gaps_that_repeated_keys_leave(tmp_path: Path) -> None:
    async def repeat() -> None:
        async with meerkat.open_runtime(tmp_path / "a.db", agents={"clerk": clerk}) as runtime:
            agent = await runtime.agent("clerk-1", kind="clerk")
            for number in range(200):
                await agent.ask("x", idempotency_key="first" if number < 199 else "last")

    trio.run(repeat)
    events = rows("events", "a.db", "--after", 0, cwd=tmp_path)
    # Who was created, two inputs, two turns, and what each turn sent.
    assert len(events) == 7
    assert rows("events", "a.db", cwd=tmp_path) == events
    assert rows("events", "a.db", "--limit", 2, cwd=tmp_path) == events[-2:]


def test_an_input_that_failed_says_how_often(tmp_path: Path) -> None:
    populate(tmp_path / "crowd.db", 200)
    connection = sqlite3.connect(tmp_path / "crowd.db")
    connection.execute("UPDATE input SET attempts = 2 WHERE state = 1")
    connection.commit()
    connection.close()
    assert "failed 2 times so far" in told("inputs", "crowd.db", "crowd/agent-0000200", cwd=tmp_path)
    assert len(rows("identities", "crowd.db", "--limit", 150, cwd=tmp_path)) == 150


def test_a_reader_that_went_away_is_no_error(office: Path) -> None:
    with subprocess.Popen(
        [*MEERKAT, "inputs", "a.db", "--json"],
        cwd=office,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
        assert running.wait(timeout=60) == 0


@pytest.mark.parametrize("extra", [(), ("--json",)])
@pytest.mark.parametrize(
    "command",
    [
        ("status", "a.db"),
        ("identities", "a.db"),
        ("inputs", "a.db"),
        ("inputs", "a.db", "clerk-1"),
        ("history", "a.db", "clerk-1"),
        ("receipts", "a.db", "archive"),
        ("events", "a.db"),
        ("history", "a.db", "nobody"),
        ("status", "gone.db"),
    ],
)
def test_a_process_of_its_own_says_the_same(office: Path, command: tuple[str, ...], extra: tuple[str, ...]) -> None:
    apart, near = run(*command, *extra, cwd=office), here(*command, *extra, cwd=office)
    assert (apart.returncode, apart.stdout, apart.stderr) == (near.returncode, near.stdout, near.stderr)


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns ``a.db`` and writes all the time."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(tmp_path / "a.db")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment()},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    yield child
    child.kill()
    child.communicate()


def test_every_command_works_while_another_process_owns_the_database_and_writes(
    tmp_path: Path, writing: subprocess.Popen[str]
) -> None:
    (before,) = rows("status", "a.db", cwd=tmp_path)
    ended = run("status", "a.db", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"process {writing.pid}" in ended.stdout
    assert (before["owners"], before["identities"], before["clean"]) == ([writing.pid], 1, False)
    assert f"process {writing.pid}" in told("status", "a.db", cwd=tmp_path)
    for command in ("identities", "inputs", "events"):
        assert rows(command, "a.db", cwd=tmp_path)
    for command in ("inputs", "history", "receipts"):
        assert len(rows(command, "a.db", "echo-1", "--limit", 5, cwd=tmp_path)) <= 5
    versions = [row["version"] for row in rows("receipts", "a.db", "echo-1", "--limit", 1_000_000, cwd=tmp_path)]
    assert versions == list(range(versions[0], 0, -1))
    (after,) = rows("status", "a.db", cwd=tmp_path)
    assert after["turns"] > before["turns"]
    assert writing.poll() is None


@pytest.mark.slow
def test_the_cost_of_a_command_does_not_grow_with_the_population(tmp_path: Path) -> None:
    """``status`` counts what is few and estimates what is many: 100,000 agents take it less than 50 ms of CPU."""
    populate(tmp_path / "crowd.db", 100_000)
    (status,) = rows("status", "crowd.db", cwd=tmp_path)
    assert abs(status["identities"] - 100_000) < 1_000
    assert (status["identities_exact"], status["open_inputs"]) == (False, 100)
    assert "about 100,000" in told("status", "crowd.db", cwd=tmp_path)
    assert [row["sequence"] for row in rows("events", "crowd.db", cwd=tmp_path)] == list(range(199_981, 200_001))
    (last,) = rows("inputs", "crowd.db", "--limit", 1, cwd=tmp_path)
    assert last["identity"] == "crowd/agent-0100000"
    assert len(rows("identities", "crowd.db", "--after", "crowd/agent-0099990", cwd=tmp_path)) == 10
    assert len(rows("identities", "crowd.db", "--limit", 1_000, cwd=tmp_path)) == 1_000
    spent: list[float] = []
    for _ in range(5):
        began = time.process_time()
        with closing(open_reader(tmp_path / "crowd.db")) as reader:
            reader.survey()
        spent.append(time.process_time() - began)
    assert min(spent) < 0.05
