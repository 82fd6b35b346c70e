"""The memory store is the model: whatever is committed, every store answers and shows the same.

The SQLite store is driven three times: as it comes; with one more unit in each batch that is always
refused, so that no batch goes through as one group; and with such units between all the others, so
that each is committed by itself. So all of its paths are compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from attrs import define, evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import CommitOutcome, Refused
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    SendMail,
    SetConfig,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, Mail
from meerkat_actors.records.standing import Standing
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.store import continuity_moves as facade
from tests.store.conftest import MEMORY_FOLDER
from tests.store.looking import documents, picture
from tests.store.writing import GIVEN_UP, uuid_of

# Few of everything, so that collisions are the rule.
NAMES: Final = ("alice", "alice", "bob", "bob", "carol", "dave", "erin", "fay", "gus", "hal")
"""Dave and Fay are not there from the beginning, and strangers never are. From Erin on they are the facade's."""
CONTENTS: Final = (b'"one"', b'"two"')
RUNS: Final = tuple(RunId(uuid_of(number)) for number in (0xA1, 0xA2))
INPUT_IDS: Final = tuple(InputId(uuid_of(number)) for number in range(1, 9))
KEYS: Final = (None, None, "job", "other")
NOBODYS: Final = Unit(
    IdentityFence(AgentIdentity("x"), IdentityKey(2**40), FencingToken(1), Generation(0), CheckpointVersion(0)), ()
)
"""Always refused."""
BOGUS_MAIL: Final = Mail(
    1_000_000, IdentityKey(1), AgentIdentity("nobody"), INPUT_IDS[0], InputKind.PEER_MESSAGE, CONTENTS[0]
)


@frozen
class Take:
    """Take the mail at this place of what waits, or what is no mail."""

    place: int
    admission: int
    run: RunId | None


@frozen
class Append:
    """Append the next boundary, or one that is not the next."""

    run: RunId
    leap: int
    sets_state: bool


@frozen
class Born:
    """Create the identity."""

    session: int


@frozen
class Claimed:
    """Claim from the token that the head has, or from one that it has not."""

    off: int


RuntimeMove: TypeAlias = (
    Take
    | Append
    | Born
    | Claimed
    | SetConfig
    | InsertInput
    | Stage
    | ChargeRun
    | EndInput
    | RecordStep
    | DropJournal
    | SendMail
)
Move: TypeAlias = RuntimeMove | facade.ContinuityMove


@frozen
class Plan:
    """A unit before it has keys: which are each store's own."""

    name: str
    token_off: int
    generation_off: int
    version_off: int
    moves: tuple[Move, ...]


@frozen
class Restarted:
    """The process ends, in good order or not, and another begins."""

    clean: bool


ADMISSIONS: Final = st.integers(1, 8).map(AdmissionSequence)
RUN_IDS: Final = st.sampled_from((RUNS[0], RUNS[0], RUNS[0], RUNS[1]))
# Two runs at once break an identity, in every store alike; seldom, because a broken one does nothing more.
STAGED_RUNS: Final = st.sampled_from((*[RUNS[0]] * 19, RUNS[1]))
MAYBE_RUNS: Final = st.one_of(st.none(), STAGED_RUNS)
MOSTLY_RIGHT: Final = st.sampled_from((0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1))


def insert_of(
    admission: AdmissionSequence, input_id: InputId, key: str | None, content: bytes, run: RunId | None
) -> InsertInput:
    return InsertInput(admission, input_id, InputKind.PROMPT, content, content_digest(content), key, run)


def send_of(recipient: str, input_id: InputId, content: bytes, number: int) -> SendMail:
    name = AgentIdentity(recipient)
    return SendMail(name, input_id, InputKind.PEER_MESSAGE, content, content_digest(content), number)


def claiming(claims: bool, moves: tuple[Move, ...]) -> tuple[Move, ...]:
    """A higher token, presented for what follows."""
    return (Claimed(0), *moves) if claims else moves


