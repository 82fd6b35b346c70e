"""Small concurrent programs by a seed: callers that ask two agents for anything, and are cancelled anywhere.

Each caller writes down what it asked, when, and what it was told. ``judging`` compares that with the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Final

import trio
from attrs import define, evolve, field, frozen

from meerkat_actors.errors import MeerkatError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.handles.options import SendOptions
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.events import Event
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import Store
from tests.actors.faulty import FaultyStore
from tests.fates.cancelling import Canceller, Refused, Returned, Told, Unknown
from tests.fates.facts import Facts, read_facts
from tests.fates.world import KIND, NAMES, Place, calm, play, serving

PATIENCE_SECONDS: Final = 40.0
"""After which a caller gives up: some wait for what never ends."""
CALLERS_MAX: Final = 5
ASKS_MAX: Final = 6
MOMENT_MAX: Final = 24
"""At which moment of a call it is cancelled, at most."""
END_MAX: Final = 400
"""At which moment of a program its whole runtime is cancelled, at most."""
COMMITS_MAX: Final = 30
"""At which commit of a program its process is killed, at most."""
_KILLED: Final = 0.4
"""The share of programs that are killed, if they get that far."""
NEVER: Final = 10**9
"""When a call ends that never does."""


@frozen(kw_only=True)
class Record:
    """What a caller knows of one call."""

    what: str
    agent: str
    key: str
    """The input that it is about, or the dead letter; empty for none."""
    begun: int
    """In steps since the program began."""
    ended: int
    """When its caller knew as much as it ever did."""
    told: Told


@frozen(kw_only=True)
class History:
    """All that became of one program."""

    records: tuple[Record, ...]
    contents: Mapping[str, str]
    """What was asked to be sent under each key."""
    events: tuple[Event, ...]
    """What observers were told."""
    was_cut: bool
    """Whether the runtime's own block was cancelled under its callers."""
    was_killed: bool
    """Whether all this is what a kill left, and what callers had been told by then."""
    calm: Facts
    """What was true once all callers had ended."""
    ended: Facts
    """What was true at the end, after all agents had been open again, and idle."""
    last: tuple[Record, ...]
    """What was asked last, of every input that anybody was told the admission of."""
    cancellations: int
    """How many calls were cancelled at a moment of the seed's choice."""


@define(eq=False)
class Program:
    """A program while it runs."""

    seed: str
    canceller: Canceller = field(factory=Canceller)
    calls: dict[int, Record] = field(factory=dict[int, Record])
    """In the order in which they began; one that is under way is unknown."""
    contents: dict[str, str] = field(factory=dict[str, str])
    events: list[Event] = field(factory=list[Event])
    ids: dict[tuple[str, str], InputId] = field(factory=dict[tuple[str, str], InputId])
    """Of the inputs whose admission somebody was told, by agent and key."""
    cancellations: int = 0
    was_cut: bool = False

    def so_far(self) -> Program:
        """What would be known of it if its process ended now."""
        return Program(
            self.seed,
            calls=dict(self.calls),
            contents=dict(self.contents),
            events=list(self.events),
            ids=dict(self.ids),
            cancellations=self.cancellations,
        )

    async def ask(self, what: str, agent: str, key: str, call: Callable[[], Awaitable[object]], nth: int = 0) -> Told:
        """Make a call, cancelled at its ``nth`` moment or when patience ends, and write down what comes of it."""
        begun, since = self.canceller.steps, trio.current_time()
        told: Told = Unknown()
        number = len(self.calls)
        self.calls[number] = Record(what=what, agent=agent, key=key, begun=begun, ended=NEVER, told=told)
        with trio.move_on_after(PATIENCE_SECONDS) as scope:
            try:
                self.canceller.aim(scope, nth)
                told = Returned(await call())
            except MeerkatError as error:
                told = Refused(error)
            finally:
                self.canceller.drop(scope)
                self.cancellations += isinstance(told, Unknown) and trio.current_time() < since + PATIENCE_SECONDS
                self.calls[number] = evolve(self.calls[number], ended=self.canceller.steps, told=told)
        return told


