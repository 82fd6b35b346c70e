"""A caller that is cancelled, at every moment of every call: what it asked for is done, or was never asked.

Three lives of each scene tell what may be true: nobody calls, somebody calls once, and twice. Then the call is made
again and again, and cancelled one moment later each time. Whatever the moment: the store is as if the call was made,
or as if it was not; who was told so can rely on it; and the same call again does what a first or a second one does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from attrs import frozen
from trio.testing import MockClock

from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.inputs import InputRecord
from meerkat_actors.records.outcomes import Admission, Answer, Outcome
from meerkat_actors.records.status import IdentityStatus
from meerkat_actors.store.sqlite.examining import examine
from tests.crashes.fire_runs import workplace
from tests.fates.cancelling import Canceller, Refused, Returned, Told, Unknown, attempt
from tests.fates.facts import Facts, problems_in, read_facts, told_of
from tests.fates.scenes import SCENES, Scene, Stage, waiting_methods
from tests.fates.world import InMemory, OnDisk, Place, calm, play, serving

MOMENTS_MAX = 400
"""Far more than any call takes."""


@frozen(kw_only=True)
class Life:
    """What one life of a scene came to."""

    told: tuple[str, ...]
    """What the caller was told, call by call; empty for a call that was not made."""
    facts: tuple[Facts, ...]
    """What was true after each of them, once all was calm."""
    was_in_time: bool
    """Whether the cancellation came before the answer."""


UNKNOWN = "unknown"


def test_every_public_method_that_waits_has_a_scene() -> None:
    assert {scene.method for scene in SCENES} == waiting_methods()


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_a_call_that_is_cancelled_at_any_moment_is_made_or_not_in_memory(scene: Scene, tmp_path: Path) -> None:
    check_every_moment(scene, tmp_path, InMemory)


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_a_call_that_is_cancelled_at_any_moment_is_made_or_not_on_disk(scene: Scene) -> None:
    with workplace() as folder:
        numbers = iter(range(MOMENTS_MAX))
        check_every_moment(scene, folder, lambda: OnDisk(folder / str(next(numbers))))


def check_every_moment(scene: Scene, folder: Path, place: Callable[[], Place]) -> None:
    made, never = live(scene, folder, place(), (True, True)), live(scene, folder, place(), (False, True))
    cancelled = 0
    for nth in range(1, MOMENTS_MAX):
        life = live(scene, folder, place(), (True, True), nth=nth)
        where = f"{scene}, cancelled at moment {nth}"
        if life.told[0] == UNKNOWN:
            cancelled += 1
            fitting = [other for other in (made, never) if life.facts[0] == other.facts[0]]
            assert fitting, where
            assert any(life.told[1] == other.told[1] and life.facts[1] == other.facts[1] for other in fitting), where
        else:
            assert life.told == made.told, where
            assert life.facts == made.facts, where
        if not life.was_in_time:
            break
    else:
        pytest.fail(f"{scene} never ends")
    assert cancelled


def live(scene: Scene, folder: Path, place: Place, calls: tuple[bool, ...], *, nth: int = 0) -> Life:
    """One life, whose first call is cancelled at the ``nth`` moment, and a look at the store after it."""
    canceller = Canceller()
    store = place.open()

    async def main() -> Life:
        told: list[str] = []
        facts: list[Facts] = []
        was_in_time = False
        async with serving(store) as runtime:
            stage = Stage(runtime, folder)
            await scene.prepare(stage)
            for number, is_made in enumerate(calls):
                if is_made:
                    call = partial(scene.call, stage)
                    answer, was_cancelled = await attempt(call, canceller, nth if number == 0 else 0)
                    told.append(shown(answer))
                    was_in_time = was_in_time or was_cancelled
                else:
                    told.append("")
                await (runtime.wait_idle() if scene.needs_threads else calm())
                facts.append(read_facts(store))
                assert problems_in(store) == []
            assert not runtime.statistics().broken
        return Life(told=tuple(told), facts=tuple(facts), was_in_time=was_in_time)

    clock = MockClock(rate=1) if scene.needs_threads else None
    life = play(main, instruments=[canceller], clock=clock)
    if isinstance(place, OnDisk):
        # Not each time: it takes a third of the whole.
        assert life.was_in_time or examine(place.path).findings == ()
        place.remove()
    return life


def shown(told: Told) -> str:
    """What a caller was told, without what is minted or timed."""
    match told:
        case Unknown():
            return UNKNOWN
        case Refused(error=error):
            return type(error).__name__
        case Returned(value=Admission() as admission):
            return f"admission {admission.admission_sequence}, duplicate: {admission.duplicate}"
        case Returned(value=Answer() as answer):
            return f"answer: {answer.text}, version {answer.receipt.checkpoint_version}"
        case Returned(value=IdentityStatus() as status):
            return (
                f"{status.phase}, {status.desired}, {status.backlog} of {status.generation}.{status.checkpoint_version}"
            )
        case Returned(value=AgentHandle() | InputRecord() as value):
            return type(value).__name__
        case Returned(value=value):
            return told_of(value) if isinstance(value, Outcome) else str(value)