def consumed_by_a_boundary(moves: Sequence[Move]) -> tuple[Move, ...]:
    """Mostly what an owner would send: who consumes also appends, and appends once."""
    appends = [move for move in moves if isinstance(move, Append)]
    others = [move for move in moves if not isinstance(move, Append)]
    consumes = any(isinstance(move, EndInput) and move.abandoned is None for move in others)
    if consumes and not appends and len(others) < 4:
        appends = [Append(RUNS[0], 1, sets_state=True)]
    return (*others, *appends[:1])


MOVES: Final[st.SearchStrategy[Move]] = st.one_of(
    st.builds(
        insert_of,
        ADMISSIONS,
        st.sampled_from(INPUT_IDS),
        st.sampled_from(KEYS),
        st.sampled_from(CONTENTS),
        MAYBE_RUNS,
    ),
    st.builds(insert_of, ADMISSIONS, st.sampled_from(INPUT_IDS), st.none(), st.just(CONTENTS[0]), STAGED_RUNS),
    st.builds(Take, st.sampled_from((0, 0, 0, 1, 2, 99)), ADMISSIONS, MAYBE_RUNS),
    st.builds(Stage, ADMISSIONS, STAGED_RUNS),
    st.builds(ChargeRun, ADMISSIONS, RUN_IDS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)),
    st.builds(EndInput, ADMISSIONS, RUN_IDS, st.sampled_from((None, GIVEN_UP))),
    st.builds(
        RecordStep,
        ADMISSIONS,
        RUN_IDS,
        st.sampled_from(("fetch", "ask")),
        st.integers(1, 2),
        st.just(b"a"),
        st.just(b"1"),
    ),
    st.builds(DropJournal, RUN_IDS),
    st.builds(
        send_of,
        st.sampled_from((*NAMES, "stranger")),
        st.sampled_from(INPUT_IDS),
        st.sampled_from(CONTENTS),
        st.integers(0, 5),
    ),
    st.builds(Append, RUN_IDS, st.sampled_from((1, 1, 1, 1, 1, 2)), st.booleans()),
    st.builds(Claimed, st.sampled_from((0, 0, 0, 1))),
    st.builds(SetConfig, st.integers(1, 3), st.sampled_from(CONTENTS)),
)
CREATIONS: Final = st.builds(
    Plan,
    st.sampled_from(NAMES),
    st.just(0),
    st.just(0),
    st.just(0),
    st.builds(Born, st.integers(0, 4)).map(lambda born: (born,)),
)
PLANS: Final = st.builds(
    Plan,
    st.sampled_from(NAMES),
    MOSTLY_RIGHT,
    st.sampled_from((0, 0, 0, 0, 0, 0, 0, 0, 1)),
    MOSTLY_RIGHT,
    st.lists(MOVES, max_size=4).map(consumed_by_a_boundary),
)
FACADE_PLANS: Final = st.builds(
    Plan,
    st.sampled_from(facade.NAMES),
    MOSTLY_RIGHT,
    st.sampled_from((0, 0, 0, 0, 0, 0, 0, 0, 1)),
    MOSTLY_RIGHT,
    st.builds(claiming, st.booleans(), facade.MOVES),
)
UNITS: Final = st.integers(0, 15).flatmap(lambda choice: FACADE_PLANS if choice > 9 else PLANS if choice else CREATIONS)
BATCHES: Final = st.lists(UNITS, min_size=1, max_size=5).map(tuple)
HISTORIES: Final = st.lists(
    st.one_of(BATCHES, BATCHES, BATCHES, BATCHES, st.builds(Restarted, st.booleans())), min_size=1, max_size=12
)
BEGINNING: Final = (
    tuple(Plan(name, 0, 0, 0, (Born(number + 10),)) for number, name in enumerate(("alice", "bob", "carol"))),
    *((Plan(name, 0, 0, 0, moves),) for name, moves in facade.BEGINNING),
)


