"""What one durable turn costs the writer: an admission unit and a boundary unit, straight into the store.

No Trio and no owners: processor time of ``Store.commit`` per turn, by batch size, on a memory file system.
``--without INDEX`` drops an index first, so that the difference is what it costs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import apsw
from attrs import define

from _common import REPLY, TEXT, fresh_folder, median, memory_folder, open_probe, raise_collector_threshold, used_bytes
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import DIGEST_ZERO, encode_entry, encode_json, encode_turn, extend_chain
from meerkat_actors.records.effects import AppendTurn, CreateIdentity, EndInput, InsertInput, Unit
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.outcomes import Receipt
from meerkat_actors.store import MemoryStore, Store, open_sqlite

BATCHES: Final = (1, 10, 100, 1_000)
CHECKPOINT_PAGES: Final = 1_000

CONTENT: Final = encode_json(TEXT, what="text", bytes_max=10_000, depth_max=10)
ANSWER: Final = encode_json(REPLY, what="text", bytes_max=10_000, depth_max=10)


@define(eq=False)
class Writer:
    """One identity as its owner would hold it."""

    fence: IdentityFence
    digest: bytes = DIGEST_ZERO
    admissions: int = 0

    def turn(self, env: SystemEnv) -> tuple[Unit, Unit]:
        """The two units of one turn."""
        fence = self.fence
        self.admissions += 1
        admission = AdmissionSequence(self.admissions)
        input_id, run_id = InputId(env.new_id()), RunId(env.new_id())
        insert = InsertInput(admission, input_id, InputKind.PROMPT, CONTENT, sha256(CONTENT).digest(), None, run_id)
        entries = (
            encode_entry(role="user", content=CONTENT, input_id=input_id, sender=None),
            encode_entry(role="assistant", content=ANSWER, input_id=None, sender=None),
        )
        self.digest = extend_chain(self.digest, entries)
        version = CheckpointVersion(fence.version + 1)
        receipt = Receipt(
            fence.identity, fence.generation, version, run_id, 1, (input_id,), self.digest.hex(), 2 * version
        )
        body = encode_turn(entries=entries, receipt=receipt, text=None, state=None)
        append = AppendTurn(run_id, version, self.digest, 2 * version, 0, body, sets_state=False)
        self.fence = IdentityFence(fence.identity, fence.key, fence.token, fence.generation, version)
        return Unit(fence, (insert,)), Unit(fence, (EndInput(admission, run_id, None), append))


def create_writers(store: Store, count: int, env: SystemEnv) -> list[Writer]:
    """New identities, committed."""
    writers: list[Writer] = []
    units: list[Unit] = []
    for number in range(count):
        identity = AgentIdentity(f"agent-{number:05d}")
        found = store.activate(identity)
        assert isinstance(found, Activation)
        fence = IdentityFence(identity, found.key, FencingToken(1), Generation(0), CheckpointVersion(0))
        writers.append(Writer(fence))
        units.append(Unit(fence, (CreateIdentity("bench", SessionId(env.new_id())),)))
    store.commit(units)
    return writers


def commit(store: Store, units: Sequence[Unit], batch: int) -> float:
    """Seconds of this thread's processor time; checkpoints, which are off the hot path, not counted."""
    spent = 0.0
    for start in range(0, len(units), batch):
        part = units[start : start + batch]
        begun = time.thread_time()
        store.commit(part)
        spent += time.thread_time() - begun
        if store.wal_pages > CHECKPOINT_PAGES:
            store.checkpoint()
    return spent


def measure(store: Store, agents: int, rounds: int, batch: int) -> Iterator[float]:
    """Microseconds per turn, one figure per round of one turn for every agent."""
    env = SystemEnv()
    store.begin()
    writers = create_writers(store, agents, env)
    for _ in range(rounds):
        pairs = [writer.turn(env) for writer in writers]
        spent = commit(store, [first for first, _ in pairs], batch) + commit(store, [last for _, last in pairs], batch)
        yield spent / agents * 1e6


def drop_index(path: Path, index: str) -> None:
    """Make the store do without one index, behind its back."""
    connection = apsw.Connection(str(path))
    connection.execute(f"DROP INDEX {index}")
    connection.close()


def measure_sqlite(folder: Path, agents: int, turns: int, batch: int, without: str | None) -> str:
    """Measure a new database in ``folder``: a line for people."""
    path = folder / "bench.db"
    open_sqlite(path).close()
    if without:
        drop_index(path, without)
    store = open_sqlite(path)
    figures = [*measure(store, agents, turns, batch)]
    probe = open_probe(path)
    size = used_bytes(probe) / (agents * turns)
    probe.close()
    store.close()
    return f"{median(figures):6.1f} us/turn, best {min(figures):.1f}; {size:,.0f} bytes/turn"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--turns", type=int, default=20, help="of each agent")
    parser.add_argument("--batch", type=int, choices=BATCHES, help="only this batch size")
    parser.add_argument("--folder", type=Path, default=memory_folder() or Path.cwd())
    parser.add_argument("--without", metavar="INDEX", help="drop this index first")
    parser.add_argument("--memory", action="store_true", help="the memory store instead")
    arguments = parser.parse_args()
    raise_collector_threshold()
    for batch in BATCHES if arguments.batch is None else (arguments.batch,):
        if arguments.memory:
            figures = [*measure(MemoryStore(), arguments.agents, arguments.turns, batch)]
            line = f"{median(figures):6.1f} us/turn, best {min(figures):.1f}"
        else:
            with fresh_folder(arguments.folder) as folder:
                line = measure_sqlite(folder, arguments.agents, arguments.turns, batch, arguments.without)
        print(f"batch {batch:5}: {line}", flush=True)


if __name__ == "__main__":
    main()
