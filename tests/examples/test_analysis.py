"""Real ruff on real source: what it finds, and on what that depends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from meerkat_actors.examples.review import analysis
from meerkat_actors.examples.review.analysis import (
    FINDINGS_MAX,
    AnalysisFailedError,
    analyse,
    analysis_problem,
    analysis_version,
)
from meerkat_actors.examples.review.findings import Analysis, Review, parse_analysis, parse_review, to_json
from meerkat_actors.examples.review.rules import RULES
from meerkat_actors.records.content import JSON

SAMPLE = '''\
import os


def careless(items=[]):
    try:
        return items
    except:
        pass
    try:
        return items
    except Exception:
        return None


class Thing:
    def method(self, a, b, c, d, e, f, g, h):
        """Documented."""
'''


async def found(source: str, path: str = "pkg/module.py") -> list[tuple[int, str, int]]:
    result = parse_analysis(await analyse(path, source))
    return [(finding.line, finding.rule, finding.weight) for finding in result.findings]


async def test_findings_name_rule_line_and_weight_in_the_order_of_lines() -> None:
    assert await found(SAMPLE) == [
        (1, "D100", 2),
        (1, "F401", 2),
        (4, "B006", 6),
        (4, "D103", 1),
        (7, "E722", 6),
        (11, "BLE001", 4),
        (15, "D101", 2),
        (16, "PLR0913", 3),
    ]


async def test_a_finding_that_names_its_excess_weighs_in_proportion() -> None:
    def branches(count: int) -> str:
        return '"""Doc."""\n\n\ndef _f(x):\n' + "    if x:\n        pass\n" * count

    mild, wild = await found(branches(13)), await found(branches(60))
    assert (4, "C901", 11) in mild
    assert (4, "C901", 48) in wild
    assert {rule for _, rule, _ in wild} == {"C901", "PLR0912", "PLR0915"}


async def test_clean_source_has_no_findings() -> None:
    assert await found('"""Doc."""\n\nX = 1\n') == []


async def test_the_analysis_depends_on_the_source_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on where it runs, nor on configuration, packages or variables found there."""
    here = await analyse("pkg/module.py", SAMPLE)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "ruff.toml").write_text('lint.select = ["ALL"]\nlint.ignore = ["D", "F"]\nexclude = ["pkg"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUFF_OUTPUT_FORMAT", "concise")
    assert await analyse("pkg/module.py", SAMPLE) == here
    assert await analyse("pkg/module.py", SAMPLE) == here
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize(
    "path", ["build/x.py", ".venv/lib/x.py", "-x.py", "a b\n'\"*?[x].py", "\u00e9.py", "x" * 200 + ".py"]
)
async def test_any_path_is_analysed(path: str) -> None:
    assert (1, "F401", 2) in await found("import os\n", path)


async def test_what_only_ruff_cannot_parse_is_a_finding() -> None:
    assert await found("x = = 1\n") == [(1, "invalid-syntax", 20)]


async def test_the_heaviest_findings_travel_and_the_rest_is_counted() -> None:
    source = "import os\n" + "def f(): pass\n" * (FINDINGS_MAX + 10)
    result = parse_analysis(await analyse("m.py", source))
    assert len(result.findings) == FINDINGS_MAX
    assert result.omitted == 12
    assert {finding.rule for finding in result.findings[:2]} == {"D100", "F401"}


async def test_a_failure_of_ruff_fails_the_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for script, told in (
        ("echo broken >&2; exit 2", "ruff ended with 2: broken"),
        ("kill -9 $$", "ruff ended with -9: "),
        ("echo nonsense", "ruff wrote what is no list of findings"),
        ("echo 3", "ruff wrote what is no list of findings"),
        ("echo '[{}]'", "ruff wrote what is no list of findings"),
    ):
        program = tmp_path / "ruff"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setattr(analysis, "find_ruff_bin", lambda program=program: str(program))
        with pytest.raises(AnalysisFailedError, match=told):
            await analyse("m.py", "")


async def test_cancelling_ends_ruff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, started = tmp_path / "ruff", tmp_path / "started"
    os.mkfifo(started)
    program.write_text(f"#!/bin/sh\necho $$ >{started}\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(analysis, "find_ruff_bin", lambda: str(program))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(analyse, "m.py", "")
        number = int(await trio.to_thread.run_sync(started.read_text))
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_missing_ruff_is_a_problem_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert analysis_problem() is None

    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(analysis, "find_ruff_bin", missing)
    assert "pip install" in str(analysis_problem())


def test_the_version_names_ruff_and_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    version = analysis_version()
    assert version.startswith("ruff-")
    assert len(version) <= 64
    monkeypatch.setattr(analysis, "RULES", RULES[1:])
    analysis_version.cache_clear()
    assert analysis_version() != version
    monkeypatch.undo()
    analysis_version.cache_clear()
    assert analysis_version() == version


def test_a_review_survives_its_form_in_messages_and_nothing_else_is_one() -> None:
    review = Review(path="a.py", digest="0", analysis=Analysis(version="1", findings=(), omitted=3))
    assert parse_review(to_json(review)) == review
    others: tuple[JSON, ...] = (
        None,
        1,
        "x",
        ["x"],
        {},
        {"path": "a.py"},
        {"path": "a.py", "digest": "0", "analysis": 3},
        {"path": "a.py", "digest": "0", "analysis": {"version": "1", "findings": [], "omitted": 0}, "extra": 1},
    )
    for other in others:
        assert parse_review(other) is None