def run_program(seed: str, place: Place) -> tuple[History, Place]:
    """Run one program, and once more look at what it left, as a restart finds it; and where that is."""
    program = Program(seed)
    random = Random(seed)
    kill = random.randint(1, COMMITS_MAX) if random.random() < _KILLED else 0
    store = FaultyStore(place.open())
    left: list[tuple[Place, Program]] = []

    def look(_: Sequence[Unit]) -> None:
        if len(store.batches) == kill:
            # Before this commit, and so after the one before it, and after whatever followed from that.
            left.append((place.copy(), program.so_far()))

    store.before_commit = look
    play(partial(_first_life, program, random, store), seed=seed, instruments=[program.canceller])
    if left:
        # What came after the kill never was.
        place, program = left[0]
    again = Program(seed, ids=program.ids)
    found, ended = play(partial(_last_life, again, place.open()), seed=f"{seed} again")
    history = History(
        records=tuple(program.calls.values()),
        contents=program.contents,
        events=(*program.events, *again.events),
        was_cut=program.was_cut,
        was_killed=len(left) > 0,
        calm=found,
        ended=ended,
        last=tuple(again.calls.values()),
        cancellations=program.cancellations,
    )
    return history, place


async def _first_life(program: Program, random: Random, store: Store) -> None:
    with trio.CancelScope() as life:
        async with serving(store, seed=program.seed, observers=[program.events.append]) as runtime:
            agents = {name: await runtime.agent(name, kind=KIND) for name in NAMES}
            if random.random() < 0.25:
                program.canceller.aim(life, random.randint(1, END_MAX))
            async with trio.open_nursery() as nursery:
                for number in range(random.randint(2, CALLERS_MAX)):
                    own = Random(f"{program.seed} caller {number}")
                    nursery.start_soon(_call, program, own, runtime, agents, number)
            if random.random() < 0.5:
                await calm()
    program.was_cut = life.cancelled_caught


async def _last_life(program: Program, store: Store) -> tuple[Facts, Facts]:
    async with serving(store, seed=f"{program.seed} again", observers=[program.events.append]) as runtime:
        await calm()
        found = read_facts(store)
        # Whoever was destroyed has to begin anew, or nobody could ask it for its outcomes.
        agents = {name: await runtime.agent(name, kind=KIND, recreate=True) for name in NAMES}
        for agent in agents.values():
            await agent.resume()
            # It wakes whatever waits for that.
            await agent.send("say the last word", idempotency_key="last word")
        with trio.fail_after(10 * PATIENCE_SECONDS):
            await runtime.wait_idle()
        for (name, key), input_id in program.ids.items():
            await program.ask("wait", name, key, partial(agents[name].wait, input_id))
        return found, read_facts(store)


