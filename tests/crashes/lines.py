"""A signal at one line of ours after another: ``lines.py FOLDER SIGNAL FIRST STEP [FILES]`` tells what came of each.

A program and no test, because a signal, a trace function and a fork want a process of their own. SIGKILL strikes at
any line of any thread; of SIGINT only those lines count at which Trio would raise at once, because at all others it
waits for a schedule point. With FILES only lines of files with such names count.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

import orjson
import outcome
import trio

import meerkat_actors as meerkat
from meerkat_actors.examples.review.output import write_page

# Under that name in the package it comes late: most of the lines struck would be those of modules being made.
from meerkat_actors.runtime import open_runtime

HANG_SECONDS: Final = 20
LIMITS: Final = meerkat.Limits(cancel_grace_seconds=60)
"""An owner that waits for the end of a turn which never tells of it hangs, then."""
PACKAGE: Final = os.path.join(os.path.dirname(meerkat.__file__), "")
KEYS: Final = ("one", "two")
_DEATHS: Final[dict[int, str]] = {signal.SIGALRM: "hangs", signal.SIGKILL: "killed"}
PAGE: Final = "A line of the page.\n" * 2_000


async def worker(turn: meerkat.Turn) -> str:
    seen = turn.state if isinstance(turn.state, int) else 0
    turn.set_state(seen + 1)
    turn.send("archive", await turn.step("note", note, turn.text))
    return f"done {turn.text}"


async def note(text: str) -> str:
    return f"noted {text}"


async def archive(turn: meerkat.Turn) -> None:
    """Its transcript is what it keeps."""


async def work(database: Path) -> None:
    """A little of everything that a user's own task does with a runtime; done twice, it is done once."""
    page = database.with_suffix(".md")
    assert await trio.to_thread.run_sync(is_whole, page)
    agents = {"worker": worker, "archive": archive}
    async with open_runtime(database, agents=agents, limits=LIMITS) as runtime:
        agent = await runtime.agent("worker", kind="worker")
        kept = await runtime.agent("archive", kind="archive")
        admission = await agent.send(KEYS[0], idempotency_key=KEYS[0])
        answer = await agent.ask(KEYS[1], idempotency_key=KEYS[1])
        assert answer.text == "done two"
        assert isinstance(await agent.wait(admission.input_id), meerkat.Consumed)
        await runtime.wait_idle()
        assert sum([len(receipt.contributors) async for receipt in agent.receipts()]) == len(KEYS)
        assert sorted([str(record.content) async for record in kept.inputs()]) == ["noted one", "noted two"]
        await trio.to_thread.run_sync(write_page, page, PAGE)


def is_whole(page: Path) -> bool:
    return not page.exists() or page.read_text(encoding="utf-8") == PAGE


def strike_at(nth: int, number: signal.Signals, files: tuple[str, ...], place: Path) -> None:
    """Raise the signal at the nth line that counts, having written which it is."""
    left = nth

    def in_file(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 - as sys.settrace has it
        path = frame.f_code.co_filename
        counts = path.startswith(PACKAGE) and (not files or path.endswith(files))
        return in_frame if counts else None

    def in_frame(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 - as sys.settrace has it
        nonlocal left
        if event == "line" and left > 0 and (number is signal.SIGKILL or not trio.lowlevel.currently_ki_protected()):
            left -= 1
            if left == 0:
                sys.settrace(None)
                code = frame.f_code
                place.write_text(f"{code.co_filename.removeprefix(PACKAGE)}:{frame.f_lineno} {code.co_qualname}")
                signal.raise_signal(number)
        return in_frame

    if number is signal.SIGKILL:
        threading.settrace(in_file)
    sys.settrace(in_file)


def in_child(body: Callable[[], str], told: Path) -> str:
    """What ``body`` returned in a process of its own, or how that process ended."""
    child = os.fork()
    if child == 0:
        # What a signal's own action can end, however stuck the loop is.
        signal.alarm(HANG_SECONDS)
        came = outcome.capture(body)
        told.write_text(came.unwrap() if isinstance(came, outcome.Value) else repr(came.error), encoding="utf-8")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return told.read_text(encoding="utf-8")
    return _DEATHS.get(-code, f"ends with {code}")


def next_run(database: Path) -> str:
    trio.run(work, database)
    return "finished"


def struck_run(database: Path, nth: int, number: signal.Signals, files: tuple[str, ...], place: Path) -> str:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    strike_at(nth, number, files, place)
    came = outcome.capture(next_run, database)
    sys.settrace(None)
    if isinstance(came, outcome.Value):
        return "finished"
    leaves = _leaves(came.error)
    return "interrupted" if all(isinstance(leaf, KeyboardInterrupt) for leaf in leaves) else f"raises {leaves}"


def main() -> None:
    folder, number = Path(sys.argv[1]), signal.Signals[sys.argv[2]]
    nth, step, files = int(sys.argv[3]), int(sys.argv[4]), tuple(sys.argv[5:])
    logging.disable(logging.CRITICAL)
    while True:
        database, place = folder / f"{nth}.db", folder / f"{nth}.place"
        struck = partial(struck_run, database, nth, number, files, place)
        came = in_child(struck, folder / "told")
        if number is signal.SIGKILL and came == "killed":
            # Once more, in the run that goes on after it: it opens what it finds instead of making it.
            came = in_child(struck, folder / "told").replace("finished", "killed")
        then = in_child(partial(next_run, database), folder / "told")
        if not place.exists():
            return
        line = place.read_text(encoding="utf-8")
        sys.stdout.buffer.write(orjson.dumps({"nth": nth, "line": line, "came": came, "then": then}) + b"\n")
        sys.stdout.buffer.flush()
        nth += step


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for inner in group.exceptions for leaf in _leaves(inner)]


if __name__ == "__main__":
    main()
