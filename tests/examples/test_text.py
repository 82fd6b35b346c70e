"""Text that others wrote, shown harmlessly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.examples.review.text import clipped, printable


def test_what_prints_stays_and_the_rest_is_spelled_out() -> None:
    assert printable("na\u00efve (1).py") == "na\u00efve (1).py"
    assert printable("a\x1b[2J\n\u202e\udcff") == "a\\x1b[2J\\n\\u202e\\udcff"


@given(st.text(st.characters()))
def test_anything_becomes_one_line_that_every_terminal_takes(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


def test_long_text_ends_in_dots() -> None:
    assert clipped("abcdef", 6) == "abcdef"
    assert clipped("abcdefg", 6) == "abc..."
