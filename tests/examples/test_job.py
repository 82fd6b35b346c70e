"""The whole job on a real database: what it does, what it does again, and what it leaves out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from ruff import find_ruff_bin  # pyright: ignore[reportMissingTypeStubs]  # as in analysis.py

import meerkat_actors as meerkat
from meerkat_actors.examples.review import analysis
from meerkat_actors.examples.review.agents import AGENTS
from meerkat_actors.examples.review.folder import read_folder
from meerkat_actors.examples.review.job import Job, JobResult, review_folder
from meerkat_actors.examples.review.progress import (
    InputAcknowledged,
    InputEnded,
    MemberReady,
    Phase,
    PhaseStarted,
    Progress,
    ProgressEvent,
    ReportWritten,
)
from meerkat_actors.examples.review.team import load_team

SOURCES = {
    "clean.py": '"""Doc."""\n',
    "pkg/__init__.py": "",
    "pkg/unused.py": '"""Doc."""\n\nimport os\n',
    "pkg/worse.py": "import os\n\n\ndef f(x=[]):\n    try:\n        pass\n    except:\n        pass\n",
    "x" * 200 + ".py": "import os\n",
    "a b|`\n.py": "import os\n",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "src"


def job(source: Path, team: Path | None = None) -> Job:
    return Job(folder=read_folder(source), team=load_team(team), out=source.parent / "out")


async def run(source: Path) -> tuple[JobResult, list[ProgressEvent], bytes]:
    events: list[ProgressEvent] = []
    ordered = job(source)
    result = await review_folder(ordered, events.append)
    return result, events, ordered.report.read_bytes()


def acknowledged(events: list[ProgressEvent]) -> Iterator[InputAcknowledged]:
    return (event for event in events if isinstance(event, InputAcknowledged))


def ended(events: list[ProgressEvent]) -> Iterator[InputEnded]:
    return (event for event in events if isinstance(event, InputEnded))


def stopping(scope: trio.CancelScope, events: int, known: dict[str, str]) -> Progress:
    """Cancel at the last of so many events; an input that was acknowledged once stays the one of its file."""
    left = iter(range(events - 1, -1, -1))

    def note(event: ProgressEvent) -> None:
        if isinstance(event, InputAcknowledged):
            assert known.setdefault(event.path, event.input_id) == event.input_id
        if next(left, None) == 0:
            scope.cancel()

    return note


async def test_every_file_is_reviewed_once_and_reported(source: Path) -> None:
    result, events, page = await run(source)
    assert [event.phase for event in events if isinstance(event, PhaseStarted)] == list(Phase)
    assert sum(isinstance(event, MemberReady) for event in events) == 5
    assert sorted(event.path for event in acknowledged(events)) == sorted(SOURCES)
    assert not any(event.duplicate for event in acknowledged(events))
    assert {event.input_id for event in ended(events)} == {event.input_id for event in acknowledged(events)}
    assert not any(event.earlier for event in ended(events))
    assert events[-1] == ReportWritten(reviews=len(SOURCES))
    assert (result.dead_letters, result.missing) == ((), ())
    # The lead takes several messages in one turn, or one each.
    assert len(SOURCES) < result.statistics.turns <= 2 * len(SOURCES)
    assert page.startswith(b"# Review of `src`\n\n6 files reviewed, ")
    assert page.index(b"### `pkg/worse.py`") < page.index(b"### `pkg/unused.py`")
    assert b"### `a b\\x7c\\x60\\n.py`" in page
    assert b"### `clean.py`" not in page


async def test_a_second_run_does_nothing_and_writes_the_same_report(source: Path) -> None:
    _, first, page = await run(source)
    result, events, again = await run(source)
    assert again == page
    assert result.statistics.turns == 0
    assert all(event.duplicate for event in acknowledged(events))
    assert all(event.earlier for event in ended(events))
    assert {event.input_id for event in acknowledged(events)} == {event.input_id for event in acknowledged(first)}


async def test_only_what_changed_is_reviewed_again(source: Path) -> None:
    await run(source)
    (source / "clean.py").write_text("import os\n")
    (source / "pkg" / "unused.py").unlink()
    (source / "new.py").write_text("import os\n")
    _, events, page = await run(source)
    assert sorted(event.path for event in acknowledged(events) if not event.duplicate) == ["clean.py", "new.py"]
    assert sorted(event.path for event in ended(events) if not event.earlier) == ["clean.py", "new.py"]
    assert b"### `clean.py`" in page
    assert b"pkg/unused.py" not in page


async def test_a_file_that_goes_back_needs_no_new_review(source: Path) -> None:
    _, _, page = await run(source)
    (source / "clean.py").write_text("import os\n")
    await run(source)
    (source / "clean.py").write_text(SOURCES["clean.py"])
    result, _, again = await run(source)
    assert (result.statistics.turns, again) == (0, page)


async def test_the_report_depends_on_the_sources_and_not_on_the_team(source: Path, tmp_path: Path) -> None:
    _, _, page = await run(source)
    team = tmp_path / "team.toml"
    team.write_text(
        'name = "crew"\nprofiles.l.kind = "lead"\nprofiles.r.kind = "reviewer"\n'
        'members.lead.profile = "l"\nmembers.one.profile = "r"\n'
    )
    other = job(source, team)
    await review_folder(other, lambda event: None)
    assert other.report.read_bytes() == page


async def test_a_cancelled_job_continues_where_it_was(source: Path, tmp_path: Path) -> None:
    """Cancelled at its 1st, 4th, 7th event and so on until it gets through: the report is that of a calm run."""
    calm = tmp_path / "calm" / "src"
    calm.parent.mkdir()
    os.symlink(source, calm)
    ordered = Job(folder=read_folder(calm), team=load_team(None), out=tmp_path / "calm" / "out")
    await review_folder(ordered, lambda event: None)
    known: dict[str, str] = {}
    finished = False
    rounds = 0
    while not finished:
        rounds += 1
        with trio.CancelScope() as scope:
            await review_folder(job(source), stopping(scope, 3 * rounds - 2, known))
            finished = True
    assert rounds > 5
    assert job(source).report.read_bytes() == ordered.report.read_bytes()
    async with meerkat.open_runtime(job(source).database, agents=AGENTS) as runtime:
        for number in range(1, 5):
            agent = await runtime.agent(f"review/reviewer-{number}")
            receipts = [receipt async for receipt in agent.receipts()]
            consumed = [input_id for receipt in receipts for input_id in receipt.contributors]
            inputs = [record.input_id async for record in agent.inputs()]
            assert sorted(consumed) == sorted(inputs)
            assert set(inputs) <= set(known.values())


async def test_what_is_given_up_on_is_told_and_tried_again_by_the_next_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ruff"
    program.write_text(f'#!/bin/sh\ncase "$*" in *worse.py*) exit 3;; esac\nexec {find_ruff_bin()} "$@"\n')
    program.chmod(0o700)
    with monkeypatch.context() as patch:
        patch.setattr(analysis, "find_ruff_bin", lambda: str(program))
        result, _, page = await run(source)
    assert [(letter.path, letter.outcome.reason) for letter in result.dead_letters] == [
        ("pkg/worse.py", meerkat.AbandonReason.ATTEMPTS_EXHAUSTED)
    ]
    assert "ruff ended with 3" in result.dead_letters[0].outcome.detail
    assert result.missing == ("pkg/worse.py",)
    assert b"## Not reviewed" in page
    result, events, page = await run(source)
    assert (result.dead_letters, result.missing) == ((), ())
    assert [event.path for event in acknowledged(events) if not event.duplicate] == ["pkg/worse.py"]
    assert b"## Not reviewed" not in page
    result, events, again = await run(source)
    assert (result.statistics.turns, again) == (0, page)
