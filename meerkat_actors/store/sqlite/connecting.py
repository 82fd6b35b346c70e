"""A connection to a file that may still be refused: how to let go of it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

import apsw


@contextmanager
def closed_on_failure(connection: apsw.Connection, path: str) -> Generator[None, None, None]:
    """Leaving the block by an exception closes the new connection, otherwise it stays open.

    Closing the last one would copy the log into the database. Here a log that was there before stays, byte for byte.
    """
    had_log = os.path.exists(f"{path}-wal")
    try:
        yield
    except BaseException:
        if had_log:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.close()
        raise
