"""Random units over both stores, in rounds: each on a fresh pair, compared outcome by outcome and then in everything.

The memory store is the model. It takes the units of a batch one by one, because each is chosen from where the last
one left it; the SQLite store takes the whole batch. What is chosen depends on the seed and the model alone, so a
seed is a history.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from attrs import Factory, define, evolve

from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.runtime_effects import RecordReceipt
from meerkat_actors.store import MemoryStore, open_sqlite
from tests.store.conftest import MEMORY_FOLDER
from tests.store.unit_campaign_choosing import choose_unit
from tests.store.unit_campaign_looking import Asked, differences, everything, sizes
from tests.store.unit_campaign_shrinking import shrunk
from tests.store.unit_campaign_sides import RAISED, Batch, Couriered, Moment, Planned, Restarted, Side, mended
from tests.store.unit_campaign_sight import NAMES, World, authority_of, true_fence
from tests.store.unit_campaign_tally import Tally, name_of

R = TypeVar("R")

UNITS_PER_ROUND: Final = 1_000
BATCH_MAX: Final = 50
CALM: Final = 0.4
"""How many batches are free of mistakes, so that they go through as one group."""
COURIER: Final = 0.06
"""How often a courier comes between two batches."""
RESTART: Final = 0.03
"""How often the process ends between two batches."""

_OWN_WORDS: Final = frozenset(
    {RefusalReason.OUT_OF_RANGE, RefusalReason.KEY_MISMATCH, RefusalReason.INPUT_STATE_CONFLICT}
)
"""What is current is said for people: here, with keys and sequences of the store's own."""
_SIZES: Final = (range(1, 2), range(1, 2), range(2, 6), range(6, 21), range(21, BATCH_MAX + 1))
_POISONS: Final = (0, 0, 0, 0, 0, 0, 0, 0, 1, 99)


