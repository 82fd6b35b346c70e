"""The units of durable turns, as an owner makes them: an admission with its staging, and a boundary."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import apsw
from attrs import define

from _common import REPLY, TEXT
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
from meerkat_actors.store import Store, open_sqlite


@define(eq=False)
class Writer:
    """One identity as its owner would hold it."""

    fence: IdentityFence
    digest: bytes = DIGEST_ZERO
    admissions: int = 0

    def turn(self, env: SystemEnv, text: str = TEXT, reply: str = REPLY) -> tuple[Unit, Unit]:
        """The two units of one turn."""
        fence = self.fence
        self.admissions += 1
        admission = AdmissionSequence(self.admissions)
        input_id, run_id = InputId(env.new_id()), RunId(env.new_id())
        content, answer = encode_text(text), encode_text(reply)
        insert = InsertInput(admission, input_id, InputKind.PROMPT, content, sha256(content).digest(), None, run_id)
        entries = (
            encode_entry(role="user", content=content, input_id=input_id, sender=None),
            encode_entry(role="assistant", content=answer, input_id=None, sender=None),
        )
        self.digest = extend_chain(self.digest, entries)
        version = CheckpointVersion(fence.version + 1)
        receipt = Receipt(
            fence.identity, fence.generation, version, run_id, 1, (input_id,), self.digest.hex(), 2 * version
        )
        body = encode_turn(entries=entries, receipt=receipt, text=reply, state=None)
        append = AppendTurn(run_id, version, self.digest, 2 * version, 0, body, sets_state=False)
        self.fence = IdentityFence(fence.identity, fence.key, fence.token, fence.generation, version)
        return Unit(fence, (insert,)), Unit(fence, (EndInput(admission, run_id, None), append))


def encode_text(text: str) -> bytes:
    """A message as the store keeps it."""
    return encode_json(text, what="text", bytes_max=10_000, depth_max=10)


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


def create_database(path: Path, agents: int, env: SystemEnv) -> list[Writer]:
    """A new store with so many identities, closed again."""
    with serving(open_sqlite(path)) as store:
        return create_writers(store, agents, env)


def drop_index(path: Path, index: str | None) -> None:
    """Make an open store do without one index, behind its back: it would not be opened without. None: drop nothing."""
    if index is not None:
        connection = apsw.Connection(str(path))
        connection.execute(f"DROP INDEX {index}")
        connection.close()


@contextmanager
def serving(store: Store) -> Generator[Store, None, None]:
    """A store that takes commits; closed when the block ends."""
    store.begin()
    try:
        yield store
    finally:
        store.end(clean=True)
        store.close()
