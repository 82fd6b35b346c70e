"""Moves of the continuity facade for the model test: effects before they have sessions, tokens and generations."""

from __future__ import annotations

from typing import Final, TypeAlias

from attrs import frozen
from hypothesis import strategies as st

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    ContinuityEffect,
    CreateRecord,
    DropSnapshots,
    Exhume,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.ids import CheckpointVersion, FencingToken, Generation, SessionId
from meerkat_actors.records.standing import Authority, Former
from tests.store.writing import uuid_of

SESSIONS: Final = tuple(SessionId(uuid_of(0xFF00 + number)) for number in (0, 1, 2, 3, 20, 21, 22, 23, 24))
"""Some of them are the runtime's, too."""
DOCUMENTS: Final = (b"one", b"two")


@frozen
class Founded:
    """Make a record."""

    session: int


@frozen
class Lifted:
    """Lift a tombstone from the token that it has, or from one that it has not."""

    off: int


@frozen
class Dropped:
    """Drop a session's documents; -1 is the current one."""

    session: int
    document: bytes


@frozen
class Saved:
    """Save under a session; -1 is the current one."""

    session: int
    leap: int
    document: bytes


@frozen
class Rebound:
    """Go from a session, -1 for the current one, to another."""

    previous: int
    session: int


@frozen
class Reset:
    """Begin the next generation, or one that is not the next."""

    leap: int
    session: int
    is_reversible: bool


@frozen
class RolledBack:
    """Go back to what was before, or to what was not."""

    attempt: int
    off: int


@frozen
class Buried:
    """Delete; -1 is the current session."""

    session: int


ContinuityMove: TypeAlias = Founded | Lifted | Grant | Dropped | Saved | Rebound | Reset | RolledBack | Buried

_SESSION_PLACES: Final = st.integers(0, len(SESSIONS) - 1)
_CURRENT: Final = st.sampled_from((-1,) * 9 + (0, 4))
_OFF: Final = st.sampled_from((0,) * 9 + (1,))
_GRANTS: Final = st.sampled_from((Grant("ann"), Grant("ben")))
_DOCUMENTS: Final = st.sampled_from(DOCUMENTS)
_SAVES: Final = st.builds(Saved, _CURRENT, st.sampled_from((1, 1, 1, 2, 5, 0)), _DOCUMENTS)
_RESETS: Final = st.builds(Reset, st.sampled_from((1, 1, 1, 1, 0, 2)), _SESSION_PLACES, st.just(True))
_BURIALS: Final = st.builds(Buried, _CURRENT)

MOVES: Final[st.SearchStrategy[tuple[ContinuityMove, ...]]] = st.one_of(
    st.tuples(st.builds(Founded, _SESSION_PLACES), _GRANTS),
    st.tuples(_GRANTS),
    st.tuples(_SAVES),
    st.tuples(_SAVES),
    st.tuples(_SAVES, _GRANTS),
    st.tuples(st.builds(Dropped, _CURRENT, _DOCUMENTS)),
    st.tuples(st.builds(Rebound, _CURRENT, _SESSION_PLACES)),
    st.tuples(_RESETS),
    st.tuples(_RESETS),
    st.tuples(st.builds(RolledBack, _CURRENT, _OFF)),
    st.tuples(st.builds(RolledBack, _CURRENT, _OFF)),
    st.tuples(st.builds(RolledBack, _CURRENT, _OFF)),
    st.tuples(_BURIALS),
    st.tuples(
        st.builds(Lifted, _OFF),
        _GRANTS,
        st.builds(Reset, st.sampled_from((1, 1, 1, 2)), _SESSION_PLACES, st.sampled_from((False, False, True))),
    ),
    st.tuples(st.builds(Lifted, _OFF), _GRANTS, _BURIALS),
    # What is no unit.
    st.tuples(_SAVES, _RESETS),
)


NAMES: Final = ("erin", "erin", "fay", "gus", "gus", "hal", "hal", "alice")
"""Alice is the runtime's."""
BEGINNING: Final[tuple[tuple[str, tuple[ContinuityMove, ...]], ...]] = (
    ("erin", (Founded(4), Grant("ann"))),
    ("gus", (Founded(5), Grant("ann"))),
    ("gus", (Buried(-1),)),
    ("hal", (Founded(6), Grant("ann"))),
    ("hal", (Saved(-1, 2, DOCUMENTS[0]),)),
    ("hal", (Reset(1, 7, is_reversible=True),)),
)
"""Erin is alive, Gus is dead, and Hal could go back."""


def effect_of(move: ContinuityMove, now: Authority | None, version: int) -> ContinuityEffect:
    """The effect that a move is, where the identity stands."""
    current = SESSIONS[0] if now is None else now.session_id

    def session_of(place: int) -> SessionId:
        return current if place < 0 else SESSIONS[place]

    match move:
        case Founded():
            return CreateRecord(SESSIONS[move.session])
        case Lifted():
            return Exhume(FencingToken((1 if now is None else now.token) - move.off))
        case Dropped():
            return DropSnapshots(session_of(move.session), content_digest(move.document))
        case Saved():
            digest = content_digest(move.document)
            return SaveSnapshot(session_of(move.session), CheckpointVersion(version + move.leap), move.document, digest)
        case Rebound():
            return RebindSession(session_of(move.previous), SESSIONS[move.session])
        case Reset():
            floor = 0 if now is None else now.floor
            return ResetRecord(Generation(floor + move.leap), SESSIONS[move.session], move.is_reversible)
        case RolledBack():
            nothing = Former(generation=Generation(0), session_id=SESSIONS[0], version=CheckpointVersion(0))
            former = nothing if now is None or now.former is None else now.former
            return RollBackRecord(
                session_of(move.attempt),
                former.generation,
                former.session_id,
                CheckpointVersion(former.version + move.off),
            )
        case Buried():
            return BuryRecord(session_of(move.session))
        case Grant():
            return move