class DifferenceError(Exception):
    """The stores do not agree."""

    def __init__(self, *, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.detail = detail
        self.kind = kind
        """What stays the same while the history is made smaller."""
        self.history: tuple[Moment, ...] = ()
        """What showed it, if it was looked for."""


@define(eq=False)
class Pair:
    """A model and the store that is compared with it, both new, and what was done to them."""

    model: Side
    other: Side
    history: list[Moment] = Factory(list[Moment])
    """What was done so far, also the moment that they differ about."""
    world: World = Factory(World)
    asked: Asked = Factory(Asked)
    tally: Tally = Factory(Tally)

    def go_on(self, moment: Moment) -> None:
        """Do one moment of an earlier history.

        Raises:
            DifferenceError: the stores differ.
        """
        if isinstance(moment, Restarted):
            self._restart(moment)
            return
        if isinstance(moment, Couriered):
            self._courier(moment)
            return
        self._do(moment.poison, map(self._mended, moment.planned))

    def choose(self, chance: Random, units_max: int) -> None:
        """Do one more random moment, of at most so many units."""
        if chance.random() < RESTART:
            self.go_on(Restarted(clean=chance.random() < 0.5))
            return
        if chance.random() < COURIER:
            self.go_on(Couriered(limit=chance.choice((1, 3, 99))))
            return
        is_calm = chance.random() < CALM
        names = tuple(chance.sample(NAMES, chance.randrange(1, len(NAMES) + 1)))
        size = min(chance.choice(chance.choice(_SIZES)), units_max)
        self._do(chance.choice(_POISONS), self._chosen(chance, names, size, is_calm=is_calm))

    def finish(self) -> None:
        """Compare everything that the two can be asked.

        Raises:
            DifferenceError: the stores differ.
        """
        model = _asked("the model can't be read", lambda: everything(self.model.store, self.asked))
        other = _asked("the store can't be read", lambda: everything(self.other.store, self.asked))
        for difference in differences(model, other):
            kind, _, detail = difference.partition(": ")
            raise DifferenceError(kind=kind, detail=detail)
        self.tally.rows.update(sizes(model))

    def _courier(self, moment: Couriered) -> None:
        self._read()
        self.history.append(moment)
        one, answers = _asked("the model can't return mail", lambda: self.model.return_mail(moment.limit))
        two, _ = _asked("the store can't return mail", lambda: self.other.return_mail(moment.limit))
        if one != two:
            raise DifferenceError(kind="returned mail", detail=f"the model returned {one}, the store {two}")
        self.tally.returned += len(one)
        for answer in answers:
            self.asked.note_posted(answer)

    def _read(self) -> None:
        _asked("the model can't be read", self.model.read)
        _asked("the store can't be read", self.other.read)
        self.world.known_mail = {InputId(mail) for mail in self.model.mail}

    def _do(self, poison: int, planned: Iterable[Planned]) -> None:
        self._read()
        outcomes: list[CommitOutcome] = []
        batch = Batch((), poison)
        self.history.append(batch)
        for each in planned:
            batch = evolve(batch, planned=(*batch.planned, each))
            self.history[-1] = batch
            outcomes.append(self._model(each.unit))
        self._compare(batch, outcomes)

    def _chosen(
        self, chance: Random, names: tuple[AgentIdentity, ...], size: int, *, is_calm: bool
    ) -> Iterator[Planned]:
        """Units, each from where the one before it left the model."""
        for _ in range(size):
            planned, owner = choose_unit(chance, self.world, self.model.store, names, is_calm=is_calm)
            yield planned
            if planned.unit.fence.identity == planned.name:
                now = authority_of(self.model.store, planned.name)
                self.world.beliefs[planned.name, owner] = true_fence(planned.name, now)

    def _mended(self, planned: Planned) -> Planned:
        return mended(planned, authority_of(self.model.store, planned.name))

    def _model(self, unit: Unit) -> CommitOutcome:
        """Commit to the model."""
        try:
            (outcome,) = self.model.commit((unit,))
        except RAISED as error:
            raise DifferenceError(
                kind=f"the model raised {type(error).__name__}", detail=f"{error} for {unit}"
            ) from error
        if isinstance(outcome, Committed):
            self.asked.note(unit)
            receipts = [effect for effect in unit.effects if isinstance(effect, RecordReceipt)]
            self.world.receipts.update((unit.fence.identity, effect.run_id) for effect in receipts)
        return outcome

    def _compare(self, batch: Batch, outcomes: Sequence[CommitOutcome]) -> None:
        try:
            others = self.other.commit(batch.units, poison=batch.poison)
        except RAISED as error:
            raise DifferenceError(
                kind=f"the store raised {type(error).__name__}", detail=f"{error} for {batch.units}"
            ) from error
        for place, (unit, one, two) in enumerate(zip(batch.units, outcomes, others, strict=True)):
            if _comparable(one) != _comparable(two):
                detail = f"the model {one}, the store {two} for unit {place} of {len(others)}, {unit}"
                raise DifferenceError(kind=f"{name_of(one)} / {name_of(two)}", detail=detail)
        self.tally.note(batch, outcomes)

    def _restart(self, moment: Restarted) -> None:
        self.history.append(moment)
        self.tally.restarts += 1
        one = _asked("the model can't restart", lambda: self.model.restart(clean=moment.clean))
        two = _asked("the store can't restart", lambda: self.other.restart(clean=moment.clean))
        if (one.incarnation, one.was_clean) != (two.incarnation, two.was_clean):
            raise DifferenceError(kind="restart", detail=f"the model began with {one}, the store with {two}")


def _comparable(outcome: CommitOutcome) -> CommitOutcome:
    if isinstance(outcome, Refused) and outcome.reason in _OWN_WORDS:
        return evolve(outcome, current="")
    return outcome


def _asked(problem: str, ask: Callable[[], R]) -> R:
    try:
        return ask()
    except RAISED as error:
        raise DifferenceError(kind=f"{problem}: {type(error).__name__}", detail=str(error)) from error


Opener = Callable[[Path], Side]
"""Makes the store that the model is compared with, in a folder of its own."""


def sqlite_in(folder: Path) -> Side:
    """A SQLite store. No fsync: what survives a crash is another test's matter."""
    path = folder / "units.db"
    return Side(open_sqlite(path, synchronous="normal"), path)


@contextmanager
def open_pair(opener: Opener = sqlite_in) -> Generator[Pair, None, None]:
    """A new pair that serves."""
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        pair = Pair(Side(MemoryStore()), opener(Path(folder)))
        try:
            for side in (pair.model, pair.other):
                side.begin()
            yield pair
        finally:
            for side in (pair.model, pair.other):
                side.store.close()


def run_round(seed: str, units: int, opener: Opener = sqlite_in) -> Tally:
    """Choose and compare so many units, then everything.

    Raises:
        DifferenceError: the stores differ; it tells the smallest history that shows it.
    """
    chance = Random(seed)
    with open_pair(opener) as pair:
        try:
            while pair.tally.units < units:
                pair.choose(chance, units - pair.tally.units)
            pair.finish()
        except DifferenceError as error:
            raise _smallest(error, f"round {seed!r} of {units} units", pair.history, opener) from error
        pair.tally.rounds = 1
        return pair.tally


def replay(history: Sequence[Moment], opener: Opener = sqlite_in) -> DifferenceError | None:
    """Do a history again, on a new pair; the first difference, if there is one."""
    with open_pair(opener) as pair:
        try:
            for moment in history:
                pair.go_on(moment)
            pair.finish()
        except DifferenceError as error:
            error.history = tuple(pair.history)
            return error
    return None


def _smallest(found: DifferenceError, where: str, history: Sequence[Moment], opener: Opener) -> DifferenceError:
    def fails(some: Sequence[Moment]) -> bool:
        again = replay(some, opener)
        return again is not None and again.kind == found.kind

    last = replay(shrunk(history, fails), opener)
    if last is None:  # the history does not show it a second time
        return DifferenceError(kind=found.kind, detail=f"{found.detail}\nin {where}; it did not show itself again")
    told = "\n".join(map(_told, last.history))
    smallest = DifferenceError(kind=last.kind, detail=f"{last.detail}\nin {where}; the smallest history found:\n{told}")
    smallest.history = last.history
    return smallest


def _told(moment: Moment) -> str:
    if not isinstance(moment, Batch):
        return f"  {moment}"
    return "\n".join([f"  batch, poison={moment.poison}", *(f"    {unit}" for unit in moment.units)])
