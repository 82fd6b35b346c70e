"""Canonical bytes of a user's values: what is let in, and that it comes back as it was."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from attrs import define
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.codec import DIGEST_ZERO, content_digest, decode_json, encode_json, extend_chain

BYTES: Final = 1024 * 1024
DEPTH: Final = 64

TEXTS: Final = st.text(st.characters(codec="utf-8"))
SCALARS: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXTS, inner, max_size=5)),
    max_leaves=8,
)


def encoded(value: object, *, bytes_max: int = BYTES, depth_max: int = DEPTH) -> bytes:
    return encode_json(value, what="state", bytes_max=bytes_max, depth_max=depth_max)


def refusal(value: object, *, bytes_max: int = BYTES, depth_max: int = DEPTH) -> str:
    with pytest.raises(InvalidValueError, match=r"^state ") as caught:
        encoded(value, bytes_max=bytes_max, depth_max=depth_max)
    text = str(caught.value)
    assert len(text) < 300
    return text


def typed(value: object) -> str:
    """The value as another encoder says it: JSON tells 1 from 1.0 and from true, Python's == does not."""
    return json.dumps(value, sort_keys=True)


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


# -- round trip ---------------------------------------------------------------------------


@settings(max_examples=70)
@given(VALUES)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    raw = encoded(value)
    again = decode_json(raw)
    assert again == value
    assert typed(again) == typed(value)
    assert encoded(again) == raw
    assert typed(json.loads(raw)) == typed(value)


@given(st.dictionaries(TEXTS, st.dictionaries(TEXTS, st.integers(0, 9), max_size=5), max_size=5))
def test_equal_objects_have_the_same_bytes_in_whatever_order_they_were_made(value: dict[str, dict[str, int]]) -> None:
    again = {key: dict(reversed(inner.items())) for key, inner in reversed(value.items())}
    assert encoded(again) == encoded(value)


def test_values_that_python_calls_equal_and_json_does_not_have_different_bytes() -> None:
    assert len({encoded(value) for value in (1, 1.0, True, [1], [1.0], [True], {"a": 1}, {"a": True})}) == 8


def test_canonical_is_without_spaces_sorted_and_utf_8() -> None:
    value = {"b": [1, 2.5, True, None], "a": {"z": "\u00e9\U0001f98a", "y": '"\\\n\x00'}}
    assert encoded(value) == ('{"a":{"y":"\\"\\\\\\n\\u0000","z":"\u00e9\U0001f98a"},"b":[1,2.5,true,null]}'.encode())


def test_a_tuple_is_a_list() -> None:
    assert encoded((1, ("a",), [()])) == b'[1,["a"],[[]]]'


def test_decoding_makes_a_fresh_object_each_time() -> None:
    raw = encoded({"a": [1]})
    first: Any = decode_json(raw)
    first["a"].append(2)
    assert decode_json(raw) == {"a": [1]}


def test_encoding_leaves_the_value_alone() -> None:
    value = {"b": [1, {"y": 2, "x": 1}], "a": ()}
    encoded(value)
    assert list(value) == ["b", "a"]
    assert value == {"b": [1, {"y": 2, "x": 1}], "a": ()}


# -- numbers and text ---------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)])
def test_an_integer_of_64_bits_is_exact(number: int) -> None:
    assert encoded(number) == str(number).encode()
    assert decode_json(encoded([number])) == [number]


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30, pytest.param(10**5000, id="5000 digits")])
def test_an_integer_beyond_64_bits_is_refused(number: int) -> None:
    assert "64-bit" in refusal(number)
    assert "64-bit" in refusal({"a": [number]})


@pytest.mark.parametrize("number", [math.nan, float("inf"), -float("inf")])
def test_a_number_that_json_can_not_say_is_refused(number: float) -> None:
    for value in (number, [number], {"a": {"b": (number,)}}):
        assert "which JSON can't say" in refusal(value)


@pytest.mark.parametrize("number", [0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e16, 1e22, 123456789.125])
def test_a_finite_number_keeps_every_bit(number: float) -> None:
    again = decode_json(encoded(number))
    assert isinstance(again, float)
    assert again.hex() == number.hex()
    assert repr(decode_json(encoded(-number))) == repr(-number)


@pytest.mark.parametrize("text", ["\ud83d", "a\udfffb", "\udc80" * 10])
def test_a_lone_surrogate_is_refused_wherever_it_is(text: str) -> None:
    for value in (text, [text], {"a": text}, {text: 1}):
        assert "is not JSON" in refusal(value)


@pytest.mark.parametrize("text", ["", "\x00", "a\x00b", "\x1b[31m", "\u2028\u2029", "\ufeff", "\uffff", "\U0010ffff"])
def test_any_other_text_is_kept_whole(text: str) -> None:
    assert decode_json(encoded(text)) == text
    assert decode_json(encoded({text: text})) == {text: text}


# -- what is no JSON ----------------------------------------------------------------------


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Broken(float):
    pass


class Items(list[object]):
    pass


class Members(dict[str, object]):
    pass


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Side(Enum):
    LEFT = "left"


@define
class Record:
    a: int = 1


NO_JSON: Final[dict[str, object]] = {
    "bytes": b"a",
    "bytearray": bytearray(b"a"),
    "memoryview": memoryview(b"a"),
    "set": {1},
    "frozenset": frozenset({1}),
    "range": range(3),
    "generator": (each for each in (1, 2)),
    "complex": 1j,
    "decimal": Decimal(1),
    "datetime": datetime(2024, 1, 1, tzinfo=UTC),
    "uuid": UUID(int=1),
    "text subclass": Text("a"),
    "int subclass": Whole(1),
    "float subclass": Broken(1.5),
    "list subclass": Items([1]),
    "dict subclass": Members(a=1),
    "text enum": Colour.RED,
    "int enum": Level.LOW,
    "enum": Side.LEFT,
    "mapping": MappingProxyType({"a": 1}),
    "record": Record(),
    "fragment": orjson.Fragment(b"1"),
    "function": len,
    "class": int,
    "object": object(),
}


