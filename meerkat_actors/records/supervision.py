"""Groups of agents that are supervised together, and what is told of agents that are kept apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

from attrs import Attribute, field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import AgentIdentity, is_counter, parse_identity, parse_name, shown

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
Escalation = Literal["quarantine", "end_runtime"]

SECONDS_MAX: Final = 1e9
"""Some 31 years, as in ``Limits``."""

GROUP_ESCALATED: Final = "group_escalated"
"""The reason of a quarantine for a group that crashed too often."""
OWNER_CRASHED: Final = "owner_crashed"
"""The same for an owner in no group that crashed too often."""
STORE: Final = "store"
"""The same for rows of the identity that can't be read."""

_REMEDIES: Final = MappingProxyType(
    {
        GROUP_ESCALATED: "mend what made its group's member fail, then repair() each member; the first forgets crashes",
        OWNER_CRASHED: "mend what made its owner fail, then repair() it",
        "turn_stuck": "repair() it when its turn has ended; one that never ends goes with the process",
        "unknown_kind": "reopen the runtime with its kind in open_runtime(agents=...)",
        "unreadable": "give it a config of its kind by runtime.agent(name, kind=..., config=...), or reopen the runtime"
        " with classes that read what is stored",
        "opaque_session": "nothing is to be mended: the continuity facade serves it",
        "deleted": "nothing is to be mended: it was deleted for ever",
    }
)
_ROTTEN: Final = "look at its rows with `meerkat-actors doctor`; mend them, or restore a backup, then repair() it"


def _one_of(words: tuple[str, ...]) -> Callable[[object, Attribute[Any], object], None]:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, str) or value not in words:
            raise _refusal(attribute, value, " or ".join(map(repr, words)))

    return check


def _a_name(_: object, __: Attribute[Any], value: object) -> None:
    parse_name(value, what="name of a supervision group")


def _members(_: object, attribute: Attribute[Any], value: tuple[object, ...]) -> None:
    if type(value) is not tuple or not value:
        raise _refusal(attribute, value, "a tuple of agents' names, and not none of them")
    members = [parse_identity(each) for each in value]
    if len(set(members)) != len(members):
        raise _refusal(attribute, members, "each name once")


def _a_count(_: object, attribute: Attribute[Any], value: object) -> None:
    if not is_counter(value):
        raise _refusal(attribute, value, "an int from 0 up")


def _seconds(_: object, attribute: Attribute[Any], value: object) -> None:
    # NaN fails every comparison.
    if type(value) not in {int, float} or not 0 <= cast("float", value) <= SECONDS_MAX:
        raise _refusal(attribute, value, f"a number from 0 up to {SECONDS_MAX:,.0f}")


def _refusal(attribute: Attribute[Any], value: object, wanted: str) -> InvalidValueError:
    return InvalidValueError(problem=f"SupervisionGroup({attribute.name}={shown(value)}): use {wanted}")


# Strategies, intensity and period: Erlang/OTP supervisors, https://www.erlang.org/doc/system/sup_princ.html.
@frozen
class SupervisionGroup:
    """Agents that fail together: when the owner of one crashes, others of them begin anew with it.

    An agent is in one group at most. It need not exist, or be in memory: who isn't has nothing to begin anew.
    A turn that raises is no crash: it is tried again, and given up, by itself.

    Raises:
        InvalidValueError: a field of another form.
    """

    name: str = field(validator=_a_name)
    members: tuple[str, ...] = field(validator=_members)
    """In order: with ``rest_for_one`` each depends on those before it."""
    strategy: Strategy = field(default="one_for_one", kw_only=True, validator=_one_of(get_args(Strategy)))
    """Who begins anew: whoever crashed, all of them, or whoever crashed and those behind it."""
    restarts_max: int = field(default=3, kw_only=True, validator=_a_count)
    """Crashes of the whole group within ``window_seconds`` before it escalates."""
    window_seconds: float = field(default=5.0, kw_only=True, validator=_seconds)
    """Erlang calls it the period."""
    backoff_seconds: float = field(default=0.05, kw_only=True, validator=_seconds)
    """Wait before they begin anew; doubles with each crash in the window."""
    backoff_seconds_max: float = field(default=5.0, kw_only=True, validator=_seconds)
    """The longest such wait."""
    escalation: Escalation = field(default="quarantine", kw_only=True, validator=_one_of(get_args(Escalation)))
    """What a group that crashes more often comes to: all of it is kept apart, or the runtime ends."""


def parse_groups(groups: object) -> tuple[SupervisionGroup, ...]:
    """Let groups in.

    Raises:
        InvalidValueError: no list or tuple of groups, or two of them share a name or a member.
    """
    if not isinstance(groups, list | tuple):
        raise InvalidValueError(problem=f"groups={shown(groups)}: use a list or tuple of SupervisionGroup(...)")
    parsed = tuple(parse_group(each) for each in cast("Sequence[object]", groups))
    require_apart(parsed)
    return parsed


def parse_group(group: object) -> SupervisionGroup:
    """Let a group in.

    Raises:
        InvalidValueError: it is none.
    """
    if not isinstance(group, SupervisionGroup):
        raise InvalidValueError(problem=f"{shown(group)} is no supervision group: use SupervisionGroup(...)")
    return group


def require_apart(groups: Iterable[SupervisionGroup]) -> None:
    """Refuse groups that share a name or a member.

    Raises:
        InvalidValueError: which, and of whom.
    """
    names: set[str] = set()
    home: dict[str, str] = {}
    for group in groups:
        if group.name in names:
            raise InvalidValueError(problem=f"groups: {group.name!r} is there twice; give each a name of its own")
        names.add(group.name)
        for member in group.members:
            other = home.setdefault(member, group.name)
            if other != group.name:
                problem = f"groups: {member} is in {other!r} and in {group.name!r}; an agent is in one group at most"
                raise InvalidValueError(problem=problem)


@frozen(kw_only=True)
class Quarantined:
    """An agent that is kept apart: nothing of it goes on, and what it has is durable."""

    identity: AgentIdentity
    reason: str
    detail: str
    remedy: str
    """How to repair it, for people."""


def remedy_of(reason: str) -> str:
    """How an agent that was quarantined for ``reason`` is repaired, in words."""
    return _REMEDIES.get(reason, _ROTTEN)
