"""Values of users' own attrs types, as JSON and back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from typing import Any, Final

import pytest
from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.codec import encode_json
from meerkat_actors.records.typed import check_type, from_json, to_json

TEXTS: Final = st.text(st.characters(codec="utf-8"))


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


@frozen
class Inner:
    when: datetime
    day: date


@define
class Everything:
    number: int = 0
    share: float = 0.5
    name: str = ""
    mood: Mood = Mood.GOOD
    names: list[str] = field(factory=list[str])
    by_name: dict[str, int] = field(factory=dict[str, int])
    inner: Inner | None = None
    raw: bytes = b""


def stored(value: object, as_type: type | None) -> bytes:
    return encode_json(to_json(value, as_type, what="it"), what="it", bytes_max=10_000, depth_max=20)


@given(
    st.builds(
        Everything,
        number=st.integers(-(2**63), 2**63 - 1),
        share=st.floats(allow_nan=False, allow_infinity=False),
        name=TEXTS,
        mood=st.sampled_from(Mood),
        names=st.lists(TEXTS),
        by_name=st.dictionaries(TEXTS, st.integers(0, 9)),
        inner=st.none() | st.builds(Inner, st.datetimes(timezones=st.just(UTC)), st.dates()),
        raw=st.binary(),
    )
)
def test_what_is_stored_comes_back_equal(value: Everything) -> None:
    assert from_json(stored(value, Everything), Everything, what="it") == value


def test_without_a_type_json_is_itself() -> None:
    assert stored({"a": [1]}, None) == b'{"a":[1]}'
    assert from_json(b'{"a":[1]}', None, what="it") == {"a": [1]}
    assert from_json(None, None, what="it") is None
    assert from_json(None, Everything, what="it") is None


@pytest.mark.parametrize("value", [None, {}, {"number": 1}, Inner(datetime.now(UTC), date(2026, 1, 1)), Everything])
def test_another_type_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidValueError, match=r"state is a .*, not a Everything"):
        to_json(value, Everything, what="state")


class Loud(IntEnum):
    YES = 1


@define
class Wide:
    flag: dict[bool, int] = field(factory=dict[bool, int])
    names: tuple[str, ...] = ()
    anything: Any = None
    text: str = ""
    number: int = 0
    loud: dict[Loud, int] = field(factory=dict[Loud, int])


@define
class Wider(Wide):
    more: int = 0


@pytest.mark.parametrize(
    "value",
    [
        Wide(flag={False: 1}),
        Wide(names=["a"]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        Wide(anything=(1, 2)),
        Wide(anything={1, 2}),
        Wide(anything=Inner(datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1))),
        Wide(text=None),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        Wide(number=None),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        Wide(number="seven"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        Wider(more=3),
    ],
    ids=[
        "bool key",
        "list for tuple",
        "tuple in any",
        "set in any",
        "class in any",
        "no text",
        "no number",
        "word",
        "sub",
    ],
)
def test_what_would_not_come_back_equal_is_refused_where_it_is_set(value: Wide) -> None:
    with pytest.raises(InvalidValueError):
        stored(value, Wide)


def test_what_holds_itself_is_refused() -> None:
    value = Wide(anything=[])
    value.anything.append(value.anything)
    with pytest.raises(InvalidValueError, match="holds itself"):
        stored(value, Wide)


@define(eq=False)
class Handle:
    number: int = 0
    names: list[str] = field(factory=list[str])


def test_a_class_without_equality_is_compared_by_what_is_stored() -> None:
    back: Handle = from_json(stored(Handle(3, ["a"]), Handle), Handle, what="it")
    assert (back.number, back.names) == (3, ["a"])
    with pytest.raises(InvalidValueError):
        stored(Handle("x"), Handle)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class OddExitError(BaseException):
    def __str__(self) -> str:
        raise SystemExit(7)


@frozen
class Odd:
    number: int = field(default=0)

    def __attrs_post_init__(self) -> None:
        if self.number == 1:
            raise SystemExit(1)
        if self.number == 2:
            raise OddExitError


@pytest.mark.parametrize("number", [1, 2])
def test_a_class_ends_nobody_but_its_own_value(number: int) -> None:
    with pytest.raises(InvalidValueError, match="doesn't fit Odd"):
        from_json(b'{"number":%d}' % number, Odd, what="it")


@frozen
class Derived:
    number: int
    twice: int = field(init=False, default=0)


def test_a_field_that_would_not_be_stored_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="'twice' is not in __init__"):
        check_type(Derived, what="state")


@pytest.mark.parametrize("share", [float("nan"), float("inf")])
def test_what_json_can_not_say_is_refused(share: float) -> None:
    with pytest.raises(InvalidValueError):
        stored(Everything(share=share), Everything)


@pytest.mark.parametrize(
    ("encoded", "told"),
    [
        (b'{"number":"x"}', "$.number"),
        (b'{"mood":"strange","number":"y"}', "$.mood"),
        (b'{"inner":{"when":"2026-01-01"}}', "$.inner"),
        (b"[]", "Everything"),
        (b"7", "Everything"),
        (b"null", "Everything"),
        (b'{"names":{"a":1},"by_name":[1]}', "by_name"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(encoded: bytes, told: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        from_json(encoded, Everything, what="the stored state")
    assert "the stored state doesn't fit Everything" in str(caught.value)
    assert told in str(caught.value)


def _above_zero(_: object, __: object, value: int) -> None:
    if value <= 0:
        problem = "above 0, please"
        raise ValueError(problem)


def test_what_a_types_own_validator_refuses_is_told() -> None:
    @frozen
    class Positive:
        number: int = field(validator=_above_zero)

    with pytest.raises(InvalidValueError, match="above 0, please"):
        from_json(b'{"number":-1}', Positive, what="it")


def test_a_field_that_was_dropped_is_passed_over_and_a_new_one_has_its_default() -> None:
    assert from_json(b'{"number":3,"dropped":true}', Everything, what="it") == Everything(number=3)


@pytest.mark.parametrize("as_type", [int, "Everything", 7, dict[str, int], object()])
def test_only_an_attrs_class_is_a_type(as_type: object) -> None:
    with pytest.raises(InvalidValueError, match="is no attrs class"):
        check_type(as_type, what="state")
    check_type(None, what="state")
    check_type(Everything, what="state")


@define
class Unresolved:
    number: NoSuchName = 0  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable]  # noqa: F821


def test_an_annotation_that_names_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="can't be stored: NameError"):
        stored(Unresolved(), Unresolved)


@define
class Interrupting:
    number: int = 0

    def __attrs_post_init__(self) -> None:
        if self.number:
            raise KeyboardInterrupt


def test_ctrl_c_is_nobodys_value() -> None:
    with pytest.raises(KeyboardInterrupt):
        from_json(b'{"number":1}', Interrupting, what="it")


def test_a_list_is_no_class() -> None:
    with pytest.raises(InvalidValueError, match="it is no JSON object"):
        from_json(b"[1]", Everything, what="it")


@frozen
class Tagged:
    tags: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()


def test_a_set_is_the_same_bytes_in_every_process() -> None:
    """Else an agent that is configured with the same set at each start would have another version each time."""
    value = Tagged(frozenset({"c", "a", "b"}), frozenset({3, 1, 2}))
    assert stored(value, Tagged) == b'{"numbers":[1,2,3],"tags":["a","b","c"]}'
    assert from_json(stored(value, Tagged), Tagged, what="it") == value


@define
class Unequal:
    number: int = field(default=0, eq=False)


class OddEqError(Exception):
    """Of a comparison."""


@define(eq=False)
class Quarrelsome:
    number: int = 0

    def __eq__(self, other: object) -> bool:
        raise OddEqError

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def test_what_escapes_equality_is_compared_by_what_is_stored() -> None:
    with pytest.raises(InvalidValueError, match="come back equal"):
        stored(Unequal("5"), Unequal)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidValueError, match="come back equal"):
        stored(Quarrelsome(5), Quarrelsome)
