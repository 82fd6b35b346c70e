"""What becomes of an input, decided once: when it is admitted. The decision's number is stored with the input.

Rule 1: the first rule that matches decides; what the agent is doing at that moment is no part of it, so a rule
        holds both wakes, and what changes later decides nothing anew.
Rule 2: a number keeps its meaning for ever, 0 too: a rule that is to mean something else gets another number.
Rule 3: number 0 is the rule of a kind that is given no mode and no silent intent. It is what nearly every input
        has, so it is stored as nothing.
Rule 4: of the wakes only the rule's are stored; ``Header.wakes``, which can forbid them, is stored beside it.

An idle agent that is steered needs no rule of its own: it begins a run with what is in its steer lane, and all of
that goes into the transcript. Lanes are where an input waits, not how it is executed.

Reference: ``reference/runtime.md`` sections 3.3 and 3.4, without the attention of work groups, which we don't have.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from itertools import product
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from meerkat_actors.records.headers import Header, Mode
from meerkat_actors.records.inputs import InputKind, Lane

K = InputKind
M = Mode


class Apply(StrEnum):
    """Where the content of an input enters the work."""

    RUN_START = "run_start"
    """Where a run begins."""
    CHECKPOINT = "checkpoint"
    """At the next checkpoint of a run, else where one begins."""
    IGNORE = "ignore"
    """Nowhere."""


class Wake(IntEnum):
    """What an admission does to its agent, the strongest last: of several, the greatest is enough."""

    NONE = 0
    """It waits for whatever wakes the agent next."""
    WAKE = 1
    """A run begins."""
    INTERRUPT_YIELDING = 2
    """Who waits voluntarily stops waiting. It ends no turn, no model's call and no step."""


class Execution(StrEnum):
    """What kind of turn an input asks for; one turn is of one kind."""

    CONTENT_TURN = "content_turn"
    """It has something to say."""
    RESUME_PENDING = "resume_pending"
    """Go on with what there is."""


class Consume(StrEnum):
    """When an input is consumed."""

    ON_ACCEPT = "on_accept"
    """As it is admitted, with no turn."""
    ON_COMPLETE = "on_complete"
    """By the boundary of its run."""


class Intent(StrEnum):
    """What a turn does with its content; one turn has one intent."""

    RUN = "run"
    APPEND_AND_RUN = "append_and_run"
    """The answer to a request of the agent's own: appended as that, and worked on."""


@frozen(kw_only=True)
class Policy:
    """What becomes of one input."""

    number: int
    """The rule's, which is stored; 0 for the one that its kind has without a mode."""
    apply: Apply
    wake_idle: Wake
    """What it does to an agent that has no turn in progress."""
    wake_running: Wake
    """What it does to one that has. ``WAKE`` asks for a run after that turn."""
    lane: Lane
    execution: Execution | None
    """None: no turn works on it."""
    in_transcript: bool
    """Whether such inputs appear in the transcript; its header can still keep one of them out."""
    consume: Consume
    is_alone: bool
    """Whether it has a turn to itself."""
    intent: Intent


@frozen(kw_only=True)
class Rule:
    """Which inputs a policy is for."""

    kinds: frozenset[InputKind]
    modes: frozenset[Mode | None]
    """None among them: inputs that leave it to their kind."""
    is_silent: bool | None
    """Only inputs whose intent is silent here, or only others; None for both."""
    policy: Policy

    def matches(self, kind: InputKind, mode: Mode | None, *, is_silent: bool) -> bool:
        """Whether it decides about such an input, if no earlier rule does."""
        return kind in self.kinds and mode in self.modes and self.is_silent in {None, is_silent}


_NOTED: Final = Policy(
    number=1, apply=Apply.IGNORE, wake_idle=Wake.NONE, wake_running=Wake.NONE, lane=Lane.NONE, execution=None,
    in_transcript=False, consume=Consume.ON_ACCEPT, is_alone=False, intent=Intent.RUN,
)  # fmt: skip
_QUEUED: Final = Policy(
    number=12, apply=Apply.RUN_START, wake_idle=Wake.WAKE, wake_running=Wake.NONE, lane=Lane.QUEUE,
    execution=Execution.CONTENT_TURN, in_transcript=True, consume=Consume.ON_COMPLETE, is_alone=False,
    intent=Intent.RUN,
)  # fmt: skip
_STEERED: Final = evolve(
    _QUEUED, number=8, apply=Apply.CHECKPOINT, wake_running=Wake.INTERRUPT_YIELDING, lane=Lane.STEER
)

_ANY_KIND: Final = frozenset(K)
_ANY_MODE: Final = frozenset({None, M.QUEUE, M.STEER})
_NO_STEER: Final = frozenset({None, M.QUEUE})


