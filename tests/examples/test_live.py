"""The moving picture of a job, drawn on a terminal that is none."""

from __future__ import annotations

import io

import pytest
from attrs import evolve
from rich.console import Console

from meerkat_actors.examples.review import live
from meerkat_actors.examples.review.live import LivePicture
from meerkat_actors.examples.review.progress import Phase
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, FencingToken, Generation, SessionId
from meerkat_actors.records.status import IdentityStatus
from meerkat_actors.records.status import Phase as AgentPhase

IDLE = IdentityStatus(
    identity=AgentIdentity("mob/lead"),
    kind="lead",
    phase=AgentPhase.IDLE,
    generation=Generation(0),
    checkpoint_version=CheckpointVersion(4),
    fencing_token=FencingToken(1),
    session_id=SessionId("00000000-0000-0000-0000-000000000001"),
    message_count=8,
    backlog=3,
    run_id=None,
    attempts=0,
    interruptions=0,
)


def picture(*names: str, columns: int = 100, lines: int = 30) -> LivePicture:
    console = Console(file=io.StringIO(), width=columns, height=lines, force_terminal=True, color_system=None)
    return LivePicture(console=console, rows={name: live.Row() for name in names})


def drawn(of: LivePicture) -> list[str]:
    with of.console.capture() as capture:
        of.console.print(of)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_before_anybody_looked_it_shows_who_takes_part() -> None:
    lines = drawn(picture("mob/lead", "mob/reviewer"))
    assert lines[1].startswith("set-up")
    assert lines[-2].split() == ["mob/lead", "-", "0", "0", "-"]
    assert lines[-1].split() == ["mob/reviewer", "-", "0", "0", "-"]


def test_the_bar_is_the_phases() -> None:
    shown = picture("mob/lead")
    shown.move(Phase.TURNS, 7, 20)
    (line,) = (line for line in drawn(shown) if "turns " in line and "/" in line)
    assert line.startswith("turns ")
    assert " 7/20 " in line


def test_an_agent_is_shown_as_it_was_seen_last() -> None:
    shown = picture("mob/lead")
    shown.look([IDLE])
    assert drawn(shown)[-1].split() == ["mob/lead", "idle", "3", "4", "-"]
    moved = evolve(IDLE, phase=AgentPhase.RUNNING, backlog=2, checkpoint_version=CheckpointVersion(5))
    shown.look([moved])
    assert drawn(shown)[-1].split() == ["mob/lead", "running", "2", "5", "now"]
    shown.end_turn("mob/lead", "a.py: 3 findings")
    assert drawn(shown)[-1].endswith("a.py: 3 findings")


def test_a_turn_that_is_long_ago_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = picture("mob/lead")
    clock = iter([100.0, 112.4])
    monkeypatch.setattr(live, "monotonic", lambda: next(clock))
    shown.end_turn("mob/lead", "a.py: 3 findings")
    assert drawn(shown)[-1].endswith("12 s ago  a.py: 3 findings")


def test_a_low_screen_shows_as_many_agents_as_fit_and_counts_the_others() -> None:
    lines = drawn(picture(*(f"mob/reviewer-{number}" for number in range(40)), lines=20))
    assert len(lines) < 20
    assert lines[-1] == "and 27 more"


@pytest.mark.parametrize("columns", [40, 60, 100, 160])
def test_it_fits_its_terminal_and_nothing_steers_it(columns: int) -> None:
    shown = picture("mob/" + "r" * 150, "mob/lead", columns=columns)
    shown.look([IDLE])
    shown.end_turn("mob/lead", "\x1b[2J[red]\u202e" + "x" * 1_000_000)
    lines = drawn(shown)
    assert max(map(len, lines)) <= columns
    assert all(line.isprintable() for line in lines)
