"""A life with a barrier of three operations, which may be lived again from wherever it was left; and who kills it.

Run as a program it reads orders, one a line: ``before`` or ``after``, which commit, the database. For each it lives the
life in a child that kills itself there. The answer is ``killed`` or ``ended``. See ``tests.recovery.killing``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import running

ROOT: Final = Path(__file__).parents[2]


async def fan_out(turn: Turn) -> str:
    """Wait for three operations, one of which is of its own process; say which ended when it is woken."""
    if turn.inputs[0].kind is InputKind.PROMPT:
        outside = [turn.start_operation(name, external=True) for name in ("x", "y")]
        turn.when_all([*outside, turn.start_operation("z")])
        return "waits"
    return " ".join(sorted(each.name for each in turn.completions))


async def live(runtime: Runtime) -> AgentHandle:
    """Begin the work, unless that was done before; end what goes on; wait for all of it."""
    agent = await runtime.agent("a", kind="fan_out")
    await agent.ask("go", idempotency_key="go")
    named = {each.name: each for each in await agent.operations.list()}
    for name in ("x", "y", "z"):
        if named[name].public_status == "running":
            await agent.operations.complete(named[name].operation_id, name)
    await agent.operations.wait(named["when_all"].operation_id)
    await runtime.wait_idle()
    return agent


class Killer:
    """The program, as the test uses it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.operations.barrier_life"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill(self, when: str, commit: int, database: Path) -> bool:
        """Whether the life was killed there; else it ended before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{when}\t{commit}\t{database}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer in {"killed\n", "ended\n"}, answer
        return answer == "killed\n"

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def main() -> None:
    for line in sys.stdin:
        when, commit, database = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            trio.run(_live_until, when, int(commit), database, clock=trio.testing.MockClock(autojump_threshold=0))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if is_killed else "ended" if status == 0 else f"failed {status}", flush=True)


async def _live_until(when: str, commit: int, database: str) -> None:
    store = FaultyStore(open_sqlite(database, synchronous="normal"))
    left = commit

    def count(*_: Sequence[object]) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    if when == "before":
        store.before_commit = count
    else:
        store.after_commit = count
    async with running(store, {"fan_out": fan_out}) as runtime:
        await live(runtime)


if __name__ == "__main__":
    main()
