"""Healthy databases to damage: between them they hold something of everything that this version writes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import trio

from meerkat_actors.actors.observer import Observer
from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.events import Event, TurnRaised
from meerkat_actors.records.leases import Ownership
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime, open_runtime
from tests.store.sqlite.keeping import CountedEnv, counter, failing, live

AGENTS: Final = 6
TURNS: Final = 8
LONG: Final = "a long message " * 400
"""More than a page holds."""


def make_sample(folder: Path, *, is_clean: bool) -> dict[str, bytes]:
    """A database called ``store.db`` with what lies beside it, by name; ``folder`` must be empty.

    One that is not clean is what a kill leaves of a shared one: an owner's row, and the last commits only in the log.
    """
    path = folder / "store.db"
    live(path)
    trio.run(_talk, path)
    return _read(folder) if is_clean else trio.run(_be_killed, path)


def _read(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith(".lock")}


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """The files in a folder of their own; returns the database's path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "store.db"


async def _talk(path: Path) -> None:
    failed = trio.Event()

    def watch(event: Event) -> None:
        if isinstance(event, TurnRaised):
            failed.set()

    async with _serve(path, watch, ownership="exclusive") as runtime:
        agents = [
            await runtime.agent(f"talker-{number}", kind="talker", config={"number": number})
            for number in range(AGENTS)
        ]
        for turn in range(TURNS):
            for agent in agents:
                await agent.ask(f"question {turn}", idempotency_key=f"key {turn}")
        poor = await runtime.agent("poor", kind="unlucky")
        for _ in range(2):
            await poor.send("try")
        await failed.wait()


async def _be_killed(path: Path) -> dict[str, bytes]:
    async with _serve(path, ownership="shared") as runtime:
        for number in range(AGENTS):
            agent = await runtime.agent(f"talker-{number}")
            for turn in range(3):
                await agent.ask(f"late question {turn}")
        return _copy(path.parent)


def _copy(folder: Path) -> dict[str, bytes]:
    """The files as a kill would leave them: while they are copied, this process begins nothing.

    Another process copies, because to open a file of a store here would drop SQLite's locks on it; and once more until
    nothing changes, because the writer's thread may be amid a commit.
    """
    copy = folder / "copy"
    copy.mkdir()
    last: dict[str, bytes] = {}
    while True:
        subprocess.run(["cp", *[str(file) for file in folder.iterdir() if file.is_file()], str(copy)], check=True)
        now = _read(copy)
        if now == last:
            return now
        last = now


def _serve(path: Path, *observers: Observer, ownership: Ownership) -> AbstractAsyncContextManager[Runtime]:
    limits = Limits(attempts_max=3, backoff_seconds=30, backoff_seconds_max=30, shutdown_seconds=0)
    kinds = {"talker": _talker, "unlucky": _unlucky, "counter": counter, "failing": failing, "worker": _worker}
    return open_runtime(
        path, agents=kinds, limits=limits, env=_Env(ownership), observers=observers, ownership=ownership
    )


async def _talker(turn: Turn) -> str:
    count = turn.state + 1 if isinstance(turn.state, int) else 1
    if turn.inputs[0].sender is None:
        turn.set_state(count)
        turn.send(f"talker-{(count * 7 + len(turn.text)) % AGENTS}", {"said": turn.text[:20]})
        turn.append({"note": count}, role="notice")
    return LONG if count == 2 else f"heard {turn.text[:9]}"


async def _unlucky(_: Turn) -> None:
    problem = "no luck today"
    raise ValueError(problem)


async def _worker(turn: Turn) -> None:
    await turn.step("fetch", str, turn.text)
    await trio.sleep_forever()


class _Env(CountedEnv):
    """Ids of its own, and a clock that goes."""

    def __init__(self, ownership: Ownership) -> None:
        super().__init__()
        self._ownership = ownership

    def new_id(self) -> str:
        """The next one."""
        return super().new_id().replace("00000000-", "00000001-" if self._ownership == "shared" else "00000002-", 1)
