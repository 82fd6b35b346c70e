"""What is done about dead letters: they are driven again, or dropped."""

from __future__ import annotations

from functools import partial

from attrs import evolve

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.errors import UnknownInputError, UsageError
from meerkat_actors.handles.reach import Reach
from meerkat_actors.listings import LetterListing
from meerkat_actors.records.codec import content_digest, decode_header
from meerkat_actors.records.commands import DropLetter, Redrive, Send
from meerkat_actors.records.ids import AgentIdentity, InputId, parse_identity, parse_input_id
from meerkat_actors.records.inputs import InputRow, Letter
from meerkat_actors.records.letters import DeadLetter
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.store.legible import legible


class DeadLetters:
    """The dead letters of one runtime."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def all(self, identity: str | None) -> LetterListing:
        """See ``Runtime.dead_letters``."""
        return LetterListing(None if identity is None else parse_identity(identity), self._reach.storage)

    async def redrive(self, letter: DeadLetter | InputId) -> Admission:
        """See ``Runtime.redrive``."""
        identity, row = await self._find(letter)
        if row.is_pruned:
            raise UsageError(problem=f"{identity}: the content of {row.input_id} was pruned; drop it, and send anew")
        assert row.admission is not None
        said = legible(self._reach.storage.location, partial(decode_header, row.header, row.kind))
        # It displaces nothing: what was sent after it is newer.
        header = evolve(said, redrives=row.input_id, supersession_key=None)
        send = Send(
            InputId(self._reach.env.new_id()),
            row.kind,
            row.content,
            content_digest(row.content),
            f"redrive:{row.input_id}",
            header,
        )
        slot: ReplySlot[Admission] = ReplySlot()
        return await self._reach.ask(identity, Redrive(row.admission, send), slot)

    async def drop(self, letter: DeadLetter | InputId) -> None:
        """See ``Runtime.drop``."""
        identity, row = await self._find(letter)
        if row.letter is Letter.DEAD:
            assert row.admission is not None
            slot: ReplySlot[None] = ReplySlot()
            await self._reach.ask(identity, DropLetter(row.admission), slot)

    async def _find(self, letter: DeadLetter | InputId) -> tuple[AgentIdentity, InputRow]:
        if isinstance(letter, DeadLetter):
            identity, input_id = letter.identity, letter.input_id
        else:
            identity, input_id = await self._place(parse_input_id(letter))
        row = await self._reach.storage.query(lambda store: store.find_input(identity, input_id))
        if row is None:
            raise UnknownInputError(identity=identity, input_id=input_id)
        if row.letter is Letter.NONE:
            raise UsageError(problem=f"{identity}: input {input_id} is {row.state}, and no dead letter")
        return identity, row

    async def _place(self, input_id: InputId) -> tuple[AgentIdentity, InputId]:
        async for dead in self.all(None):
            if dead.input_id == input_id:
                return dead.identity, input_id
        raise UsageError(problem=f"{input_id}: no dead letter; one that was driven again or dropped is none any more")
