"""How owners of one identity follow one another, and what the crash of one means for its group."""

from __future__ import annotations

import trio

from meerkat_actors.actors.directory.groups import GroupState
from meerkat_actors.actors.directory.quarantine import broken_error
from meerkat_actors.actors.directory.registry import Directory
from meerkat_actors.actors.identity import (
    UNKNOWN_KIND,
    BrokenIdentityError,
    Entry,
    HeldElsewhereError,
    Surroundings,
    run_identity,
)
from meerkat_actors.actors.identity.restarting import RestartingError
from meerkat_actors.errors import (
    AlreadyOwnedError,
    IdentityBrokenError,
    OwnershipLostError,
    OwnerStoppedError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreInterruptedError,
    SupervisionError,
)
from meerkat_actors.machines.supervision import GiveUp, backoff_seconds, on_crash, recent
from meerkat_actors.records.events import GroupEscalated, GroupRestarted, OwnerCrashed
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.leases import Holder
from meerkat_actors.records.supervision import GROUP_ESCALATED, OWNER_CRASHED, STORE


async def supervise(directory: Directory, entry: Entry, around: Surroundings) -> None:
    """Run owners of one identity, one after another, until one ends in good order.

    Owns:  the entry's place in the directory.
    Ends:  with its owner; a lost fence retires it, and so do a holder elsewhere and crashing too often.

    Raises:
        SupervisionError: its group crashed too often, and that is to end the runtime.
    """
    identity = entry.identity
    crashes: tuple[float, ...] = ()
    unclean, is_own = not around.storage.opening.was_clean, False
    try:
        # Its group may be given up while it waits to begin anew.
        while identity not in directory.quarantine:
            try:
                await _own(directory, entry, around, unclean=unclean, is_own=is_own)
            except RestartingError as error:
                unclean, is_own = error.is_unclean, True
                await _wait_for_group(directory, identity)
                continue
            except BrokenIdentityError as error:
                _keep_apart(directory, entry, around, error)
            except HeldElsewhereError as error:
                entry.mailbox.refuse_leftovers(_owned_by(error.holder, identity))
            except StoreInterruptedError as error:
                # What the store answers next was read from a new connection: there we begin anew.
                around.observers.notify(OwnerCrashed(identity=identity, error=str(error)))
                continue
            except (OwnershipLostError, StoreFailedError) as error:
                # Another owner exists, or storage ends the runtime: neither is ours to mend.
                if not entry.is_lost:  # of a lost lease observers are told once for all
                    around.observers.notify(OwnerCrashed(identity=identity, error=str(error)))
            except StoreFullError as error:
                entry.mailbox.refuse_leftovers(error)
                await trio.sleep(around.limits.full_retry_seconds)
                continue  # it may have work that nobody else tells it of
            except StoreError as error:
                directory.quarantine.add(identity, STORE, str(error))
            except Exception as error:  # noqa: BLE001 - the supervisor: whatever it was, it stays one identity's
                around.observers.notify(OwnerCrashed(identity=identity, error=repr(error)))
                unclean, is_own = True, False
                crashes = await _after_crash(directory, entry, around, crashes, error)
                continue
            return
    finally:
        _leave(directory, entry)


async def _own(directory: Directory, entry: Entry, around: Surroundings, *, unclean: bool, is_own: bool) -> None:
    entry.is_restarting = False
    directory.groups.note_end(entry.identity)  # whoever wants it to begin anew has that already
    try:
        await run_identity(entry, around, charges_interruption=unclean, is_own=is_own)
    finally:
        directory.groups.note_end(entry.identity)


def _keep_apart(directory: Directory, entry: Entry, around: Surroundings, error: BrokenIdentityError) -> None:
    if error.reason == UNKNOWN_KIND and around.storage.is_shared:
        # Another runtime's kind: it is no harm that it is not served here.
        entry.mailbox.refuse_leftovers(
            IdentityBrokenError(identity=entry.identity, reason=error.reason, detail=error.detail)
        )
    else:
        directory.quarantine.add(entry.identity, error.reason, error.detail)


