"""The bytes of a boundary and of a dead letter: written by hand, held to orjson's, and read back."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import (
    decode_abandoned,
    decode_consumed,
    decode_json,
    decode_log,
    decode_receipt,
    decode_state,
    encode_abandoned,
    encode_entry,
    encode_json,
    encode_turn,
)
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AgentIdentity,
    CheckpointVersion,
    Generation,
    InputId,
    RunId,
    parse_identity,
)
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed, Receipt

TEXTS: Final = st.text(st.characters(codec="utf-8"), max_size=20)
IDS: Final = st.uuids().map(str)
IDENTITIES: Final = st.from_regex(r"[A-Za-z0-9._:@+-]{1,20}(/[A-Za-z0-9._:@+-]{1,20})?", fullmatch=True).filter(
    lambda text: not text.startswith(("rt:", "mob:"))
)
COUNTERS: Final = st.integers(0, COUNTER_MAX)
VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=5,
)
# What the entries tell, the contributors, is for each test to fill in.
RECEIPTS: Final = st.builds(
    Receipt,
    identity=IDENTITIES.map(AgentIdentity),
    generation=COUNTERS.map(Generation),
    checkpoint_version=COUNTERS.map(CheckpointVersion),
    run_id=IDS.map(RunId),
    sequence=st.just(1) | COUNTERS,
    contributors=st.just(()),
    digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
    message_count=COUNTERS,
)
ROLES: Final = st.sampled_from(("user", "assistant", "notice"))


def canonical(value: object) -> bytes:
    return encode_json(value, what="value", bytes_max=10**6, depth_max=64)


def row_of(body: bytes, receipt: Receipt) -> TurnRow:
    """The row that a store keeps of a boundary: what of its receipt is in columns, and the body."""
    return TurnRow(
        sequence=12,
        previous=0,
        identity=receipt.identity,
        generation=receipt.generation,
        version=receipt.checkpoint_version,
        run_id=receipt.run_id,
        digest=bytes.fromhex(receipt.digest),
        body=body,
    )


@st.composite
def entries(draw: st.DrawFn) -> tuple[bytes, dict[str, object]]:
    """An entry's bytes, and what it says."""
    content, role = draw(VALUES), draw(ROLES)
    input_id, sender = draw(st.none() | IDS), draw(st.none() | IDENTITIES)
    said: dict[str, object] = {"content": content, "role": role}
    if input_id is not None:
        said["input"] = input_id
    if sender is not None:
        said["sender"] = sender
    raw = encode_entry(
        role=role,
        content=canonical(content),
        input_id=None if input_id is None else InputId(input_id),
        sender=None if sender is None else AgentIdentity(sender),
    )
    return raw, said


@settings(max_examples=60)
@given(entries())
def test_an_entry_is_the_canonical_bytes_of_what_it_says(entry: tuple[bytes, dict[str, object]]) -> None:
    raw, said = entry
    assert raw == canonical(said)


@given(IDENTITIES)
def test_an_identity_in_an_entry_needs_no_escaping(text: str) -> None:
    sender = parse_identity(text)
    raw = encode_entry(role="user", content=b"1", input_id=None, sender=sender)
    assert orjson.loads(raw)["sender"] == sender


@settings(max_examples=40)
@given(st.lists(entries(), max_size=3), RECEIPTS, st.none() | TEXTS, st.none() | VALUES.map(canonical))
def test_a_turn_is_one_canonical_object_and_reads_back_as_it_was_written(
    log: list[tuple[bytes, dict[str, object]]], receipt: Receipt, text: str | None, state: bytes | None
) -> None:
    receipt = evolve(receipt, contributors=tuple(InputId(str(said["input"])) for _, said in log if "input" in said))
    body = encode_turn(entries=tuple(raw for raw, _ in log), receipt=receipt, text=text, state=state)
    decoded: Any = decode_json(body)
    extra = {"sequence": receipt.sequence != 1, "state": state is not None}
    assert set(decoded) - {"text"} == {"count", "log"} | {name for name, is_there in extra.items() if is_there}
    assert orjson.dumps(decoded, option=orjson.OPT_SORT_KEYS) == body
    assert decode_receipt(row_of(body, receipt)) == receipt
    assert decode_consumed(row_of(body, receipt)) == Consumed(text, receipt)
    assert [canonical(entry) for entry in decode_log(body)] == [raw for raw, _ in log]
    if state is not None:
        assert decode_state(body) == state


