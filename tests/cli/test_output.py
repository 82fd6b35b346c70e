"""Widths, sizes and cells: what a table makes of what it is given."""

from __future__ import annotations

import pytest

from meerkat_actors.cli.output import CELL_LENGTH_MAX, Column, Kind, print_table, size_text

COLUMNS = (
    Column(title="#", kind=Kind.NUMBER),
    Column(title="name", kind=Kind.NAME),
    Column(title="text", kind=Kind.PROSE),
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (53_342_208, "53.3 MB"),
        (2 * 10**9, "2.0 GB"),
        (5 * 10**15, "5,000.0 TB"),
    ],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert size_text(size) == text


def test_prose_gives_way_before_names_and_numbers_never_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ("1234567", "n" * 30, "word " * 40)
    monkeypatch.setenv("COLUMNS", "60")
    print_table(COLUMNS, [row], footer="1 row")
    wide = capsys.readouterr().out.splitlines()
    assert row[1] in wide[2]
    assert max(map(len, wide)) <= 60
    monkeypatch.setenv("COLUMNS", "30")
    print_table(COLUMNS, [row], footer="1 row")
    narrow = capsys.readouterr().out.splitlines()
    assert row[1] not in narrow[2]
    assert "1234567" in narrow[2]
    assert max(map(len, narrow)) <= 30


def test_wide_characters_count_twice(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(COLUMNS, [("1", "a", "\u6f22" * 60)], footer="1 row")
    line = capsys.readouterr().out.splitlines()[2]
    assert sum(2 if character == "\u6f22" else 1 for character in line) <= 40


def test_a_cell_shows_no_more_than_anybody_reads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10000")
    print_table(COLUMNS, [("1", "a", "\x1b" * 1_000_000)], footer="1 row")
    line = capsys.readouterr().out.splitlines()[2]
    assert line.count("\\x1b") <= CELL_LENGTH_MAX / 4
    assert line.rstrip().endswith("...")
