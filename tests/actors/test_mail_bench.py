"""What ``scripts/bench mail`` and ``scripts/campaign storm`` count, at a size at which no clock matters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MAIL = ROOT / "scripts" / "benchmarks" / "mail.py"
STORM = ROOT / "scripts" / "campaigns" / "storm.py"


def test_what_a_message_costs_is_told_by_one_row_a_unit(tmp_path: Path) -> None:
    parts = run_mail(tmp_path, "rings")
    idle = parts["rings"]["idle"]
    # The admission and the turn that began it; then, for each message, what takes it and what it makes.
    assert idle["units"] == 2 + 2 * idle["messages"]
    for ring in parts["rings"].values():
        assert ring["units"] == 1 + ring["turn_rows"] + ring["event_rows"], ring


def test_a_crowd_is_heard_in_order_and_no_further_than_there_is_room(tmp_path: Path) -> None:
    crowd = run_mail(tmp_path, "crowd")["crowd"]
    assert crowd["consumed"] == crowd["sent"]
    assert (crowd["disordered"], crowd["left_in_mail"]) == (0, 0)
    assert 0 < crowd["backlog_seen"] <= crowd["backlog_max"] < crowd["sent"]


def test_no_token_of_a_storm_is_lost_and_no_agent_is_left_out() -> None:
    ran = run(STORM, "--agents", "20", "--seconds", "1")
    # Memory is still warming up so early: of the bounds that one alone may be missed.
    said = [line for line in ran.stdout.splitlines() if line.startswith("VIOLATION") and "RSS" not in line]
    assert said == [], ran.stdout
    assert "messages/s" in ran.stdout, ran.stderr


def test_the_bounds_are_only_about_the_full_size() -> None:
    ran = run(MAIL, "--scale", "0.5", "--check")
    assert ran.returncode == 2
    assert "leave --scale out" in ran.stderr


def run_mail(folder: Path, part: str) -> dict[str, Any]:
    """One part, far smaller than it is meant to be, as its file says it."""
    told = folder / "mail.json"
    ran = run(MAIL, "--only", part, "--scale", "0.05", "--memory-only", "--disk", str(folder), "--json", str(told))
    assert ran.returncode == 0, ran.stderr
    parts: dict[str, Any] = json.loads(told.read_bytes())["parts"]
    return parts


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script of ours, as its command runs it."""
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
