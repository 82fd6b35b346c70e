"""A small budget of ``scripts/campaign malformed``, and that it sees what it claims to see."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Final

import pytest
from attrs import evolve

from tests.store.sqlite.damage import DAMAGES, damage
from tests.store.sqlite.damage_campaign import UNNOTICEABLE, Tally, explanation_of, run_campaign
from tests.store.sqlite.damage_sample import make_sample, write_files
from tests.store.sqlite.damage_trials import Trial

COUNT: Final = 48
SURE: Final = ("log", "truncation")
"""Classes of which nothing damaging goes unnoticed."""


@pytest.mark.slow
def test_damage_is_noticed_or_no_look_at_the_file_can_notice_it() -> None:
    seed = os.environ.get("MEERKAT_SEED", "malformed-1")
    tally = run_campaign(seed, COUNT)
    told = f"seed={seed}\n{tally}"
    print(told)
    assert tally.trials.total() == COUNT, told
    assert set(tally.trials) == set(DAMAGES), told
    assert (tally.crashes, tally.tracebacks) == ([], []), told
    assert tally.unexplained() == [], told
    assert tally.damaging.total() > COUNT // 2, told
    for kind in SURE:
        assert tally.detected[kind] == tally.damaging[kind] > 0, told
    # What SQLite itself can't see is most of the rest.
    assert tally.doctor.total() > tally.opening.total(), told


def test_a_seed_is_a_damage(tmp_path: Path) -> None:
    files = _sample(tmp_path / "life")
    for kind in DAMAGES:
        told: list[tuple[str, dict[str, bytes]]] = []
        for name in ("one", "other"):
            path = write_files(tmp_path / name, files)
            done = damage(path, kind, Random(f"seed/{kind}"))
            told.append(
                (done, {file.name: file.read_bytes() for file in path.parent.iterdir() if "shm" not in file.name})
            )
        assert told[0][0] == told[1][0]
        assert told[0][1].keys() == told[1][1].keys()
        assert told[0][1] != files


def _sample(folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    return make_sample(folder, is_clean=False)


def test_a_miss_without_a_reason_is_unexplained_and_each_reason_has_a_damage() -> None:
    tally = Tally()
    tally.add(_missed("set head.version (1,): 1 -> 2"))
    tally.add(_missed("set agent_config.body (1, 1): b'1' -> b'2'"))
    assert [trial.told for trial in tally.unexplained()] == ["set head.version (1,): 1 -> 2"]
    assert (tally.damaging["value"], tally.detected["value"]) == (2, 0)
    assert "MISS 7 (value): set head.version" in str(tally)
    assert len(set(UNNOTICEABLE.values())) == 4
    assert explanation_of(_missed("page 3 zeroed (4)")) is None
    emptied = evolve(_missed("delete journal 2 rows; page 3 copied (4)"), kind="pages")
    assert explanation_of(emptied) == explanation_of(_missed("delete journal (1, 2)"))
    assert explanation_of(evolve(emptied, told="delete head 1 rows; page 3 copied (4)")) is None


def _missed(told: str) -> Trial:
    return Trial(
        number=7, kind="value", told=told, is_damaging=True, opening=None, reading=None, doctor=None, traceback=None
    )
