"""Identifiers: what is let in, what is not, and how a refusal shows a hostile value."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    is_counter,
    parse_identity,
    parse_input_id,
    parse_key,
    parse_name,
    shown,
    uuid_bytes,
    uuid_text,
)


class UnspeakableError(Exception):
    pass


class Unspeakable:
    """A value whose very name is an error."""

    def __repr__(self) -> str:
        raise UnspeakableError


class NamedInt(int):
    def __repr__(self) -> str:
        raise UnspeakableError


def deep_list() -> list[object]:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def cyclic_list() -> list[object]:
    cycle: list[object] = []
    cycle.append(cycle)
    return cycle


NO_TEXT: Final[dict[str, object]] = {
    "none": None,
    "true": True,
    "int": 7,
    "2^63": 2**63,
    "int of 20,000 digits": 10**20_000,
    "nan": float("nan"),
    "bytes": b"reviewer",
    "list": ["reviewer"],
    "cyclic": cyclic_list(),
    "deep": deep_list(),
    "unspeakable": Unspeakable(),
    "unspeakable int": NamedInt(3),
    "class": str,
}

IN_NO_FORM: Final[dict[str, str]] = {
    "empty": "",
    "space": " ",
    "inner space": "a b",
    "newline at the end": "a\n",
    "newline at the beginning": "\na",
    "carriage return": "a\r",
    "nul": "a\x00",
    "nul at the beginning": "\x00a",
    "tab": "a\tb",
    "escape": "a\x1b[31m",
    "delete": "a\x7f",
    "lone surrogate": "a\ud800",
    "byte order mark": "\ufeffa",
    "zero width space": "a\u200bb",
    "right to left override": "a\u202eb",
    "combining acute": "e\u0301",
    "precomposed acute": "\u00e9",
    "cyrillic a": "\u0430gent",
    "fullwidth a": "\uff41",
    "arabic digit": "\u0661",
    "superscript two": "a\u00b2",
    "long s, which folds to s": "\u017f",
    "kelvin sign, which folds to k": "\u212a",
    "line separator": "a\u2028",
    "emoji": "\U0001f98a",
    "percent": "a%00",
    "back slash": "a\\b",
    "quote": "a'b",
    "double quote": 'a"b',
    "star": "*",
    "comma": "a,b",
    "two slashes": "a/b/c",
    "slashes in a row": "a//b",
    "slash first": "/a",
    "slash last": "a/",
    "slash alone": "/",
    "path upwards": "../../etc/passwd",
    "million": "a" * 1_000_000,
}


# -- agent identities ---------------------------------------------------------------------

IDENTITIES: Final = (
    "a", "A", "0", ".", "..", "-", "_", "reviewer-1", "team/lead", "./..", "a@b.c", "a:b", "a+b", "r:t", "rt", "rt.x",
    "mob", "mob/rt:x", "mobs:x", "RT:x", "Mob:x", "xrt:y", "a" * 160, "a" * 79 + "/" + "b" * 80,
)  # fmt: skip


@pytest.mark.parametrize("text", IDENTITIES)
def test_an_identity_in_its_form_is_let_in_unchanged(text: str) -> None:
    assert parse_identity(text) == text


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in IN_NO_FORM.items()])
def test_an_identity_in_no_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="is no agent identity"):
        parse_identity(text)


@pytest.mark.parametrize("text", ["a" * 161, "a" * 80 + "/" + "b" * 80])
def test_an_identity_of_161_characters_is_one_too_long(text: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_identity(text)


@pytest.mark.parametrize("text", ["rt:", "rt:a:0", "rt:x/y", "mob:", "mob:team"])
def test_a_reserved_prefix_is_refused_and_named(text: str) -> None:
    with pytest.raises(InvalidValueError, match="'rt:' and 'mob:' are reserved"):
        parse_identity(text)


@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in NO_TEXT.items()])
@pytest.mark.parametrize(
    "parse",
    [
        parse_identity,
        parse_input_id,
        partial(parse_name, what="agent kind"),
        partial(parse_key, what="step name", length_max=256),
    ],
)
def test_what_is_no_text_is_no_identifier_and_raises_nothing_else(
    parse: Callable[[object], str], value: object
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse(value)
    assert len(str(caught.value)) < 300


@given(st.one_of(st.text(), st.text("abZ09._:@+-/rtmob:\n\0", max_size=12)))
def test_an_identity_holds_only_what_needs_no_escaping_anywhere(text: str) -> None:
    form = re.fullmatch(r"[A-Za-z0-9._:@+-]{1,160}", text.replace("/", "", 1))
    if form is not None and not text.startswith(("/", "rt:", "mob:")) and not text.endswith("/") and len(text) <= 160:
        assert parse_identity(text) == text
        return
    with pytest.raises(InvalidValueError) as caught:
        parse_identity(text)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


# -- short names --------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "0", "reviewer-1", "a.b_c-d", "a" * 64])
def test_a_name_in_its_form_is_let_in_unchanged(text: str) -> None:
    assert parse_name(text, what="agent kind") == text


@pytest.mark.parametrize(
    "text",
    [
        *(pytest.param(text, id=name) for name, text in IN_NO_FORM.items()),
        *("A", "Reviewer", "-a", ".a", "_a", "a/b", "a:b", "a@b", "a" * 65),
    ],
)
def test_a_name_in_no_form_is_refused_by_what_it_was_to_name(text: str) -> None:
    with pytest.raises(InvalidValueError, match="is no agent kind: use 1 to 64"):
        parse_name(text, what="agent kind")


# -- keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", " ", "Job 1/\u00e9\u4e2d\U0001f98a", "a" * 256, "\U0001f98a" * 256, "a'\"\\%s"])
def test_a_key_is_any_printable_text_within_its_length(text: str) -> None:
    assert parse_key(text, what="idempotency key", length_max=256) == text


@pytest.mark.parametrize(
    "text",
    ["", "a" * 257, "a\n", "\x00", "a\tb", "\x1b[31m", "a\x7f", "\ud83d", "a\u2028", "a\u202eb", "\ufeffa", "\u00a0"],
)
def test_a_key_that_can_not_be_printed_or_is_too_long_is_refused_by_what_it_was(text: str) -> None:
    with pytest.raises(InvalidValueError, match="is no step name: use printable text of 1 to 256") as caught:
        parse_key(text, what="step name", length_max=256)
    assert str(caught.value).isascii()


# -- ids ----------------------------------------------------------------------------------

TEXT: Final = "01234567-89ab-7def-8123-456789abcdef"


def test_a_canonical_uuid_is_an_input_id() -> None:
    assert parse_input_id(TEXT) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        *(pytest.param(text, id=name) for name, text in IN_NO_FORM.items()),
        TEXT.upper(),
        TEXT.replace("-", ""),
        f"{{{TEXT}}}",
        f"urn:uuid:{TEXT}",
        f"{TEXT}\n",
        f" {TEXT}",
        TEXT[:-1],
        f"{TEXT}0",
        TEXT.replace("f", "g"),
        TEXT.replace("1", "\u0661"),
    ],
)
def test_another_spelling_is_no_input_id(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"runtime\.new_id"):
        parse_input_id(text)


@given(st.uuids())
def test_the_text_and_the_bytes_of_an_id_are_each_others_inverse(uuid: UUID) -> None:
    text = str(uuid)
    assert uuid_bytes(text) == uuid.bytes
    assert uuid_text(uuid.bytes) == text
    assert uuid_text(uuid_bytes(text)) == text == parse_input_id(text)


def test_sixteen_bytes_stand_for_one_id() -> None:
    texts = {str(uuid4()) for _ in range(100)}
    assert len({uuid_bytes(text) for text in texts}) == len(texts) == 100


# -- counters -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 2**31, 2**53 + 1, COUNTER_MAX])
def test_a_counter_goes_from_0_to_the_last_signed_64_bits(value: int) -> None:
    assert is_counter(value)


def test_nothing_else_is_a_counter() -> None:
    others = (-1, COUNTER_MAX + 1, 2**64, 10**5000, True, False, 1.0, "1", None, b"1", NamedInt(1))
    assert [is_counter(value) for value in others] == [False] * len(others)


# -- showing ------------------------------------------------------------------------------


def test_any_value_is_shown_short_and_in_plain_characters() -> None:
    for value in (*NO_TEXT.values(), *IN_NO_FORM.values(), "\U0010ffff" * 1000, -(10**5000)):
        text = shown(value)
        assert 0 < len(text) <= 60
        assert text.isascii()
        assert text.isprintable()


@given(st.one_of(st.text(max_size=50), st.integers(-COUNTER_MAX, COUNTER_MAX), st.floats(), st.none(), st.booleans()))
def test_a_short_plain_value_is_shown_as_it_is_written(value: object) -> None:
    full = ascii(value)
    assert shown(value) == (full if len(full) <= 60 else full[:57] + "...")
