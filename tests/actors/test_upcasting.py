"""Versions of configs and states: stored with their number, brought to today's by the kind, never lost."""

from __future__ import annotations

from typing import Any, cast

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.actors.turn import AgentKind, Turn
from meerkat_actors.actors.turn.stored_form import StoredForm, Upcast
from meerkat_actors.errors import IdentityBrokenError, InvalidValueError, UsageError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.codec import decode_json, encode_json
from meerkat_actors.records.content import JSON
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["meerkat.version", "value", "a", "z"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def form(version: int, upcast: Upcast | None = None, as_type: type | None = None) -> StoredForm:
    return StoredForm(what="state", as_type=as_type, version=version, upcast=upcast)


def write(form: StoredForm, value: object) -> bytes:
    return form.write(value, bytes_max=10_000, depth_max=20)


# -- what is stored -----------------------------------------------------------------------


def test_the_first_version_is_stored_as_it_is_and_later_ones_in_an_envelope() -> None:
    assert write(form(1), {"a": 1}) == b'{"a":1}'
    assert write(form(2), {"a": 1}) == b'{"meerkat.version":2,"value":{"a":1}}'


@given(JSON_VALUES, st.sampled_from([1, 2, 3, 2**63 - 1]))
def test_any_value_is_read_as_it_was_written_in_canonical_bytes(value: JSON, version: int) -> None:
    encoded = write(form(version), value)
    assert form(version).read(encoded) == value
    assert encoded == encode_json(decode_json(encoded), what="stored", bytes_max=20_000, depth_max=30)


@given(JSON_VALUES, st.integers(1, 5), st.integers(1, 5))
def test_an_upcaster_is_given_the_version_and_the_value_that_were_stored(value: JSON, old: int, new: int) -> None:
    given_to: list[tuple[int, JSON]] = []

    def upcast(version: int, stored: JSON) -> JSON:
        given_to.append((version, stored))
        return ["new", stored]

    encoded = write(form(old), value)
    if new < old:
        with pytest.raises(InvalidValueError, match=f"of version {old}, and this release knows {new}"):
            form(new, upcast).read(encoded)
    elif new == old:
        assert form(new, upcast).read(encoded) == value
    else:
        assert form(new, upcast).read(encoded) == ["new", value]
    assert given_to == ([(old, value)] if old < new else [])


@pytest.mark.parametrize(
    "value",
    [
        {"meerkat.version": 2, "value": 1},
        {"meerkat.version": 1, "value": {"meerkat.version": 2, "value": 1}},
        {"meerkat.version": 99, "value": None},
    ],
)
def test_a_users_own_value_that_looks_like_an_envelope_is_wrapped_in_one(value: JSON) -> None:
    encoded = write(form(1), value)
    assert encoded.startswith(b'{"meerkat.version":1,"value":{"meerkat.version":')
    assert form(1).read(encoded) == value
    assert form(2, lambda _, stored: [stored]).read(encoded) == [value]


def test_an_envelope_takes_nothing_from_what_a_value_may_hold() -> None:
    deep: JSON = 1
    for _ in range(19):
        deep = [deep]
    assert form(2).read(write(form(2), deep)) == deep
    with pytest.raises(InvalidValueError, match="deeper than 20"):
        write(form(2), [[deep]])
    assert form(2).read(write(form(2), "x" * 9_998)) == "x" * 9_998


# -- what can't be read -------------------------------------------------------------------


def fail(version: int, stored: JSON) -> JSON:
    message = f"no {version}, {stored}"
    raise LookupError(message)


def hold_itself(_: int, __: JSON) -> JSON:
    held: list[Any] = []
    held.append(held)
    return held


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError


def unprintable(_: int, __: JSON) -> JSON:
    raise UnprintableError


def giving(value: object) -> Upcast:
    return lambda _, __: cast("JSON", value)


def first_of_one(version: int) -> JSON:
    return version


@frozen
class Point:
    """Where it is."""

    x: int


@pytest.mark.parametrize(
    ("upcast", "problem"),
    [
        (None, r"the stored state is of version 1, not 2: give the kind an upcast_state"),
        (fail, r"upcast_state failed on version 1: LookupError: no 1, \[1\]"),
        (unprintable, r"upcast_state failed on version 1: UnprintableError, which can't be printed"),
        (hold_itself, r"nested deeper"),
        (giving(object()), r"holds a object, which is no JSON value"),
        (giving({"y": 1}), r"doesn't fit Point: .*\$\.x"),
        (giving([1]), r"doesn't fit Point: it is no JSON object"),
        (cast("Upcast", first_of_one), r"upcast_state failed on version 1: TypeError"),
    ],
)
def test_what_an_upcaster_does_wrong_is_told_and_never_read(upcast: Upcast | None, problem: str) -> None:
    subject = form(2, upcast, Point)
    for look in (subject.read, subject.check):
        with pytest.raises(InvalidValueError, match=problem):
            look(b"[1]")


def test_ctrl_c_in_an_upcaster_is_nobodys_fault() -> None:
    def interrupted(_: int, __: JSON) -> JSON:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        form(2, interrupted).read(b"1")


def test_nothing_is_stored_of_any_version() -> None:
    form(3).check(None)
    assert form(3).read(None) is None


@pytest.mark.parametrize("version", [0, -1, 2**63, True, 1.0, "2", None])
def test_a_version_is_a_number_from_1_up(version: int) -> None:
    async def agent(_: Turn) -> None: ...

    with pytest.raises(UsageError, match=r"state_version=.*use an int from 1 up"):
        AgentKind(agent, state_version=version)
    with pytest.raises(UsageError, match=r"config_version=.*use an int from 1 up"):
        AgentKind(agent, config_version=version)


def test_an_upcaster_is_a_function() -> None:
    async def agent(_: Turn) -> None: ...

    with pytest.raises(UsageError, match=r"upcast_state=.*use a function"):
        AgentKind(agent, upcast_state=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match=r"upcast_config=.*use a function"):
        AgentKind(agent, upcast_config={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- agents over releases -----------------------------------------------------------------


@frozen
class Tally:
    """What the third release counts."""

    total: int
    unit: str


def to_third(version: int, stored: JSON) -> JSON:
    """A chain of the user's own."""
    if version == 1:
        assert isinstance(stored, int)
        stored = {"total": stored}
    assert isinstance(stored, dict)
    return {**stored, "unit": "pieces"}


async def first(turn: Turn) -> str:
    turn.set_state((turn.state or 0) + 1)
    return str(turn.state)


async def second(turn: Turn) -> str:
    turn.set_state({"total": (turn.state or {"total": 0})["total"] + 1})
    return str(turn.state["total"])


async def third(turn: Turn) -> str:
    before = turn.state or Tally(0, "pieces")
    turn.set_state(Tally(before.total + 1, before.unit))
    return f"{turn.state.total} {turn.state.unit}"


RELEASES = {
    1: AgentKind(first),
    2: AgentKind(second, state_version=2, upcast_state=lambda _, stored: {"total": stored}),
    3: AgentKind(third, state=Tally, state_version=3, upcast_state=to_third),
}


async def answer(agent: AgentHandle) -> str | None:
    return (await agent.ask("x")).text


@pytest.mark.parametrize(
    ("releases", "answers"),
    [
        ([1, 2, 3], ["1", "2", "3 pieces"]),
        ([1, 1, 3, 3], ["1", "2", "3 pieces", "4 pieces"]),
        ([2, 3], ["1", "2 pieces"]),
        ([3, 3], ["1 pieces", "2 pieces"]),
    ],
)
async def test_a_state_goes_on_over_releases(releases: list[int], answers: list[str]) -> None:
    store = MemoryStore()
    found: list[str | None] = []
    for release in releases:
        async with open_runtime(store, agents={"agent": RELEASES[release]}) as runtime:
            found.append(await answer(await runtime.agent("a", kind="agent")))
    assert found == answers


@pytest.mark.parametrize("older", [1, 2])
async def test_a_release_that_was_taken_back_costs_no_input_anything(older: int) -> None:
    store = MemoryStore()
    async with open_runtime(store, agents={"agent": RELEASES[3]}) as runtime:
        assert await answer(await runtime.agent("a", kind="agent")) == "1 pieces"
    async with open_runtime(store, agents={"agent": RELEASES[older]}) as runtime:
        with pytest.raises(IdentityBrokenError, match=f"unreadable.*of version 3, and this release knows {older}"):
            await (await runtime.agent("a")).ask("y")
    async with open_runtime(store, agents={"agent": RELEASES[3]}) as runtime:
        assert await answer(await runtime.agent("a")) == "2 pieces"


async def test_an_upcaster_that_fails_quarantines_the_agent_and_keeps_its_work() -> None:
    store = MemoryStore()
    async with open_runtime(store, agents={"agent": RELEASES[1]}) as runtime:
        assert await answer(await runtime.agent("a", kind="agent")) == "1"
    broken = AgentKind(second, state_version=2, upcast_state=fail)
    async with open_runtime(store, agents={"agent": broken}) as runtime:
        with pytest.raises(IdentityBrokenError, match=r"unreadable.*upcast_state failed on version 1: LookupError"):
            await (await runtime.agent("a")).ask("y")
    async with open_runtime(store, agents={"agent": RELEASES[2]}) as runtime:
        assert await answer(await runtime.agent("a")) == "2"


async def test_a_config_is_upcast_until_it_is_given_anew_and_then_has_its_version() -> None:
    async def tell(turn: Turn) -> str:
        return str(turn.config)

    store = MemoryStore()
    kinds = [
        AgentKind(tell),
        AgentKind(tell, config_version=2, upcast_config=lambda version, stored: {"old": stored, "from": version}),
    ]
    async with open_runtime(store, agents={"tell": kinds[0]}) as runtime:
        assert await answer(await runtime.agent("a", kind="tell", config=[1])) == "[1]"
    async with open_runtime(store, agents={"tell": kinds[1]}) as runtime:
        agent = await runtime.agent("a", kind="tell")
        assert await answer(agent) == "{'from': 1, 'old': [1]}"
        await runtime.agent("a", kind="tell", config=[2])
        assert await answer(agent) == "[2]"
        units = runtime.statistics().units
        await runtime.agent("a", kind="tell", config=[2])
        assert runtime.statistics().units == units
    async with open_runtime(store, agents={"tell": kinds[0]}) as runtime:
        with pytest.raises(IdentityBrokenError, match="config is of version 2, and this release knows 1"):
            await (await runtime.agent("a")).ask("y")
        # As with any config that can't be read: a new one mends it.
        assert await answer(await runtime.agent("a", kind="tell", config=[3])) == "[3]"


def test_a_config_is_as_big_as_any_content() -> None:
    kind = AgentKind(first, config_version=2)
    limits = Limits(content_bytes_max=10)
    assert kind.encode_config("x" * 8, limits) == b'{"meerkat.version":2,"value":"xxxxxxxx"}'
    with pytest.raises(InvalidValueError, match="config has 11 bytes"):
        kind.encode_config("x" * 9, limits)
