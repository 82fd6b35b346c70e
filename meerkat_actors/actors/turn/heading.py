"""What an agent may say of what it sends beside the content, and the header that is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypedDict, TypeVar

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.machines.admission import refusal
from meerkat_actors.records.headers import DEFAULT_HEADERS, Header, Mode, Origin
from meerkat_actors.records.ids import parse_key, shown
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits

W = TypeVar("W", bound=StrEnum)


class PeerOptions(TypedDict, total=False):
    """What anything sent may say of itself; whatever is left out, or None, is as its kind has it by default."""

    mode: Mode | str | None
    """How it joins the recipient's work."""
    correlation_id: str | None
    """Kept with it, for who looks; a response has that of its request."""
    wakes: bool
    """False: it waits for whatever wakes the recipient next."""


class RequestOptions(PeerOptions, total=False):
    """What ``turn.request`` takes."""

    intent: str | None
    """What it is about."""


class MessageOptions(PeerOptions, total=False):
    """What ``turn.send`` takes."""

    supersession_key: str | None
    """Displaces what its recipient still has queued with the same kind and key."""


class TimerOptions(MessageOptions, RequestOptions, total=False):
    """What ``turn.after`` takes; an intent only with ``kind="peer_request"``."""


def header_of(
    kind: InputKind, options: Mapping[str, Any], form: type[Any], limits: Limits, *, timer: str | None = None
) -> Header | None:
    """The header of an input of that kind, made of options of that form; None when it is its kind's default.

    ``timer`` is the name of the one that fires it; None for what is sent.

    Raises:
        InvalidValueError: a value of no acceptable form.
        RejectedInputError: nothing of that kind may say that of itself.
        TypeError: there is no such option.
    """
    check_options(options, form)
    default = DEFAULT_HEADERS[kind]
    length_max, wakes = limits.key_length_max, options.get("wakes")
    # By hand, here and for responses: attrs.evolve takes half as long again.
    header = Header(
        origin=default.origin if timer is None else Origin.SYSTEM,
        source=None if timer is None else f"timer:{timer}",
        durability=default.durability,
        supersession_key=parse_text("supersession key", options.get("supersession_key"), length_max),
        correlation_id=parse_text("correlation id", options.get("correlation_id"), length_max),
        mode=parse_word(Mode, "mode", options.get("mode")),
        wakes=wakes is None or parse_flag("wakes", wakes),
        intent=parse_text("intent", options.get("intent"), length_max),
    )
    said = None if header == default else header
    check_admissible(kind, said)
    return said


def check_options(options: Mapping[str, Any], form: type[Any]) -> None:
    """Refuse options that ``form``, a ``TypedDict``, doesn't name.

    Raises:
        TypeError: there is no such option.
    """
    unknown = options.keys() - form.__annotations__.keys()
    if unknown:
        # As Python says it: no signature lists them.
        problem = f"unexpected keyword argument {min(unknown)!r}"
        raise TypeError(problem)


def check_admissible(kind: InputKind, header: Header | None) -> None:
    """Refuse what no agent would admit, while its sender can still hear of it. ``header``: None for the default.

    Raises:
        RejectedInputError: nothing of that kind may say that of itself.
    """
    error = refusal(kind, header)
    if error is not None:
        raise error


def parse_kind(kind: InputKind | str) -> InputKind:
    """Let a kind in.

    Raises:
        InvalidValueError: there is no such kind.
    """
    if type(kind) is InputKind:
        return kind
    known = parse_word(InputKind, "kind", kind)
    if known is None:
        raise InvalidValueError(problem="kind=None: leave it out for the usual one")
    return known


def parse_word(words: type[W], name: str, value: str | None) -> W | None:
    """Let one of a few words in, or None for None.

    Raises:
        InvalidValueError: none of them.
    """
    if value is None:
        return None
    try:
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - an enum shows what it is asked for
            raise ValueError
        return words(value)
    except ValueError:
        known = ", ".join(repr(word.value) for word in words)
        raise InvalidValueError(problem=f"{name}={shown(value)}: use one of {known}") from None


def parse_flag(name: str, value: object) -> bool:
    """Let True or False in.

    Raises:
        InvalidValueError: neither.
    """
    if type(value) is not bool:
        raise InvalidValueError(problem=f"{name}={shown(value)}: use True or False")
    return value


def parse_text(what: str, value: str | None, length_max: int) -> str | None:
    """Let a key of at most ``length_max`` characters in, or None for None.

    Raises:
        InvalidValueError: another form.
    """
    return None if value is None else parse_key(value, what=what, length_max=length_max)
