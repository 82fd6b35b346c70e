"""What ``mail.py`` asks of a process of its own, and what it hears back."""

from __future__ import annotations

from attrs import frozen

from _common import median


@frozen(kw_only=True)
class MailJob:
    """What to measure in one process; ``part`` says which fields count."""

    part: str
    folder: str
    """Where the databases go."""
    agents: int
    turns: int
    """Of each sender, or of each agent of a ring."""
    messages: int
    """Of one turn."""
    rounds: int
    seconds: float
    """Of a window."""


@frozen(kw_only=True)
class Drain:
    """Mail that was there already, worked off by one recipient, and by a plain loop over equal rows."""

    messages: int
    turns: int
    """Of the recipient."""
    units: int
    """That it committed: one of them made it."""
    seconds: float
    plain_seconds: float

    @property
    def per_second(self) -> float:
        return self.messages / self.seconds

    @property
    def plain_per_second(self) -> float:
        return self.messages / self.plain_seconds

    @property
    def ratio(self) -> float:
        """Our messages per second over those of the plain loop."""
        return self.plain_seconds / self.seconds


@frozen(kw_only=True)
class Stream:
    """One window while the senders' turns go on; then the senders stop, and the rest is worked off."""

    seconds: float
    sent: int
    consumed: int
    left: int
    """Messages that waited when the senders stopped."""
    left_seconds: float

    @property
    def per_second(self) -> float:
        return self.consumed / self.seconds


@frozen(kw_only=True)
class FanIn:
    """Many senders and one recipient."""

    drains: tuple[Drain, ...]
    """What was there already."""
    paced: tuple[Stream, ...]
    """Senders that offer a little more than is wanted."""
    flooded: tuple[Stream, ...]
    """Senders that send as fast as they can."""


@frozen(kw_only=True)
class FanOut:
    """One sender and many recipients."""

    messages: int
    seconds: float
    """From the first turn's request to the last recipient's turn, which is durable."""
    sender_seconds: float
    """Until the sender's last turn was answered."""
    turns: int
    """Of all recipients."""

    @property
    def per_second(self) -> float:
        return self.messages / self.seconds


@frozen(kw_only=True)
class Crowd:
    """Very many senders to one recipient that was paused, and was resumed when all was sent."""

    senders: int
    sent: int
    consumed: int
    disordered: int
    """Messages that were not the next one of their sender."""
    left_in_mail: int
    """Rows that nobody took, at the end."""
    backlog_max: int
    backlog_seen: int
    """The largest backlog of the recipient."""
    waiting_seen: int
    """The most mail that waited in the store."""
    grown_bytes: int
    """Resident memory while the mail waited, over that before the first message."""
    seconds: float


@frozen(kw_only=True)
class Ring:
    """Tokens that went from agent to agent, and what the store was given for that; one admission began it."""

    tokens: int
    """On their way at once."""
    messages: int
    units: int
    turn_rows: int
    event_rows: int

    @property
    def units_per_message(self) -> float:
        """What a recipient commits for each: to take it, and for its turn, whose unit also sends it on.

        Without the two units that began it all: the admission, and the turn that it made.
        """
        return (self.units - 2) / self.messages

    @property
    def untold_units(self) -> int:
        """Units without their one row, the admission apart; below 0, rows too many."""
        return self.units - 1 - self.turn_rows - self.event_rows


@frozen(kw_only=True)
class Rings:
    """One token, which finds each agent idle, and many, which find most of them at work."""

    idle: Ring
    busy: Ring
    """Whose turns take what there is."""
    busy_singly: Ring
    """Whose turns take one message each."""


@frozen(kw_only=True)
class Phase:
    """Turns per second of the same agents beside something, by round."""

    name: str
    rates: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    """Processor time per turn, of all threads of the process."""
    note: str = ""


@frozen(kw_only=True)
class Beside:
    """Phases that took turns in one process; the first one is what the others are compared with."""

    phases: tuple[Phase, ...]

    def ratio(self, phase: Phase) -> float:
        """The median of the paired ratios of turns per second."""
        return median([one / base for one, base in zip(phase.rates, self.phases[0].rates, strict=True)])

    def cpu_ratio(self, phase: Phase) -> float:
        """The median of the paired ratios of processor time per turn."""
        return median([one / base for one, base in zip(phase.cpu_seconds, self.phases[0].cpu_seconds, strict=True)])
