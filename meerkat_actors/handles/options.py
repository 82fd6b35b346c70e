"""What a caller may say of an input beside its content, and what is made of that."""

from __future__ import annotations

from typing import TypedDict

from attrs import evolve

from meerkat_actors.actors.turn.heading import check_admissible, check_options, parse_flag, parse_text, parse_word
from meerkat_actors.records.headers import DEFAULT_HEADERS, Durability, Header, Mode, Origin, ResponseStatus
from meerkat_actors.records.ids import InputId, parse_input_id
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits


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


def header_of(kind: InputKind, options: SendOptions, limits: Limits) -> Header | None:
    """What an input of that kind says of itself; None when that is its kind's default.

    Raises:
        InvalidValueError: a value of no acceptable form.
        RejectedInputError: nothing of that kind may say that of itself.
        TypeError: there is no such option.
    """
    check_options(options, SendOptions)
    default = DEFAULT_HEADERS[kind]
    header = _header(default, options, limits.key_length_max)
    said = None if header == default else header
    check_admissible(kind, said)
    return said


def _header(default: Header, options: SendOptions, length_max: int) -> Header:
    request_id = options.get("request_id")
    return evolve(
        default,
        origin=parse_word(Origin, "origin", options.get("origin")) or default.origin,
        source=parse_text("source", options.get("source"), length_max),
        durability=parse_word(Durability, "durability", options.get("durability")) or default.durability,
        in_transcript=_flag("in_transcript", options.get("in_transcript")),
        for_operators=_flag("for_operators", options.get("for_operators")),
        supersession_key=parse_text("supersession key", options.get("supersession_key"), length_max),
        correlation_id=parse_text("correlation id", options.get("correlation_id"), length_max),
        mode=parse_word(Mode, "mode", options.get("mode")),
        wakes=_flag("wakes", options.get("wakes")),
        intent=parse_text("intent", options.get("intent"), length_max),
        request_id=None if request_id is None else parse_input_id(request_id),
        status=parse_word(ResponseStatus, "status", options.get("status")),
    )


def _flag(name: str, value: object) -> bool:
    return value is None or parse_flag(name, value)