def _owned_by(holder: Holder, identity: AgentIdentity) -> AlreadyOwnedError:
    return AlreadyOwnedError(identity=identity, holder=holder.name, expires_in=holder.expires_in)


def _leave(directory: Directory, entry: Entry) -> None:
    directory.release(entry)
    broke = directory.quarantine.get(entry.identity)
    stopped = OwnerStoppedError(identity=entry.identity) if broke is None else broken_error(broke)
    entry.mailbox.refuse_leftovers(stopped)
    entry.mailbox.close()


async def _after_crash(
    directory: Directory, entry: Entry, around: Surroundings, crashes: tuple[float, ...], error: Exception
) -> tuple[float, ...]:
    """Wait until a successor may begin, or keep the identity apart. Returns the crashes that count for it alone."""
    identity, limits = entry.identity, around.limits
    state = directory.groups.of(identity)
    if state is not None:
        _judge(directory, state, identity, error, around)
        await _wait_for_group(directory, identity)
        return ()
    crashes = recent(crashes, trio.current_time(), limits.restart_window_seconds)
    if len(crashes) > limits.restarts_max:
        directory.quarantine.add(identity, OWNER_CRASHED, repr(error))
    else:
        await trio.sleep(backoff_seconds(len(crashes), first=limits.restart_seconds))
    return crashes


def _judge(
    directory: Directory, state: GroupState, identity: AgentIdentity, error: Exception, around: Surroundings
) -> None:
    """A member crashed: let others begin anew with it, or give the group up.

    Raises:
        SupervisionError: it is given up, and that is to end the runtime.
    """
    group, now = state.group, trio.current_time()
    verdict = on_crash(group, state.crashes, identity, now)
    state.crashes = verdict.crashes
    if isinstance(verdict, GiveUp):
        _escalate(directory, state, identity, error, around)
        return
    restarted: list[AgentIdentity] = []
    for member in map(AgentIdentity, verdict.members):
        if member != identity and not _restart(directory, state, member):
            continue
        restarted.append(member)
        state.begin_at[member] = max(state.begin_at.get(member, now), now + verdict.after_seconds)
    around.observers.notify(
        GroupRestarted(
            group=group.name, identity=identity, members=tuple(restarted), after_seconds=verdict.after_seconds
        )
    )


def _restart(directory: Directory, state: GroupState, member: AgentIdentity) -> bool:
    """Let a sibling begin anew; False where there is nothing to begin anew."""
    # While the runtime leaves, their turns have their time to end.
    if directory.is_closing or not directory.is_live(member) or member in directory.quarantine:
        return False
    if member not in state.waiting:  # or it has ended already
        directory.end_owner(member)
        directory.groups.note_ending(member, state)
    return True


def _escalate(
    directory: Directory, state: GroupState, identity: AgentIdentity, error: Exception, around: Surroundings
) -> None:
    group, told = state.group, repr(error)
    around.observers.notify(
        GroupEscalated(group=group.name, identity=identity, error=told, escalation=group.escalation)
    )
    if group.escalation == "end_runtime":
        raise SupervisionError(group=group.name, identity=identity, error=told) from error
    state.is_escalated = True
    detail = f"group {group.name!r} crashed too often, the last time {identity}: {told}"
    for member in map(AgentIdentity, group.members):
        if member not in directory.quarantine:
            directory.quarantine.add(member, GROUP_ESCALATED, detail)
            directory.end_owner(member)
    state.changed.unpark_all()


async def _wait_for_group(directory: Directory, identity: AgentIdentity) -> None:
    """Wait until whoever begins anew with it has ended, and the group's backoff is over; or it is kept apart.

    Cancelling the wait has no effect on the others.
    """
    state = directory.groups.of(identity)
    if state is None:
        return
    state.waiting.add(identity)
    try:
        await trio.lowlevel.checkpoint()
        while identity not in directory.quarantine:
            if state.ending:
                await state.changed.park()
                continue
            seconds = state.begin_at.get(identity, 0) - trio.current_time()
            if seconds <= 0:
                return
            with trio.move_on_after(seconds):
                await state.changed.park()
    finally:
        state.waiting.discard(identity)
        state.begin_at.pop(identity, None)