def _rule(
    policy: Policy,
    *kinds: InputKind,
    modes: frozenset[Mode | None] = _ANY_MODE,
    is_silent: bool | None = None,
) -> Rule:
    return Rule(kinds=frozenset(kinds) or _ANY_KIND, modes=modes, is_silent=is_silent, policy=policy)


def _quiet(policy: Policy) -> Policy:
    return evolve(policy, wake_idle=Wake.NONE, wake_running=Wake.NONE)


RULES: Final = (
    _rule(_NOTED, K.OPERATION),
    _rule(_quiet(evolve(_STEERED, number=2)), K.PEER_RESPONSE_PROGRESS),
    _rule(
        evolve(_STEERED, number=3, intent=Intent.APPEND_AND_RUN),
        K.PEER_RESPONSE_TERMINAL,
        modes=frozenset({M.STEER}),
    ),
    _rule(evolve(_QUEUED, number=4, wake_running=Wake.WAKE, intent=Intent.APPEND_AND_RUN), K.PEER_RESPONSE_TERMINAL),
    _rule(
        evolve(_QUEUED, number=5, execution=Execution.RESUME_PENDING, in_transcript=False),
        K.CONTINUATION,
        modes=frozenset({M.QUEUE}),
    ),
    _rule(evolve(_STEERED, number=6, execution=Execution.RESUME_PENDING, in_transcript=False), K.CONTINUATION),
    _rule(
        evolve(_STEERED, number=7, apply=Apply.RUN_START), K.PEER_REQUEST, modes=frozenset({M.STEER}), is_silent=True
    ),
    _rule(_STEERED, modes=frozenset({M.STEER})),
    _rule(evolve(_QUEUED, number=9, is_alone=True), K.PROMPT, modes=_NO_STEER),
    _rule(_quiet(evolve(_QUEUED, number=10)), K.PEER_REQUEST, modes=frozenset({None}), is_silent=True),
    _rule(
        evolve(_QUEUED, number=11, wake_running=Wake.INTERRUPT_YIELDING),
        K.PEER_MESSAGE,
        K.PEER_REQUEST,
        modes=frozenset({None}),
    ),
    _rule(_QUEUED, modes=_NO_STEER),
)
"""Every rule, the first match first. Only requests have an intent, so only they can be silent."""


def resolve(kind: InputKind, header: Header | None, *, is_silent: bool) -> Policy:
    """Decide about an input that is being admitted.

    ``header``: None for its kind's default. ``is_silent``: its intent is one that never wakes the agent by itself.
    """
    if header is None:
        return _RESOLVED[kind, None, is_silent]
    policy = _RESOLVED[kind, header.mode, is_silent]
    return policy if header.wakes else _quiet(policy)


def policy_of(number: int, kind: InputKind) -> Policy:
    """What was decided about an input of which ``number`` is stored; see rule 4 for its wakes.

    Raises:
        ValueError: no rule of that number is for that kind.
    """
    try:
        return _STORED[number, kind]
    except KeyError:
        problem = f"there is no policy {number} for {kind}; a later version of this library wrote it, or it is damaged"
        raise ValueError(problem) from None


def signal(policy: Policy, is_running: bool) -> Wake:
    """What admitting the input does to its agent now. ``is_running``: a turn is in progress.

    Our owners look at what waits in their lanes, not at what they were told: after each turn, and before they park.
    So nobody keeps signals that were not taken, and what is queued under a turn is worked on after it though nothing
    was signalled. Nor is there a signal to process a steered input at once: the checkpoint of the turn looks into
    the steer lane itself, and ``INTERRUPT_YIELDING`` ends what is voluntarily waited for on the way to it.
    """
    return policy.wake_running if is_running else policy.wake_idle


def _first_match(kind: InputKind, mode: Mode | None, *, is_silent: bool) -> Policy:
    return next(rule.policy for rule in RULES if rule.matches(kind, mode, is_silent=is_silent))


def _resolved(kind: InputKind, mode: Mode | None, *, is_silent: bool) -> Policy:
    policy = _first_match(kind, mode, is_silent=is_silent)
    return evolve(policy, number=0) if policy is _first_match(kind, None, is_silent=False) else policy


_RESOLVED: Final[Mapping[tuple[InputKind, Mode | None, bool], Policy]] = MappingProxyType(
    {
        (kind, mode, is_silent): _resolved(kind, mode, is_silent=is_silent)
        for kind, mode, is_silent in product(K, (None, *M), (False, True))
    }
)
_STORED: Final[Mapping[tuple[int, InputKind], Policy]] = MappingProxyType(
    {(rule.policy.number, kind): rule.policy for rule in RULES for kind in rule.kinds}
    | {(0, kind): _RESOLVED[kind, None, False] for kind in K}
)
DEFAULT_POLICIES: Final[Mapping[InputKind, Policy]] = MappingProxyType(
    {kind: _RESOLVED[kind, None, False] for kind in K}
)
"""What becomes of an input that has no header: ``resolve`` and ``policy_of``, at the cost of one lookup."""
