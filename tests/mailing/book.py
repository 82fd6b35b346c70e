"""What the store was told, commit by commit: which mail was sent, taken and returned, and what may not be any more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from attrs import Factory, define, field, frozen

from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import decode_header
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    OwnerUnit,
    PostInput,
    ReturnMail,
    SendMail,
    SetDesired,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey, InputId, RunId
from meerkat_actors.records.inputs import InputState, Lane, Mail
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.mail import Returnable
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from tests.actors.faulty import FaultyStore
from tests.histories.outside import Outside


@frozen(kw_only=True)
class Sent:
    """One row of mail, as it was committed."""

    sender: AgentIdentity | None
    """None for what the courier or a caller sends."""
    number: int
    """The sender's send counter; 0 without a sender."""
    recipient: AgentIdentity
    input_id: InputId
    kind: InputKind
    lane: Lane
    header: Header
    run_id: RunId | None
    """Of the boundary that sent it; None for what no turn did."""


@define(eq=False)
class Book:
    """What was committed."""

    outside: Outside
    sent: dict[InputId, Sent] = Factory(dict[InputId, Sent])
    """In the order of commits; of one sender, in the order of its numbers."""
    boundaries: dict[RunId, list[InputId]] = Factory(dict[RunId, list[InputId]])
    """What each boundary sent."""
    waiting: defaultdict[AgentIdentity, set[InputId]] = field(factory=lambda: defaultdict(set))
    """Mail that was neither taken nor returned, by recipient."""
    floored: set[InputId] = Factory(set[InputId])
    """Mail that was below a floor before it was taken."""
    bound: set[tuple[AgentIdentity, AdmissionSequence]] = Factory(set[tuple[AgentIdentity, AdmissionSequence]])
    """Inputs that a checkpoint bound to some run."""
    unanswerable: set[InputId] = Factory(set[InputId])
    """Requests that were returned when nobody was left to be told."""
    units: Counter[str] = Factory(Counter[str])
    """Effects of each kind, for the tally."""
    _read: dict[int, InputId] = Factory(dict[int, InputId])
    """Which mail has which sequence, as it was read by who takes or returns it."""

    def note_read(self, mail: Sequence[Mail]) -> None:
        """Somebody read mail."""
        self._read.update((each.sequence, each.input_id) for each in mail)

    def note_batch(self, units: Sequence[Unit], outcomes: Sequence[CommitOutcome], store: Store) -> None:
        """A transaction was committed."""
        before = {identity: set(ids) for identity, ids in self._floors(units)}
        for unit, outcome in zip(units, outcomes, strict=True):
            if isinstance(outcome, Committed):
                self._note(unit, before)
                if unit.fence.identity in before:
                    self._check_ends(unit, store)

    def note_post(self, unit: OwnerUnit, store: Store) -> None:
        """A runtime wrote what no identity did."""
        if isinstance(unit.effect, PostInput):
            self._enter_post(unit.effect)
            return
        for effect in unit.effect:
            self._note_return(effect, store)

    def _floors(self, units: Sequence[Unit]) -> list[tuple[AgentIdentity, set[InputId]]]:
        """Mail that was there before the transaction, of those whose floor may rise in it."""
        return [
            (unit.fence.identity, self.waiting[unit.fence.identity])
            for unit in units
            if any(isinstance(effect, SetDesired | BeginGeneration | Bury) for effect in unit.effects)
        ]

    def _note(self, unit: Unit, before: dict[AgentIdentity, set[InputId]]) -> None:
        identity = unit.fence.identity
        run_id = next((effect.run_id for effect in unit.effects if isinstance(effect, AppendTurn)), None)
        if run_id is not None:
            self.outside.require(run_id not in self.boundaries, "a run with two boundaries", run_id)
            self.boundaries[run_id] = [each.input_id for each in unit.effects if isinstance(each, SendMail)]
        for effect in unit.effects:
            self.units[type(effect).__name__] += 1
            match effect:
                case SendMail():
                    self._enter(identity, effect, run_id)
                case TakeMail():
                    self._take(identity, effect)
                case SetDesired(desired=Desired.STOPPED) | BeginGeneration() | Bury():
                    self.floored |= before[identity] & self.waiting[identity]
                case Stage(admission=admission, position=position) if position:
                    self.bound.add((identity, admission))
                case _:
                    pass

    def _check_ends(self, unit: Unit, store: Store) -> None:
        """What a verb ends has ended with it: nothing of a generation is left to the next one."""
        found, require, identity = store.activate(unit.fence.identity), self.outside.require, unit.fence.identity
        if not isinstance(found, Activation):
            self.outside.complain("rows that contradict each other", found)
            return
        for effect in unit.effects:
            match effect:
                case SetDesired(desired=Desired.STOPPED):
                    require(not found.queued, "an input outlived a stop", f"{identity}: {found.queued}")
                case BeginGeneration() | Bury():
                    left = (*found.queued, *found.owed, found.next_due_ms or None)
                    require(not any(left), "something outlived a generation", f"{identity}: {left}")
                case _:
                    pass

    def _enter(self, sender: AgentIdentity, mail: SendMail, run_id: RunId | None) -> None:
        self.outside.require(mail.input_id not in self.sent, "a message was sent twice", mail)
        self.sent[mail.input_id] = Sent(
            sender=sender, number=mail.number, recipient=mail.recipient, input_id=mail.input_id, kind=mail.kind,
            lane=mail.lane, header=decode_header(mail.header, mail.kind), run_id=run_id,
        )  # fmt: skip
        self.waiting[mail.recipient].add(mail.input_id)

    def _enter_post(self, post: PostInput) -> None:
        if post.input_id not in self.sent:  # a caller may post the same again
            self.sent[post.input_id] = Sent(
                sender=None, number=0, recipient=post.recipient, input_id=post.input_id, kind=post.kind,
                lane=Lane.NONE, header=decode_header(post.header, post.kind), run_id=None,
            )  # fmt: skip
            self.waiting[post.recipient].add(post.input_id)

    def _take(self, identity: AgentIdentity, taken: TakeMail) -> None:
        input_id, require = self._read[taken.sequence], self.outside.require
        require(input_id not in self.floored, "mail from below the floor was taken", f"{identity}: {taken}")
        require(input_id in self.waiting[identity], "mail was taken that does not wait", f"{identity}: {taken}")
        self.waiting[identity].discard(input_id)

    def _note_return(self, returned: ReturnMail, store: Store) -> None:
        input_id, waiting = self._read[returned.sequence], self.waiting[returned.recipient]
        row = store.find_input(returned.recipient, input_id)
        if input_id not in waiting or row is None or row.state is not InputState.ABANDONED:
            return
        waiting.discard(input_id)
        answer = returned.answer
        if answer is None:
            return
        if store.find_input(answer.recipient, answer.input_id) is not None:
            self._enter_post(answer)
            return
        found = store.activate(answer.recipient)
        head = found.head if isinstance(found, Activation) else None
        self.outside.require(
            head is None or head.is_buried, "a returned request was not answered", f"{returned.recipient}: {input_id}"
        )
        self.unanswerable.add(input_id)


class Booked(FaultyStore):
    """A store whose every commit is written down in a book, whoever hears of it."""

    def __init__(self, inner: Store, book: Book) -> None:
        super().__init__(inner, inline=True)
        self._book = book
        self.after_commit = lambda units, outcomes: book.note_batch(units, outcomes, inner)

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = super().commit(units)
        self.batches.clear()  # the book says what matters
        return outcomes

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        outcome = super().post(unit)
        if isinstance(outcome, Committed):
            self._book.note_post(unit, self.inner)
        return outcome

    def pending_mail(self, key: IdentityKey, *, limit: int) -> tuple[Mail, ...]:
        mail = super().pending_mail(key, limit=limit)
        self._book.note_read(mail)
        return mail

    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        found = super().undeliverable_mail(identity, absent_before_ms=absent_before_ms, limit=limit)
        self._book.note_read([each.mail for each in found])
        return found
