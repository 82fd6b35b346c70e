"""The client under fire: it writes its script into a real store, and keeps what it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from attrs import Factory, define, frozen

from meerkat_actors.errors import StoreError, StoreFullError
from meerkat_actors.records.activation import Broken
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.ids import AgentIdentity, IdentityKey
from meerkat_actors.records.inputs import Mail
from meerkat_actors.records.leases import Ownership
from meerkat_actors.records.standing import Standing
from meerkat_actors.store.sqlite.opening import Synchronous, open_sqlite
from meerkat_actors.store.sqlite.store import SqliteStore
from tests.crashes.fire_history import Answer, Asked, History
from tests.crashes.fire_ledger import Ledger
from tests.crashes.fire_rows import Rows, read_rows
from tests.crashes.fire_script import NAMES, Batch, Checkpoint, Restart, Step, View, claims
from tests.store.writing import uuid_of

FULL_RETRIES = 2
"""How often a client tries again on a full disk."""


class WrongAnswerError(Exception):
    """The store answered what it must not."""


class DiskStaysFullError(Exception):
    """The client gave up."""


@frozen
class Way:
    """How the store is opened."""

    synchronous: Synchronous = "full"
    ownership: Ownership = "exclusive"


ORDINARY: Final = Way()
SHARING: Final = Way(ownership="shared")
"""Nobody else shares it, but those who died."""


class OneIdEnv(SystemEnv):
    """The same id and the same time for all: what differs between two files is then what happened to them."""

    def boot_ms(self) -> int:
        return 1_000_000

    def new_id(self) -> str:
        return uuid_of(1)


@define(eq=False)
class Client:
    """One client, over all its lives. ``history`` is its only memory."""

    path: str
    script: Sequence[Step]
    history: History
    position: Callable[[], int]
    """Of the disk, in events."""
    vfs: str | None = None
    way: Way = ORDINARY
    store: SqliteStore | None = None
    _ledger: Ledger | None = None
    """What was acknowledged, added up; None: not yet."""
    _keys: dict[AgentIdentity, IdentityKey] = Factory(dict[AgentIdentity, IdentityKey])

    def open(self) -> SqliteStore:
        """Open the store and begin to serve.

        Raises:
            StoreError: as the store does.
        """
        self.store = store = open_sqlite(
            self.path, vfs=self.vfs, synchronous=self.way.synchronous, ownership=self.way.ownership, env=OneIdEnv()
        )
        _patiently(store.begin)
        return store

    def go_on(self, steps: int | None = None, rows: Rows | None = None) -> None:
        """Learn from the rows what became of the last units; claim; and do the next steps of the script, or all.

        Raises:
            StoreError: the store failed; what it was asked last is unknown.
            WrongAnswerError: it did not, and answers wrongly.
            DiskStaysFullError: nothing fails but writing.
        """
        store = self.open() if self.store is None else self.store
        if self.history.asked:
            self._ledger = None
            self.history.resolve(read_rows(self.path) if rows is None else rows, self.position())
            self._claim(store)
        last = len(self.script) if steps is None else min(len(self.script), len(self.history.steps_done) + steps)
        for number in range(len(self.history.steps_done), last):
            self._step(number, self.script[number])
            self.history.steps_done.append(self.position())
        if steps is None:
            _patiently(lambda: self._store.end(clean=True))
            self.close()

    def close(self) -> None:
        """Close the store, if one is open."""
        if self.store is not None:
            self.store.close()
            self.store = None

    @property
    def _store(self) -> SqliteStore:
        assert self.store is not None
        return self.store

    def _claim(self, store: SqliteStore) -> None:
        self._send(-1, [(unit, False) for unit in claims(self._view(store))])

    def _step(self, number: int, step: Step) -> None:
        if isinstance(step, Checkpoint):
            with suppress(StoreFullError):  # nothing is lost by it
                self._store.checkpoint()
        elif isinstance(step, Restart):
            _patiently(lambda: self._store.end(clean=True))
            self.close()
            self._claim(self.open())
        else:
            self._do(number, step)

    def _do(self, number: int, step: Batch) -> None:
        # Of a batch that was interrupted, some may be there already.
        done = {
            one.unit.fence.identity
            for one in self.history.asked
            if one.step == number and one.answer in {Answer.COMMITTED, Answer.REFUSED} and not _is_full(one)
        }
        view = self._view(self._store)
        asks = [ask for ask in step.asks if ask.name not in done]
        self._send(number, [(ask.unit(view), ask.is_wrong) for ask in asks])

    def _send(self, number: int, units: Sequence[tuple[Unit, bool]]) -> None:
        for _ in range(1 + FULL_RETRIES):
            if not units:
                return
            asked = [Asked(number, unit, is_wrong, self.position()) for unit, is_wrong in units]
            self.history.asked += asked
            outcomes = self._store.commit([unit for unit, _ in units])
            position = self.position()
            again: list[tuple[Unit, bool]] = []
            for one, outcome in zip(asked, outcomes, strict=True):
                one.answered_at = position
                one.answer = Answer.COMMITTED if isinstance(outcome, Committed) else Answer.REFUSED
                if self._ledger is not None and one.answer is Answer.COMMITTED and not one.is_wrong:
                    self._ledger.apply(one.unit)
                if isinstance(outcome, Refused) and outcome.reason is RefusalReason.STORE_FULL:
                    one.answer = Answer.ABSENT
                    again.append((one.unit, one.is_wrong))
                elif (one.answer is Answer.COMMITTED) is one.is_wrong:
                    problem = f"step {number}: {one.unit} was answered {outcome}"
                    raise WrongAnswerError(problem)
            units = again
        raise DiskStaysFullError

    def _view(self, store: SqliteStore) -> View:
        if self._ledger is None:
            self._ledger = self.history.acknowledged()
        if not self._keys.keys() >= self._ledger.heads.keys() or len(self._ledger.heads) < len(NAMES):
            self._keys = _keys(store)  # of who is not created yet it is another one each time
        return View(self._ledger, self._keys, self._mail)

    def _mail(self, name: AgentIdentity) -> Mail:
        return self._store.pending_mail(self._keys[name], limit=1)[0]


def _is_full(one: Asked) -> bool:
    return one.answer is Answer.ABSENT


def _keys(store: SqliteStore) -> dict[AgentIdentity, IdentityKey]:
    found = store.read_standings(NAMES, snapshots="unread")
    broken = [one for one in found if isinstance(one, Broken)]
    if broken:
        problem = f"broken: {broken}"
        raise WrongAnswerError(problem)
    return {one.identity: one.key for one in found if isinstance(one, Standing)}


def _patiently(work: Callable[[], object]) -> None:
    for _ in range(FULL_RETRIES):
        with suppress(StoreFullError):
            work()
            return
    try:
        work()
    except StoreFullError as error:
        raise DiskStaysFullError from error


__all__ = ["Client", "DiskStaysFullError", "StoreError", "WrongAnswerError"]
