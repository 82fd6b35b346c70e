"""A mailbox: bounded, never waiting to post, control first, and every slot answered."""

from __future__ import annotations

import pytest
import trio

from meerkat_actors.actors.mailbox import Envelope, Mailbox
from meerkat_actors.actors.reply import CommitSlot, ReplySlot
from meerkat_actors.errors import MailboxFullError, OwnerStoppedError, UnknownOutcomeError
from meerkat_actors.records.commands import GetStatus, Look
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits

NAME = AgentIdentity("a")


def mailbox(**limits: int) -> Mailbox:
    return Mailbox(NAME, Limits(**limits))


def envelope() -> Envelope:
    slot: ReplySlot[object] = ReplySlot()
    return Envelope(GetStatus(), slot, wants_outcome=False)


async def test_mail_is_drained_in_order_and_control_before_it() -> None:
    box = mailbox()
    mail, control = [envelope() for _ in range(3)], [envelope() for _ in range(2)]
    box.post(mail[0])
    box.post_control(control[0])
    box.post(mail[1])
    box.post_from_child(control[1])
    box.post(mail[2])
    assert not box.is_empty
    assert [id(each) for each in box.drain(4)] == [id(each) for each in (*control, *mail[:2])]
    assert [id(each) for each in box.drain(4)] == [id(mail[2])]
    assert box.drain(4) == []
    assert box.is_empty


async def test_a_full_mailbox_refuses_mail_and_still_takes_control() -> None:
    box = mailbox(mailbox_max=2, control_max=4)
    for _ in range(2):
        box.post(envelope())
    with pytest.raises(MailboxFullError, match="a: mailbox full"):
        box.post(envelope())
    for _ in range(4):
        box.post_control(envelope())
    with pytest.raises(MailboxFullError, match="a: mailbox full"):
        box.post_control(envelope())
    box.post_from_child(envelope())  # for whom there is always room
    box.wake()
    assert len(box.drain(100)) == 7


@pytest.mark.parametrize("how", ["post", "post_control", "post_from_child", "wake"])
async def test_whatever_comes_wakes_a_parked_owner(how: str, autojump_clock: trio.testing.MockClock) -> None:
    box = mailbox(mailbox_max=1)
    posted = envelope()
    found: list[Envelope] = []

    async def own() -> None:
        woken = await box.wait()
        found.extend([woken] if woken is not None else [])
        found.extend(box.drain(10))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(own)
        await trio.testing.wait_all_tasks_blocked()
        if how == "wake":
            box.wake()
            box.wake()
        else:
            getattr(box, how)(posted)
    assert [id(each) for each in found] == ([] if how == "wake" else [id(posted)])
    assert box.is_empty


async def test_a_cancelled_owner_loses_no_mail() -> None:
    """At whatever moment: what was posted is either in its hands or in its mailbox."""
    for moment in range(6):
        box = mailbox()
        posted = envelope()
        taken: list[Envelope | None] = []

        async def own(box: Mailbox, taken: list[Envelope | None]) -> None:
            taken.append(await box.wait())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(own, box, taken)
            if moment < 3:
                for _ in range(moment):
                    await trio.lowlevel.checkpoint()
                box.post(posted)
                nursery.cancel_scope.cancel()
            else:
                await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
                box.post(posted)
        assert [id(each) for each in [*taken, *box.drain(10)]] == [id(posted)]


async def test_what_was_put_back_is_drained_first_and_in_order() -> None:
    box = mailbox()
    first = [envelope() for _ in range(3)]
    for each in first:
        box.post(each)
    drained = box.drain(3)
    last = envelope()
    box.post_control(last)
    box.put_back(drained)
    assert [id(each) for each in box.drain(10)] == [id(each) for each in (*first, last)]


async def test_leftovers_are_refused_and_nothing_is_posted_to_a_closed_mailbox() -> None:
    box = mailbox()
    mail, asking = envelope(), envelope()
    control: Envelope = Envelope(Look(), ReplySlot(), wants_outcome=False)
    box.post(mail)
    box.post_control(control)
    box.post_control(asking)
    box.post_from_child(Envelope(Look(), None, wants_outcome=False))
    box.drop_control(UnknownOutcomeError(identity=NAME))
    box.refuse_leftovers(OwnerStoppedError(identity=NAME))
    box.close()
    # What a turn posted may be done or not; a question for the status changes nothing.
    for each, error in ((control, UnknownOutcomeError), (asking, OwnerStoppedError), (mail, OwnerStoppedError)):
        assert each.slot is not None
        with pytest.raises(error):
            await each.slot.wait()
    with pytest.raises(OwnerStoppedError):
        box.post(envelope())
    late = envelope()
    box.post_from_child(late)
    box.post_from_child(Envelope(GetStatus(), None, wants_outcome=False))
    assert late.slot is not None
    with pytest.raises(OwnerStoppedError):
        await late.slot.wait()
    box.wake()
    assert box.is_empty


# -- reply slots ---------------------------------------------------------------------------


async def test_the_first_answer_counts() -> None:
    slot: ReplySlot[int] = ReplySlot()
    slot.resolve(1)
    slot.resolve(2)
    slot.reject(KeyError())
    assert await slot.wait() == 1
    slot = ReplySlot()
    slot.reject(KeyError("first"))
    slot.resolve(1)
    slot.reject(ValueError())
    with pytest.raises(KeyError, match="first"):
        await slot.wait()


async def test_none_is_an_answer() -> None:
    slot: ReplySlot[None] = ReplySlot()
    slot.resolve(None)
    await slot.wait()


async def test_who_stops_waiting_withdraws_nothing() -> None:
    slot: ReplySlot[int] = ReplySlot()
    with trio.move_on_after(0) as scope:
        await slot.wait()
    assert scope.cancelled_caught
    slot.resolve(1)
    assert await slot.wait() == 1


async def test_an_owners_wait_for_its_commit_outlasts_its_cancellation() -> None:
    slot: CommitSlot[int] = CommitSlot()
    answers: list[int] = []

    async def own() -> None:
        answers.append(await slot.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(own)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
            assert answers == []
            slot.resolve(1)
    assert answers == [1]


async def test_an_answer_may_come_before_anyone_waits() -> None:
    slot: CommitSlot[int] = CommitSlot()
    slot.resolve(1)
    slot.reject(KeyError())
    assert await slot.wait() == 1
    slot = CommitSlot()
    slot.reject(KeyError("no"))
    slot.reject(ValueError())
    with pytest.raises(KeyError, match="no"):
        await slot.wait()
