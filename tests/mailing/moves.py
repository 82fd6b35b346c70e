"""What may happen among agents that write to each other: one that is left out of a history shifts the others."""

from __future__ import annotations

from typing import Final, TypeAlias

from attrs import frozen

from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.status import Verb
from tests.histories.moves import Close, Interrupt, Kill, Pass

PRESENT: Final = tuple(f"a{number:02}" for number in range(50))
"""Agents that exist from the beginning."""
BUSY: Final = PRESENT[:6]
"""Those who get half of all mail."""
LATE: Final = ("late-0", "late-1", "late-2")
"""Names that are written to before their agents exist, if they ever do."""
ABSENT: Final = ("nobody-0", "nobody-1")
"""Names that are written to, and nobody's."""
NAMES: Final = (*PRESENT, *LATE, *ABSENT)


@frozen(kw_only=True)
class Prompt:
    """A caller sends an agent something to do."""

    agent: str
    label: str
    """Stands for all that the agents choose on behalf of it."""
    budget: int
    """So many messages follow from it, if nothing ends them."""


@frozen(kw_only=True)
class Govern:
    """An operator's verb."""

    agent: str
    verb: Verb | None
    """None: create the agent, also anew where it was destroyed."""


@frozen(kw_only=True)
class Refuse:
    """The store refuses the next unit that has mail or a boundary in it: its owner crashes, or tries without mail."""

    reason: RefusalReason


@frozen(kw_only=True)
class Prune:
    """All content goes that may."""


@frozen(kw_only=True)
class Letters:
    """An operator looks after every dead letter."""

    drives_again: bool


MailMove: TypeAlias = Prompt | Govern | Interrupt | Refuse | Prune | Letters | Pass | Kill | Close


@frozen
class MailStep:
    """One move, and how far the world goes on before the next one."""

    move: MailMove
    passes: int | None
    """So many times round the loop; None: until everybody waits."""
    side: int = 0
    """Whose process does it, or it is done to, where several share the store."""
