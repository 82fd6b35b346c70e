"""Everything that a port can be asked after a round, in a form that two stores can be compared by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from attrs import Factory, define, evolve

from meerkat_actors.records.activation import Broken
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.continuity_effects import CreateRecord, RebindSession, ResetRecord
from meerkat_actors.records.effects import (
    BeginGeneration,
    CreateIdentity,
    InsertInput,
    PostInput,
    Recreate,
    SendMail,
    Unit,
)
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, IdentityKey, InputId, RunId, SessionId
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, PutDocument, RecordReceipt
from meerkat_actors.records.standing import Standing
from meerkat_actors.records.timers import TimerCursor
from meerkat_actors.store import Store
from tests.store.looking import documents, picture
from tests.store.unit_campaign_sight import NAMES, STRANGERS

EVERYTHING: Final = 1_000_000
"""Rows: no round makes as many."""
_MOMENTS_MS: Final = (0, 30, 45, COUNTER_MAX)
PAGE: Final = 7
"""Rows of one page: everything is also read in pages of few."""


@define(eq=False)
class Asked:
    """What the units of a round named, and so what is asked for by name."""

    names: dict[AgentIdentity, None] = Factory(lambda: dict.fromkeys((*NAMES, *STRANGERS)))
    units: int = 0
    inputs: dict[InputId, int] = Factory(dict[InputId, int])
    """Each with the number of the unit that inserted it."""
    sessions: dict[SessionId, None] = Factory(dict[SessionId, None])
    runs: dict[RunId, None] = Factory(dict[RunId, None])
    documents: dict[tuple[str, str], None] = Factory(dict[tuple[str, str], None])

    def note(self, unit: Unit) -> None:
        """Take the names out of a unit that was committed."""
        self.units += 1
        if any(isinstance(effect, CreateIdentity | CreateRecord) for effect in unit.effects):
            self.names[unit.fence.identity] = None
        for effect in unit.effects:
            match effect:
                case InsertInput():
                    self.inputs[effect.input_id] = self.units
                case SendMail():
                    self.inputs[effect.input_id] = self.units
                    self.names[effect.recipient] = None
                case CreateIdentity() | BeginGeneration() | Recreate() | BindSession():
                    self.sessions[effect.session_id] = None
                case CreateRecord() | RebindSession() | ResetRecord():
                    self.sessions[effect.session_id] = None
                case PutDocument() | DropDocument():
                    self.documents[effect.kind, effect.key] = None
                case RecordReceipt():
                    self.runs[effect.run_id] = None
                case _:
                    pass

    def note_posted(self, posted: PostInput) -> None:
        """Take in what a courier may have inserted."""
        self.units += 1
        self.inputs.setdefault(posted.input_id, self.units)


_PICTURE: Final = "activations, mail, inputs, turns, work, identities, events, standings and letters"

Album = dict[str, Any]
"""By the name of what was asked."""


def everything(store: Store, asked: Asked) -> Album:
    """All answers. Keys and sequences, which are a store's own, are blanked."""
    names = tuple(asked.names)
    return {
        _PICTURE: picture(store, *names),
        "events in the order of their units": list(_order(store, asked)),
        "identities in pages": list(_identities(store)),
        "inputs in pages": {name: list(_inputs(store, name)) for name in names},
        "letters in pages": {name: list(_letters(store, name)) for name in (None, *names)},
        "timers in pages": {name: list(_timers(store, name)) for name in names},
        "due timers": [list(_due(store, now_ms)) for now_ms in _MOMENTS_MS],
        "mail that can't be taken": {name: list(_undeliverable(store, name)) for name in names},
        "recipients in pages": sorted(_recipients(store)),
        "events go back to": store.event_bounds().floor,
        "turns in pages": {name: list(_turns(store, name)) for name in names},
        "inputs by id": [_found(store, name, input_id) for input_id in asked.inputs for name in NAMES],
        "snapshots": [documents(store, session) for session in asked.sessions],
        "standings without documents": [
            [_blank(standing) for standing in store.read_standings(names, snapshots=look)]
            for look in ("unread", "checked")
        ],
        "documents": [store.find_document(name, *document) for name in names for document in asked.documents],
        "receipts": [list(_receipts(store, name, run)) for name in NAMES for run in asked.runs],
    }


def differences(model: Album, other: Album) -> Iterator[str]:
    """What two albums do not agree about, the shortest way to say it."""
    for what, seen in model.items():
        if seen != other[what]:
            yield f"{what}: {_first_difference(seen, other[what])}"


