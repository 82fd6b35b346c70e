"""One process that shares a store: ``takeover_worker.py DATABASE LOG NAME``; ``--finish`` is the last one.

It ends at SIGTERM, in good order.
"""

from __future__ import annotations

import argparse
import random
import signal
from pathlib import Path
from typing import Final

import trio

import meerkat_actors as meerkat
from meerkat_actors.actors.turn import AgentKind
from tests.crashes.takeover_lines import Log, Serving, read_logs
from tests.crashes.takeover_work import KIND, Client, finish, limits, observer, serve

CLIENTS: Final = 4
INPUTS_MAX: Final = 10**9
"""More than a client sends before its end."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("name", help="of this life of a process: nobody else's")
    parser.add_argument("--finish", action="store_true")
    parser.add_argument("--wal-pages", type=int, default=limits().wal_pages_max)
    options = parser.parse_args()
    trio.run(_run, options.database, options.log, options.name, options.finish, options.wal_pages)


async def _run(database: Path, path: Path, name: str, finishes: bool, wal_pages: int) -> None:
    log = Log(path)
    notes = read_logs(path.parent) if finishes else []
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with meerkat.open_runtime(
            database,
            agents={KIND: AgentKind(serve, resources=log)},
            ownership="shared",
            limits=limits(wal_pages_max=wal_pages),
            observers=(observer(log),),
        ) as runtime:
            log.note(Serving())
            if finishes:
                await finish(runtime, log, notes)
                return
            async with trio.open_nursery() as nursery:
                for number in range(CLIENTS):
                    client = f"{name}.{number}"
                    nursery.start_soon(Client(runtime, log, client, random.Random(client)).run, INPUTS_MAX)
                async for _ in signals:
                    nursery.cancel_scope.cancel()


if __name__ == "__main__":
    main()
