"""Writing the page: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from meerkat_actors.examples.review.output import write_page


def test_a_page_replaces_the_one_before_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "review.md"
    path.with_name("review.md.partial").write_text("left by a crash, and longer than the page")
    write_page(path, "one\n")
    write_page(path, "tw\u00f6\n")
    assert [it.name for it in tmp_path.iterdir()] == ["review.md"]
    assert path.read_text(encoding="utf-8") == "tw\u00f6\n"


def test_a_page_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "review.md"
    write_page(path, "one\n")
    path.with_name("review.md.partial").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_page(path, "two\n")
    assert path.read_text(encoding="utf-8") == "one\n"