@settings(max_examples=50)
@given(
    text=TEXTS,
    before=st.lists(entries(), max_size=1),
    role=st.sampled_from(("assistant", "notice")),
    is_mine=st.booleans(),
)
def test_a_result_that_the_last_entry_says_is_stored_once_and_read_all_the_same(
    text: str, before: list[tuple[bytes, dict[str, object]]], role: str, *, is_mine: bool
) -> None:
    sender = None if is_mine else AgentIdentity("someone")
    last = encode_entry(role=role, content=canonical(text), input_id=None, sender=sender)
    log = (*(raw for raw, _ in before), last)
    body = encode_turn(entries=log, receipt=_receipt(), text=text, state=None)
    assert text_of(body) == text
    stored: Any = decode_json(body)
    assert ("text" not in stored) is (is_mine and role == "assistant")
    elsewhere = encode_turn(
        entries=(*log, b'{"content":true,"role":"notice"}'), receipt=_receipt(), text=text, state=None
    )
    assert text_of(elsewhere) == text


def test_a_turn_without_a_result_is_read_without_one_whatever_its_last_entry_says() -> None:
    for content in (b"null", b"true", b'""'):
        last = encode_entry(role="assistant", content=content, input_id=None, sender=None)
        body = encode_turn(entries=(last,), receipt=_receipt(), text=None, state=None)
        assert text_of(body) is None


def test_a_turn_that_set_no_state_has_none_to_read() -> None:
    with pytest.raises(KeyError):
        decode_state(encode_turn(entries=(), receipt=_receipt(), text=None, state=None))


def test_a_state_of_null_is_a_state_that_was_set() -> None:
    assert decode_state(encode_turn(entries=(), receipt=_receipt(), text=None, state=b"null")) == b"null"


def test_the_contributors_of_a_receipt_come_back_in_order_as_a_tuple() -> None:
    log = tuple(
        encode_entry(role=role, content=b"1", input_id=input_id, sender=None)
        for role, input_id in (("user", InputId("i-2")), ("user", InputId("i-1")), ("assistant", None))
    )
    receipt = decode_receipt(row_of(encode_turn(entries=log, receipt=_receipt(), text="t", state=None), _receipt()))
    assert receipt.contributors == ("i-2", "i-1")
    assert isinstance(receipt.contributors, tuple)


def test_the_content_of_an_entry_contributes_nothing() -> None:
    said = encode_entry(role="assistant", content=b'{"input":"i-9"}', input_id=None, sender=None)
    receipt = decode_receipt(
        row_of(encode_turn(entries=(said,), receipt=_receipt(), text=None, state=None), _receipt())
    )
    assert receipt.contributors == ()


def test_a_boundary_costs_few_bytes_beyond_what_was_said() -> None:
    """Identity, generation, version, run and digest are columns, which no body repeats."""
    content = canonical("How are you? " * 10)
    log = (
        encode_entry(role="user", content=content, input_id=InputId(str(UUID(int=7))), sender=None),
        encode_entry(role="assistant", content=content, input_id=None, sender=None),
    )
    body = encode_turn(entries=log, receipt=_receipt(), text="How are you? " * 10, state=None)
    assert len(body) - sum(map(len, log)) == len('{"count":2,"log":[,]}')
    assert len(body) - 2 * len(content) < 140


@given(st.sampled_from(AbandonReason), TEXTS)
def test_an_abandonment_reads_back_as_it_was_written(reason: AbandonReason, detail: str) -> None:
    ending = Abandoned(reason, detail)
    again = decode_abandoned(encode_abandoned(ending))
    assert again == ending
    assert isinstance(again.reason, AbandonReason)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"\xff", b"null", b"1", b"[]", b'"crash_loop"', b"{}",
        b'{"reason":"crash_loop"}',
        b'{"detail":"a"}',
        b'{"detail":"a","reason":"bored"}',
        b'{"detail":"a","reason":null}',
        b'{"detail":"a","reason":"crash_loop","more":1}',
        b'{"detail":"a","reason":"crash_loop"} ,',
        b"[" * 5000,
    ],
)  # fmt: skip
def test_bytes_that_are_no_abandonment_are_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_abandoned(raw)


@settings(max_examples=60)
@given(st.one_of(st.binary(max_size=30), VALUES.map(canonical)))
def test_rotten_bytes_never_raise_anything_else(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_abandoned(raw)


def text_of(body: bytes) -> str | None:
    return decode_consumed(row_of(body, _receipt())).text


def _receipt() -> Receipt:
    return Receipt(
        identity=AgentIdentity("a"),
        generation=Generation(0),
        checkpoint_version=CheckpointVersion(1),
        run_id=RunId("r"),
        sequence=1,
        contributors=(),
        digest="00" * 32,
        message_count=2,
    )


def test_a_result_that_the_last_entry_says_is_stored_once() -> None:
    said = encode_entry(role="assistant", content=b'"a long result"', input_id=None, sender=None)
    body = encode_turn(entries=(said,), receipt=_receipt(), text="a long result", state=None)
    assert body.count(b"a long result") == 1
    assert text_of(body) == "a long result"
