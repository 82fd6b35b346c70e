"""A turn's end in the making, and the header of the answers that it, or its failure, gives."""

from __future__ import annotations

from attrs import evolve

from meerkat_actors.records.agenda_codec import encode_facts
from meerkat_actors.records.codec import encode_turn
from meerkat_actors.records.effects import AppendTurn
from meerkat_actors.records.facts import Fact
from meerkat_actors.records.headers import DEFAULT_HEADERS, Header, ResponseStatus
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import InputId, RunId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Receipt


@hot
class Boundary:
    """A turn's end, until the rest of its unit is known."""

    run_id: RunId
    receipt: Receipt
    digest: bytes
    entries: tuple[bytes, ...]
    text: str | None
    state: bytes | None
    """The state that it set."""
    is_told: bool

    def effect(self, sends: int, facts: tuple[Fact, ...]) -> AppendTurn:
        """The boundary of a unit that sent so much, and did that besides."""
        receipt = self.receipt
        body = encode_turn(
            entries=self.entries,
            receipt=receipt,
            text=self.text,
            state=self.state,
            is_told=self.is_told,
            facts=encode_facts(facts) if facts else None,
        )
        return AppendTurn(
            self.run_id,
            receipt.checkpoint_version,
            self.digest,
            receipt.message_count,
            sends,
            body,
            self.state is not None,
        )


def response_header(request_id: InputId, correlation_id: str | None, status: ResponseStatus) -> Header:
    """What the one answer to a request says of itself."""
    default = DEFAULT_HEADERS[InputKind.PEER_RESPONSE_TERMINAL]
    return evolve(default, request_id=request_id, correlation_id=correlation_id, status=status)
