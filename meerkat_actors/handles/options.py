"""What a caller may say of an input beside its content, and what is made of that."""

from __future__ import annotations

from enum import StrEnum
from typing import TypedDict, TypeVar

from attrs import evolve

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.machines.admission import refusal
from meerkat_actors.records.headers import DEFAULT_HEADERS, Durability, Header, Mode, Origin, ResponseStatus
from meerkat_actors.records.ids import InputId, parse_input_id, parse_key, shown
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits

W = TypeVar("W", bound=StrEnum)


class SteerOptions(TypedDict, total=False):
    """What ``steer`` takes; whatever is left out, or None, is as the kind has it by default."""

    origin: Origin | str | None
    """Who it comes from."""
    source: str | None
    """Which one: the name of an external source, the step of a flow."""
    durability: Durability | str | None
    """What becomes of it when the process ends before it was worked on; an ephemeral one is given up."""
    supersession_key: str | None
    """Displaces what is still queued with the same kind and key."""
    correlation_id: str | None
    """Kept with it, for who looks."""
    request_id: InputId | None
    """Of a response: the request that it answers."""
    status: ResponseStatus | str | None
    """Of a response."""
    intent: str | None
    """Of a ``peer_request``: what it is about."""
    in_transcript: bool
    """Whether it may appear in the transcript; True unless said otherwise."""
    for_operators: bool
    """Whether it may be shown to operators; True unless said otherwise."""
    wakes: bool
    """False: it waits for whatever wakes the agent next."""


class SendOptions(SteerOptions, total=False):
    """What ``send`` and ``ask`` take; whatever is left out, or None, is as the kind has it by default."""

    mode: Mode | str | None
    """How it joins the agent's work."""


def parse_kind(kind: InputKind | str) -> InputKind:
    """Let a kind in.

    Raises:
        InvalidValueError: there is no such kind.
    """
    if type(kind) is InputKind:
        return kind
    known = _word(InputKind, "kind", kind)
    if known is None:
        raise InvalidValueError(problem="kind=None: leave it out for a prompt")
    return known


def header_of(kind: InputKind, options: SendOptions, limits: Limits) -> Header | None:
    """What an input of that kind says of itself; None when that is its kind's default.

    Raises:
        InvalidValueError: a value of no acceptable form.
        RejectedInputError: nothing of that kind may say that of itself.
        TypeError: there is no such option.
    """
    unknown = options.keys() - SendOptions.__annotations__.keys()
    if unknown:
        # As Python says it: no signature lists them.
        problem = f"unexpected keyword argument {min(unknown)!r}"
        raise TypeError(problem)
    default = DEFAULT_HEADERS[kind]
    header = _header(default, options, limits.key_length_max)
    said = None if header == default else header
    error = refusal(kind, said)
    if error is not None:
        raise error
    return said


def _header(default: Header, options: SendOptions, length_max: int) -> Header:
    request_id = options.get("request_id")
    return evolve(
        default,
        origin=_word(Origin, "origin", options.get("origin")) or default.origin,
        source=_text("source", options.get("source"), length_max),
        durability=_word(Durability, "durability", options.get("durability")) or default.durability,
        in_transcript=_flag("in_transcript", options.get("in_transcript")),
        for_operators=_flag("for_operators", options.get("for_operators")),
        supersession_key=_text("supersession key", options.get("supersession_key"), length_max),
        correlation_id=_text("correlation id", options.get("correlation_id"), length_max),
        mode=_word(Mode, "mode", options.get("mode")),
        wakes=_flag("wakes", options.get("wakes")),
        intent=_text("intent", options.get("intent"), length_max),
        request_id=None if request_id is None else parse_input_id(request_id),
        status=_word(ResponseStatus, "status", options.get("status")),
    )


def _word(words: type[W], name: str, value: str | None) -> W | None:
    if value is None:
        return None
    try:
        return words(value)
    except ValueError:
        known = ", ".join(repr(word.value) for word in words)
        raise InvalidValueError(problem=f"{name}={shown(value)}: use one of {known}") from None


def _text(what: str, value: str | None, length_max: int) -> str | None:
    return None if value is None else parse_key(value, what=what, length_max=length_max)


def _flag(name: str, value: object) -> bool:
    if value is None:
        return True
    if type(value) is not bool:
        raise InvalidValueError(problem=f"{name}={shown(value)}: use True or False")
    return value
