"""The benchmark beside SimPy: a tiny one measures both sides, and a missed bound is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("simpy", reason="of the dev extra")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "benchmarks" / "sim.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


@pytest.mark.slow
def test_a_tiny_benchmark_measures_both_sides_and_tells_that_the_bound_was_not_measured(tmp_path: Path) -> None:
    told = tmp_path / "pairs.json"
    ended = bench(
        "--agents", "3", "--durable-agents", "2", "--events", "10", "--rounds", "1", "--json", str(told), "--check"
    )  # fmt: skip
    assert "nothing was measured with 10,000 agents" in ended.stderr
    assert ended.returncode == 1
    pairs = orjson.loads(told.read_bytes())
    assert [pair["job"]["side"] for pair in pairs] == ["memory", "memory", "durable", "durable"]
    assert all(
        pair[side]["seconds"] > 0 < pair[side]["virtual_seconds"] for pair in pairs for side in ("ours", "simpy")
    )


def test_no_agents_are_nothing_to_measure() -> None:
    ended = bench("--agents", "0")
    assert ended.returncode == 2
    assert "start at 1" in ended.stderr
