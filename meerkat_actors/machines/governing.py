"""What an operator may ask of an identity, as tables: what is wanted from then on, and what becomes of its work.

Rule 1: what is durable is what the operator wants. What the identity is doing follows from that and from the work
        that there is, so no crash leaves it in between.
Rule 2: every verb may be repeated.
Rule 3: a turn in progress is ended only by ``reset``: its transcript would otherwise go on in the generation after.
        ``stop`` and ``destroy`` let it finish, by its own rules. ``recycle`` is for an identity at rest, and is
        refused.
Rule 4: destroyed is for ever: only ``recreate=True`` begins it anew, as its next generation.

Reference: ``reference/runtime.md`` sections 5.2 and 5.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from attrs import frozen

from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.status import Desired, Verb

D = Desired
V = Verb


@frozen(kw_only=True)
class Standing:
    """What an identity does while the operator wants this of it."""

    admits: bool
    takes_mail: bool
    """Else mail waits, or is returned to its sender."""
    begins_runs: bool
    """Whether what is queued is worked on. A turn in progress goes on in any case."""
    is_terminal: bool
    """Whether nothing is ever to come after it."""


STANDINGS: Final[Mapping[Desired, Standing]] = MappingProxyType(
    {
        D.OPEN: Standing(admits=True, takes_mail=True, begins_runs=True, is_terminal=False),
        D.PAUSED: Standing(admits=True, takes_mail=True, begins_runs=False, is_terminal=False),
        # It drains: what is queued is worked off, and nothing joins it.
        D.RETIRED: Standing(admits=False, takes_mail=False, begins_runs=True, is_terminal=False),
        D.STOPPED: Standing(admits=False, takes_mail=False, begins_runs=False, is_terminal=False),
        D.DESTROYED: Standing(admits=False, takes_mail=False, begins_runs=False, is_terminal=True),
    }
)


class VerbRefusal(StrEnum):
    """Why a verb is refused; nothing was changed."""

    NOTHING_TO_PAUSE = "nothing_to_pause"
    """It is retired or stopped: to pause is to admit and not to begin. Resume it first."""
    TURN_IN_PROGRESS = "turn_in_progress"
    """Wait until the turn has ended, or interrupt it."""
    DESTROYED = "destroyed"
    """Only ``recreate=True`` begins it anew."""


_ALIVE: Final[Mapping[Verb, Desired]] = MappingProxyType(
    {
        V.PAUSE: D.PAUSED,
        # Retired and stopped are taken back too: what they left undone was drained, or has its outcome.
        V.RESUME: D.OPEN,
        V.RETIRE: D.RETIRED,
        V.STOP: D.STOPPED,
        # Both end at rest and open, whatever was wanted before.
        V.RESET: D.OPEN,
        V.RECYCLE: D.OPEN,
        V.DESTROY: D.DESTROYED,
    }
)

GOVERNING: Final[Mapping[tuple[Desired, Verb], Desired | VerbRefusal]] = MappingProxyType(
    {(desired, verb): then for desired in (D.OPEN, D.PAUSED, D.RETIRED, D.STOPPED) for verb, then in _ALIVE.items()}
    | {(desired, V.PAUSE): VerbRefusal.NOTHING_TO_PAUSE for desired in (D.RETIRED, D.STOPPED)}
    | {(D.DESTROYED, verb): VerbRefusal.DESTROYED for verb in V}
    | {(D.DESTROYED, V.DESTROY): D.DESTROYED}
)
"""What is wanted after each verb, for an identity at rest."""


class TurnFate(StrEnum):
    """What a verb does to the turn in progress."""

    GOES_ON = "goes_on"
    INTERRUPTED = "interrupted"
    """Its end comes first; until then the verb is not done, and nothing is admitted."""
    VERB_REFUSED = "verb_refused"


TURN_FATES: Final[Mapping[Verb, TurnFate]] = MappingProxyType(
    {
        V.PAUSE: TurnFate.GOES_ON,
        V.RESUME: TurnFate.GOES_ON,
        V.RETIRE: TurnFate.GOES_ON,
        V.STOP: TurnFate.GOES_ON,
        V.RESET: TurnFate.INTERRUPTED,
        V.RECYCLE: TurnFate.VERB_REFUSED,
        V.DESTROY: TurnFate.GOES_ON,
    }
)

ABANDONS: Final[Mapping[Verb, AbandonReason]] = MappingProxyType(
    {V.STOP: AbandonReason.STOPPED, V.RESET: AbandonReason.RESET, V.DESTROY: AbandonReason.DESTROYED}
)
"""How what is queued ends; the other verbs keep it."""


def govern(desired: Desired, verb: Verb, *, is_running: bool) -> Desired | VerbRefusal:
    """What is wanted after ``verb``, or why it is refused. ``is_running``: a turn is in progress."""
    then = GOVERNING[desired, verb]
    if isinstance(then, Desired) and is_running and TURN_FATES[verb] is TurnFate.VERB_REFUSED:
        return VerbRefusal.TURN_IN_PROGRESS
    return then


def admits(desired: Desired) -> bool:
    """Whether inputs are admitted."""
    return STANDINGS[desired].admits


def takes_mail(desired: Desired) -> bool:
    """Whether mail is taken."""
    return STANDINGS[desired].takes_mail


def begins_runs(desired: Desired) -> bool:
    """Whether what is queued is worked on."""
    return STANDINGS[desired].begins_runs


def is_terminal(desired: Desired) -> bool:
    """Whether nothing is ever to come after it."""
    return STANDINGS[desired].is_terminal