async def _call(
    program: Program, random: Random, runtime: Runtime, agents: Mapping[str, AgentHandle], number: int
) -> None:
    """One caller: now and then it is cancelled as a whole, more often a call of its own is."""
    with trio.CancelScope() as scope:
        if random.random() < 0.2:
            program.canceller.aim(scope, random.randint(1, END_MAX // 2))
        for nth in range(random.randint(1, ASKS_MAX)):
            what = random.choices(list(_ASKS), weights=[weight for weight, _ in _ASKS.values()])[0]
            name = random.choice(NAMES)
            asking = Asking(program, random, runtime, agents[name], f"{number}.{nth}")
            again = 1
            while again:
                again = random.random() < 0.4  # with the same key, whatever it was told
                moment = random.randint(1, MOMENT_MAX) if random.random() < 0.6 else 0
                await _ASKS[what][1](asking, what, moment)
            if random.random() < 0.5:
                await trio.sleep(random.choice((0.2, 1, 5)))


@define(eq=False)
class Asking:
    """One call, and its repetitions."""

    program: Program
    random: Random
    runtime: Runtime
    agent: AgentHandle
    key: str
    chosen: str = ""
    """What the first call was about, for the ones after it."""

    @property
    def name(self) -> str:
        """Whom it asks."""
        return str(self.agent.identity)


_WORDS: Final = ("say", "say", "long", "fail", "fail", "rest", "listen", "step", "once", "mail")
_KINDS: Final = (
    (InputKind.PROMPT,) * 4 + (InputKind.PEER_MESSAGE,) * 3 + (InputKind.EXTERNAL_EVENT, InputKind.OPERATION)
)


async def _send(asking: Asking, what: str, moment: int) -> None:
    program, key = asking.program, asking.key
    random = Random(f"{program.seed} {key}")  # the same input again
    kind = random.choice(_KINDS)
    content = f"{random.choice(_WORDS)} {key}"
    program.contents[key] = content
    options = SendOptions()
    if what != "steer":
        if random.random() < 0.2:
            options["supersession_key"] = random.choice("xy")
        if random.random() < 0.1:
            options["wakes"] = False
        if random.random() < 0.1:
            options["durability"] = "ephemeral"
    method = getattr(asking.agent, what)
    call = partial(method, content, kind=kind, idempotency_key=key, **options)
    told = await program.ask(what, asking.name, key, call, moment)
    if isinstance(told, Returned) and what != "ask":
        program.ids[asking.name, key] = getattr(told.value, "input_id")  # noqa: B009 - an Admission, by what was asked


async def _about_an_input(asking: Asking, what: str, moment: int) -> None:
    program = asking.program
    known = [key for name, key in program.ids if name == asking.name]
    if known:
        asking.chosen = asking.chosen or asking.random.choice(known)
        call = partial(getattr(asking.agent, what), program.ids[asking.name, asking.chosen])
        await program.ask(what, asking.name, asking.chosen, call, moment)


async def _plain(asking: Asking, what: str, moment: int) -> None:
    await asking.program.ask(what, asking.name, "", getattr(asking.agent, what), moment)


async def _interrupt(asking: Asking, what: str, moment: int) -> None:
    call = partial(asking.agent.interrupt, at_checkpoint=asking.random.random() < 0.3)
    await asking.program.ask(what, asking.name, "", call, moment)


async def _recreate(asking: Asking, what: str, moment: int) -> None:
    call = partial(asking.runtime.agent, asking.name, kind=KIND, recreate=True)
    await asking.program.ask(what, asking.name, "", call, moment)


async def _wait_idle(asking: Asking, what: str, moment: int) -> None:
    await asking.program.ask(what, asking.name, "", asking.runtime.wait_idle, moment)


async def _about_a_letter(asking: Asking, what: str, moment: int) -> None:
    letters = [letter async for letter in asking.runtime.dead_letters()]
    if letters:
        letter = asking.random.choice(letters)
        call = partial(getattr(asking.runtime, what), letter)
        await asking.program.ask(what, letter.identity, letter.input_id, call, moment)


Ask = Callable[[Asking, str, int], Awaitable[None]]
_ASKS: Final[Mapping[str, tuple[float, Ask]]] = {
    "send": (8, _send),
    "steer": (2, _send),
    "ask": (4, _send),
    "wait": (3, _about_an_input),
    "cancel": (3, _about_an_input),
    "interrupt": (3, _interrupt),
    "stir": (1, _plain),
    "status": (2, _plain),
    "pause": (1, _plain),
    "resume": (2, _plain),
    "retire": (0.5, _plain),
    "stop": (0.5, _plain),
    "reset": (1, _plain),
    "recycle": (1, _plain),
    "destroy": (0.3, _plain),
    "recreate": (0.6, _recreate),
    "wait_idle": (0.5, _wait_idle),
    "redrive": (2, _about_a_letter),
    "drop": (0.5, _about_a_letter),
}