def sizes(album: Album) -> Counter[str]:
    """How many rows of each kind were compared."""
    return Counter(
        {
            "identities": len(album["identities in pages"]),
            "inputs": sum(map(len, album["inputs in pages"].values())),
            "turns": sum(map(len, album["turns in pages"].values())),
            "events": len(album[_PICTURE][3]),
            "timers": sum(map(len, album["timers in pages"].values())),
            "undeliverable": sum(map(len, album["mail that can't be taken"].values())),
            "letters": len(album["letters in pages"][None]),
            "snapshots": sum(map(len, album["snapshots"])),
            "documents": sum(found is not None for found in album["documents"]),
            "receipts": sum(found is not None for run in album["receipts"] for found in run[:-1]),
        }
    )


def _order(store: Store, asked: Asked) -> Iterator[int]:
    for event in store.page_events(after=0, limit=EVERYTHING):
        if event.input_id is not None:
            yield asked.inputs[event.input_id]


def _identities(store: Store) -> Iterator[object]:
    after: AgentIdentity | None = None
    while page := store.page_identities(after=after, limit=PAGE):
        yield from page
        after = page[-1].identity


def _inputs(store: Store, name: AgentIdentity) -> Iterator[object]:
    for newest_first in (False, True):
        after: int | None = None
        while page := store.page_inputs(name, after=after, limit=PAGE, newest_first=newest_first):
            yield from ((row.admission, row.input_id, row.state) for row in page)
            after = page[-1].admission


def _letters(store: Store, name: AgentIdentity | None) -> Iterator[object]:
    after = 0
    while page := store.page_letters(name, after=after, limit=PAGE):
        assert page[0].row.sequence > after, "a reader who goes on comes to no end"
        yield from ((found.identity, found.row.admission, found.row.input_id) for found in page)
        after = page[-1].row.sequence


def _timers(store: Store, name: AgentIdentity) -> Iterator[object]:
    after: str | None = None
    while page := store.page_timers(name, after=after, limit=2):
        yield from page
        after = page[-1].name


def _due(store: Store, now_ms: int) -> Iterator[object]:
    cursor: TimerCursor | None = None
    while True:
        look = store.due_timers(now_ms=now_ms, after=cursor, limit=PAGE)
        yield from look.identities
        cursor = look.cursor
        if cursor is None:
            yield look.next_due_ms
            break
    for standing in store.read_standings(NAMES, snapshots="unread"):
        if isinstance(standing, Standing):
            yield from store.due_timers_of(standing.key, now_ms=now_ms, limit=PAGE)


def _undeliverable(store: Store, name: AgentIdentity) -> Iterator[object]:
    found = store.undeliverable_mail(name, absent_before_ms=COUNTER_MAX, limit=EVERYTHING)
    assert store.undeliverable_mail(name, absent_before_ms=COUNTER_MAX, limit=PAGE) == found[:PAGE]
    yield from ((each.mail.input_id, each.abandoned) for each in found)


def _recipients(store: Store) -> Iterator[AgentIdentity]:
    after = 0
    while page := store.recipients_with_mail(after=after, limit=PAGE):
        yield from (each.identity for each in page)
        after = page[-1].key


def _turns(store: Store, name: AgentIdentity) -> Iterator[object]:
    before: int | None = None
    while page := store.page_turns(name, before=before, limit=PAGE):
        yield from map(_turn, page)
        before = page[-1].previous


def _found(store: Store, name: AgentIdentity, input_id: InputId) -> object:
    row = store.find_input(name, input_id)
    return None if row is None else evolve(row, sequence=0, turn=None if row.turn is None else _turn(row.turn))


def _receipts(store: Store, name: AgentIdentity, run: RunId) -> Iterator[object]:
    sequence = 0
    while True:
        sequence += 1
        row = store.find_receipt(name, run, sequence=sequence)
        if row is None:
            break
        yield _turn(row)
    last = store.find_receipt(name, run, sequence=None)
    yield None if last is None else _turn(last)


def _turn(row: TurnRow) -> TurnRow:
    return evolve(row, sequence=0, previous=0)


def _blank(found: Standing | Broken) -> Standing | Broken:
    if isinstance(found, Broken):
        return found
    row = found.snapshot
    return evolve(found, key=IdentityKey(1), snapshot=None if row is None else evolve(row, identity=IdentityKey(1)))


def _first_difference(model: object, other: object) -> str:
    if isinstance(model, dict) and isinstance(other, dict):
        of, against = cast("dict[object, object]", model), cast("dict[object, object]", other)
        pairs = [(seen, against.get(key)) for key, seen in of.items()]
    elif isinstance(model, list | tuple) and isinstance(other, list | tuple):
        ours, theirs = cast("Sequence[object]", model), cast("Sequence[object]", other)
        if len(ours) != len(theirs):
            return f"the model has {len(ours)} where the store has {len(theirs)}: {ours!r}, {theirs!r}"
        pairs = list(zip(ours, theirs, strict=True))
    else:
        return f"the model has {model!r}, the store {other!r}"
    return next((_first_difference(one, two) for one, two in pairs if one != two), "the same, but not equal")
