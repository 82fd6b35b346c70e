"""A store with something to forget of every kind, small and large, and the conformance suite's way to prune it."""

from __future__ import annotations

from random import Random
from typing import Final

from meerkat_actors.records.continuity import ContinuityRecord
from meerkat_actors.records.pruning import PrunePolicy
from meerkat_actors.store import RuntimeStore, Store
from meerkat_actors.testing.conformance.pruning import EVERYTHING as EVERYTHING
from meerkat_actors.testing.conformance.pruning import NOW_MS as NOW_MS
from meerkat_actors.testing.conformance.pruning import minted as minted
from meerkat_actors.testing.conformance.pruning import prune as prune
from tests.store.continuity_calling import caller, record
from tests.store.runtime_writing import OTHER_RUN, RUN, delta, input_id, queued, receipt, said
from tests.store.writing import GIVEN_UP, Writer, created, end, insert, new_run_id, send, stage, step, take

AGENTS: Final = ("alice", "bob", "carol")
NAMES: Final = (*AGENTS, "facade", "ann")
DAY_MS: Final = 86_400_000

POLICIES: Final = (
    EVERYTHING,
    PrunePolicy(),
    PrunePolicy(keep_inputs=0),
    PrunePolicy(keep_inputs=3, dead_letters=True),
    PrunePolicy(older_than_seconds=5 * 86_400),
    PrunePolicy(older_than_seconds=5 * 86_400, keep_inputs=4, dead_letters=True, former_snapshots=True),
)


def live(store: Store, seed: str = "life", *, inputs: int = 12) -> None:
    """The same life in every store, for the same seed."""
    random = Random(seed)
    writers = [created(store, name) for name in AGENTS]
    for number in range(1, inputs + 1):
        for writer in writers:
            _input(writer, number, random)
    for writer, friend in zip(writers, (*writers[1:], writers[0]), strict=True):
        _mail(writer, friend, inputs + 1, random)
    live_facades(store, random)


def live_facades(store: Store, random: Random) -> None:
    """Sessions and runtimes of callers, begun anew now and then."""
    facade, message = RuntimeStore(store), "m" * random.choice((1, 5_000))
    for number in range(3):
        facade.atomic_apply(
            "facade",
            delta(*said(*[message] * (number + 1))),
            receipt(1, input_id(number), run_id=(RUN, OTHER_RUN, new_run_id())[number], count=number + 1),
            [queued(number)],
            None,
        )
    ann, before = caller(store, 5), None
    for generation in range(random.randint(3, 4)):
        now = record(generation)
        ann.upsert(now)
        for version in range(1, random.randint(2, 4)):
            ann.save(version, now, "s" * random.choice((1, 9_000)))
        before = now
    assert isinstance(before, ContinuityRecord)


def _input(writer: Writer, admission: int, random: Random) -> None:
    run, size = new_run_id(), random.choice((1, 40, 3_000, 20_000))
    one = minted(NOW_MS - random.randrange(10) * DAY_MS)
    key = f"job {admission}" if random.random() < 0.5 else None
    writer.must_commit(insert(admission, run=run, content=b'"%b"' % (b"x" * size), key=key, input_id=one))
    if random.random() < 0.3:
        writer.must_commit(step(admission, run), step(admission, run, nth=2, result=b"2" * size))
    if random.random() < 0.2:
        writer.must_commit(end(admission, run, GIVEN_UP))
    else:
        writer.must_commit(end(admission, run), writer.boundary(run, state=admission))


def _mail(sender: Writer, recipient: Writer, admission: int, random: Random) -> None:
    sender.must_commit(send(recipient.fence.identity, 1, content=b"[%b]" % (b"1" * random.choice((1, 6_000)))))
    sender.must_commit(send(recipient.fence.identity, 2))
    mail = sender.store.pending_mail(recipient.fence.key, limit=9)
    run, live_run = new_run_id(), new_run_id()
    recipient.must_commit(take(mail[0], admission, run))
    recipient.must_commit(end(admission, run), recipient.boundary(run))
    recipient.must_commit(insert(admission + 1), insert(admission + 2))
    recipient.must_commit(stage(admission + 1, live_run))
    recipient.must_commit(step(admission + 1, live_run))
