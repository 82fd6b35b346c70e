"""An office of agents, whose database the commands look into; one of them was told hostile text."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import meerkat_actors as meerkat

HOSTILE: Final = "\x1b[2J\x1b]0;owned\x07[bold red]loud[/]\r\n\u202egnp.exe \u009b31m \udcff".replace(
    "\udcff", "\ufffd"
)


async def clerk(turn: meerkat.Turn) -> str:
    if turn.text == "fail":
        message = "no such thing"
        raise ValueError(message)
    turn.send("archive", {"said": turn.text})
    return f"noted {turn.text}"


async def archive(turn: meerkat.Turn) -> None:
    """Its transcript is what it keeps."""


async def fill(database: Path) -> None:
    limits = meerkat.Limits(attempts_max=1)
    agents = {"clerk": clerk, "archive": archive}
    async with meerkat.open_runtime(database, agents=agents, limits=limits) as runtime:
        agent = await runtime.agent("clerk-1", kind="clerk")
        await runtime.agent("archive", kind="archive")
        for text in ("one", HOSTILE, "three"):
            await agent.ask(text)
            await runtime.wait_idle()  # or messages that wait together are one turn's
        with contextlib.suppress(meerkat.TurnAbandonedError):
            await agent.ask("fail")
        await runtime.wait_idle()