@define(eq=False)
class Side:
    """One store under test."""

    store: Store
    path: Path | None = None
    poison: int = 0
    """How many units to put before the next one that is always refused; 0 for no such unit."""

    def commit(self, plans: Sequence[Plan]) -> list[CommitOutcome]:
        units: list[Unit] = []
        asked: list[int] = []
        for number, plan in enumerate(plans, 1):
            asked.append(len(units))
            units.append(self.unit(plan))
            if self.poison and (number % self.poison == 0 or number == len(plans)):
                units.append(NOBODYS)
        outcomes = self.store.commit(units)
        return [outcomes[place] for place in asked]

    def unit(self, plan: Plan) -> Unit:
        name = AgentIdentity(plan.name)
        (standing,) = self.store.read_standings((name,), snapshots="unread")
        assert isinstance(standing, Standing)
        now = standing.authority
        token, generation, version = (1, 0, 0) if now is None else (now.token, now.generation, now.version)
        claimed = any(isinstance(move, Claimed | facade.Lifted) for move in plan.moves)
        fence = IdentityFence(
            name,
            standing.key,
            FencingToken(token + plan.token_off + claimed),
            Generation(generation + plan.generation_off),
            CheckpointVersion(version + plan.version_off),
        )
        mail = self.store.pending_mail(standing.key, limit=9)
        return Unit(
            fence,
            tuple(
                facade.effect_of(move, now, fence.version)
                if isinstance(move, facade.ContinuityMove)
                else effect_of(move, fence, token, mail)
                for move in plan.moves
            ),
        )

    def restart(self, clean: bool) -> None:
        if clean:
            self.store.end(clean=True)
        self.store.close()
        if self.path is not None:
            self.store = open_sqlite(self.path, synchronous="normal")
        self.store.begin()


def effect_of(move: RuntimeMove, fence: IdentityFence, token: int, mail: Sequence[Mail]) -> Effect:
    match move:
        case Take():
            found = mail[move.place] if move.place < len(mail) else BOGUS_MAIL
            return TakeMail(found.sequence, found.sender_key, AdmissionSequence(move.admission), move.run)
        case Append():
            version = CheckpointVersion(fence.version + move.leap)
            body = b'{"state":%d}' % version if move.sets_state else b"{}"
            return AppendTurn(move.run, version, content_digest(body), 2 * version, version, body, move.sets_state)
        case Born():
            return CreateIdentity("worker", SessionId(uuid_of(0xFF00 + move.session)))
        case Claimed():
            return Claim(FencingToken(token - move.off))
        case _:
            return move


def comparable(outcome: CommitOutcome) -> CommitOutcome:
    # What is current is said for people, with keys and sequences of the store's own.
    return evolve(outcome, current="") if isinstance(outcome, Refused) else outcome


@settings(max_examples=60)
@given(HISTORIES)
def test_every_store_does_what_the_memory_store_does(history: Sequence[Sequence[Plan] | Restarted]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        sides = [Side(MemoryStore())]
        for poison in (0, 1, 99):
            path = Path(folder, f"{poison}.db")
            sides.append(Side(open_sqlite(path, synchronous="normal"), path, poison))
        try:
            follow(history, sides)
        finally:
            for side in sides:
                side.store.close()


def follow(history: Sequence[Sequence[Plan] | Restarted], sides: Sequence[Side]) -> None:
    for side in sides:
        side.store.begin()
    for moment in (*BEGINNING, *history):
        if isinstance(moment, Restarted):
            for side in sides:
                side.restart(moment.clean)
        else:
            model, *others = ([comparable(outcome) for outcome in side.commit(moment)] for side in sides)
            assert others == [model] * len(others)
        model_picture, *pictures = (picture(side.store, *NAMES, "stranger") for side in sides)
        assert pictures == [model_picture] * len(pictures)
        told = [[documents(side.store, session) for session in facade.SESSIONS] for side in sides]
        assert told == told[:1] * len(told)
