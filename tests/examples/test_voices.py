"""Which voice a job speaks with, and what each says of an end that is not all well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import meerkat_actors as meerkat
from meerkat_actors.examples.review import narrator
from meerkat_actors.examples.review.folder import read_folder
from meerkat_actors.examples.review.job import DeadLetter, Job, JobResult
from meerkat_actors.examples.review.narrator import Voice, voice_for
from meerkat_actors.examples.review.summary import tell_interruption, tell_result
from meerkat_actors.examples.review.team import load_team
from meerkat_actors.records.ids import AgentIdentity

STATISTICS = meerkat.Statistics(turns=3, inputs=3, units=6, commits=6, live=2, running=0, broken=())


def absent(name: str) -> None:
    """What ``find_spec`` says of what is not installed."""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("import os\n")
    (tmp_path / "src" / "bad.py").write_text("x = = 1\n")
    (tmp_path / "src" / "out.py").symlink_to("/etc/passwd")
    return Job(folder=read_folder(tmp_path / "src"), team=load_team(None), out=tmp_path / "out")


@pytest.fixture
def result() -> JobResult:
    letter = DeadLetter(
        path="a.py",
        identity=AgentIdentity("review/reviewer-1"),
        outcome=meerkat.Abandoned(meerkat.AbandonReason.ATTEMPTS_EXHAUSTED, "no \x1b[2J"),
    )
    return JobResult(statistics=STATISTICS, seconds=0.0, dead_letters=(letter,), missing=("a.py", "b.py"), reviews=())


def test_the_voice_is_chosen_by_the_options_and_by_who_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert voice_for(quiet=True, json=False) is Voice.QUIET
    assert voice_for(quiet=False, json=True) is Voice.JSON
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert voice_for(quiet=False, json=False) is Voice.PLAIN
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert voice_for(quiet=False, json=False) is Voice.LIVE
    monkeypatch.setattr(narrator, "find_spec", absent)
    assert voice_for(quiet=False, json=False) is Voice.PLAIN


@pytest.mark.parametrize("voice", list(Voice))
def test_what_was_given_up_on_is_complained_of_in_every_voice(
    job: Job, result: JobResult, voice: Voice, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_result(job, result, voice, code=1)
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "given up on: a.py by review/reviewer-1 (attempts_exhausted: no \\x1b[2J)",
        "not reviewed: b.py: nothing of it reached the lead",
    ]
    assert "\x1b[2J" not in out
    match voice:
        case Voice.QUIET:
            assert out == ""
        case Voice.JSON:
            told = json.loads(out)
            assert (told["status"], told["exit_code"], told["missing"]) == ("given_up", 1, ["a.py", "b.py"])
            assert told["given_up"][0]["reason"] == "attempts_exhausted"
            assert told["turns_per_second"] == 0
        case Voice.PLAIN:
            assert out.startswith("3 turns, 6 commits, 0 turns/s\ndatabase: ")
        case Voice.LIVE:
            assert "Reviewed 0 of 2 files: 0 findings." in out
            assert "1 broken file, named in the report; 1 link" in out
            assert "The same command again tries once more what was given up on." in out


def test_without_the_command_line_nobody_is_sent_to_it(
    job: Job, result: JobResult, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meerkat_actors.examples.review.summary.find_spec", absent)
    tell_result(job, result, Voice.LIVE, code=1)
    assert "meerkat-actors status" not in capsys.readouterr().out


@pytest.mark.parametrize("voice", list(Voice))
def test_an_interruption_is_told_in_every_voice(job: Job, voice: Voice, capsys: pytest.CaptureFixture[str]) -> None:
    tell_interruption(job, voice, code=130)
    out, err = capsys.readouterr()
    assert err.startswith("interrupted: everything acknowledged is safe in ")
    assert (json.loads(out)["exit_code"] == 130) if voice is Voice.JSON else out == ""
