"""What the checks of one identity share: its authority row, and how they say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from attrs import define

from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.store.runtime_claims import KIND as RUNTIME_KIND
from meerkat_actors.store.sqlite.examining_findings import Check, Findings

LEDGER_KINDS: Final = frozenset({OPAQUE_KIND, RUNTIME_KIND})
"""The kinds that a facade serves. Everything else is an agent's."""


class Head(NamedTuple):
    """An authority row as it is, column by column."""

    key: int
    kind: str
    token: int
    generation: int
    version: int
    owner: int
    session: bytes
    digest: bytes
    message_count: int
    last_turn: int
    last_state: int
    admissions: int
    sends: int
    mail_floor: int
    tombstone: int
    desired: str


@define(eq=False)
class Subject:
    """One identity under examination."""

    key: int
    name: str | None
    head: Head | None
    found: Findings
    is_pruned: bool
    """Whether inputs of the store were pruned, so that gaps in mail mean nothing."""

    @property
    def is_agent(self) -> bool:
        """Whether the runtime serves it."""
        return self.head is not None and self.head.kind not in LEDGER_KINDS

    @property
    def is_opaque(self) -> bool:
        """Whether the continuity facade serves it."""
        return self.head is not None and self.head.kind == OPAQUE_KIND

    @property
    def is_ledger(self) -> bool:
        """Whether the runtime-store facade serves it."""
        return self.head is not None and self.head.kind == RUNTIME_KIND

    @property
    def shown(self) -> str:
        """Its name, or its key where it has none."""
        return f"(key {self.key})" if self.name is None else self.name

    def say(self, check: Check, detail: str) -> None:
        """Something is wrong with it."""
        self.found.add(check, detail, self.shown)

    def demand(self, check: Check, is_so: Callable[[], bool] | bool, detail: str) -> None:
        """Something is wrong with it unless ``is_so``."""
        if not (is_so if isinstance(is_so, bool) else is_so()):
            self.say(check, detail)


class Input(NamedTuple):
    """An input row as it is, in the order of the query's columns."""

    identity: int
    turn: int | None
    admission: int | None
    seq: int
    input_id: bytes
    kind: str
    lane: int
    state: int
    attempts: int
    interruptions: int
    not_before: int
    position: int
    run: bytes | None
    sender: int | None
    number: int | None
    idempotency: str | None
    ending: bytes | None
    digest: bytes
    content: bytes
    policy: int
    letter: int
    header: bytes | None
    owed: int
    sender_name: Any
    """None also where the sender's key has no name."""

    @property
    def is_pruned(self) -> bool:
        """Whether its content was forgotten: no JSON is empty."""
        return not self.content