@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in NO_JSON.items()])
def test_what_is_no_json_is_refused_by_its_type_wherever_it_is(value: object) -> None:
    for inside in (value, [value], {"a": value}, [[{"a": (1, value)}]]):
        assert f"holds a {type(value).__name__}, which is no JSON value" in refusal(inside)


@pytest.mark.parametrize("key", [1, None, True, 1.5, b"a", ("a",), Text("a"), Colour.RED, UUID(int=1)])
def test_a_key_that_is_no_plain_text_is_refused(key: object) -> None:
    for value in ({key: 1}, [{"a": {key: 1}}]):
        assert f"has a key of type {type(key).__name__}; keys are text" in refusal(value)


# -- depth --------------------------------------------------------------------------------


def test_the_depth_bound_is_exact() -> None:
    assert decode_json(encoded(nested(DEPTH))) == nested(DEPTH)
    assert "is nested deeper than 64" in refusal(nested(DEPTH + 1))
    assert "is nested deeper than 1" in refusal([1], depth_max=1)
    assert encoded([], depth_max=1) == b"[]"


def test_depth_counts_objects_and_lists_alike() -> None:
    value: object = 1
    for _ in range(DEPTH - 1):
        value = {"a": value}
    encoded(value)
    assert "nested deeper" in refusal((value,))


@pytest.mark.parametrize("depth", [250, 1_000, 100_000])
def test_a_value_deeper_than_parsers_go_is_refused_like_any_other(depth: int) -> None:
    assert "is nested deeper than 64" in refusal(nested(depth))


def test_a_generous_depth_bound_still_refuses_what_the_encoder_can_not_say() -> None:
    assert "Recursion limit" in refusal(nested(100_000), depth_max=10**6)


def test_a_value_that_holds_itself_is_refused() -> None:
    cyclic_list: list[object] = [1]
    cyclic_list.append(cyclic_list)
    cyclic_object: dict[str, object] = {}
    cyclic_object["a"] = [cyclic_object, cyclic_object]
    for value in (cyclic_list, cyclic_object):
        assert "is nested deeper than 64" in refusal(value)
        refusal(value, bytes_max=1000, depth_max=10**9)


# -- size ---------------------------------------------------------------------------------


@settings(max_examples=50)
@given(VALUES)
@example([""])
@example(["a", "b"])
@example({"": 0})
@example({"a": "b", "c": {}})
@example([0.0, 1e16])
@example([None, 0, [], {}, [0], {"": ""}])
def test_the_size_bound_is_exact(value: object) -> None:
    size = len(encoded(value))
    assert len(encoded(value, bytes_max=size)) == size
    assert f"the limit is {size - 1:,}" in refusal(value, bytes_max=size - 1)


def test_a_text_is_measured_in_bytes() -> None:
    assert encoded("\u00e9", bytes_max=4) == '"\u00e9"'.encode()
    assert refusal("\u00e9" * 1000, bytes_max=2001) == (
        "state has 2,002 bytes, the limit is 2,001; pass a path or an id instead"
    )


def test_a_huge_text_is_refused() -> None:
    assert "bytes, the limit is 1,048,576" in refusal("a" * (BYTES - 1))
    encoded("a" * (BYTES - 2))


@pytest.mark.parametrize("depth", [40, 63])
def test_a_small_object_shared_into_a_huge_value_is_refused_at_once(depth: int) -> None:
    pairs: object = []
    members: object = {}
    for _ in range(depth):
        pairs = [pairs, pairs]
        members = {"a": members, "b": members}
    for value in (pairs, members):
        assert "has more than 100,000 bytes" in refusal(value, bytes_max=100_000)


def test_a_text_shared_into_a_huge_value_is_refused_before_it_is_written() -> None:
    text = "a" * (BYTES // 2)
    for value in ([text] * 100_000, {"a": [text, text, text]}, [{text: 1}] * 10, (text,) * 3):
        assert "has more than 1,048,576 bytes" in refusal(value)


# -- digests ------------------------------------------------------------------------------


def test_an_empty_transcript_has_the_digest_of_32_zero_bytes() -> None:
    assert bytes(32) == DIGEST_ZERO
    assert extend_chain(DIGEST_ZERO, ()) == DIGEST_ZERO


@given(st.binary(min_size=32, max_size=32), st.lists(st.binary(max_size=50), max_size=8))
def test_the_chain_is_its_formula(digest: bytes, entries: list[bytes]) -> None:
    expected = digest
    for entry in entries:
        expected = sha256(expected + sha256(entry).digest()).digest()
    assert extend_chain(digest, tuple(entries)) == expected


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(0, 8))
def test_a_chain_may_be_extended_in_pieces(entries: list[bytes], cut: int) -> None:
    whole = extend_chain(DIGEST_ZERO, tuple(entries))
    assert extend_chain(extend_chain(DIGEST_ZERO, tuple(entries[:cut])), tuple(entries[cut:])) == whole


def test_a_chain_tells_order_and_borders_of_its_entries() -> None:
    chains = {
        extend_chain(DIGEST_ZERO, entries)
        for entries in ((b"a", b"b"), (b"b", b"a"), (b"ab",), (b"ab", b""), (b"", b"ab"), ())
    }
    assert len(chains) == 6


@given(st.binary())
def test_the_digest_of_content_is_its_sha_256(content: bytes) -> None:
    assert content_digest(content) == sha256(content).digest()
