"""Whether a log that lies beside a database can be its own.

SQLite plays back any log that is whole in itself: nothing in the log names the database that it was written for. So a
log left behind by the file that a copy replaced would be mixed into the copy, without an error. A copy says in its
header that it has no log (https://sqlite.org/fileformat2.html#file_format_version_numbers). The first opening for
writing says otherwise, in the file itself and synced, before there is a log.
"""

from __future__ import annotations

import os
from typing import Final

import apsw

from meerkat_actors.errors import StoreCorruptError

_VERSIONS_AT: Final = 18
"""Two bytes of the header, written and read: 1 without a log, 2 with one."""
_HAS_NO_LOG: Final = b"\x01\x01"
_PAGE: Final = 512
"""Enough of the first page."""


def require_own_log(path: str, connection: apsw.Connection) -> None:
    """Refuse a log that can't be the database's. ``connection`` is one that ignores logs.

    Raises:
        StoreCorruptError: there is one; nothing was touched.
    """
    try:
        is_log = os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return
    _, page = connection.read("main", 0, 0, _PAGE)
    if is_log and page[_VERSIONS_AT : _VERSIONS_AT + 2] == _HAS_NO_LOG:
        problem = (
            f"is a copy that was never opened, so {path}-wal is another file's and would be mixed into it;"
            " move that away, and the -shm file. It was not touched"
        )
        raise StoreCorruptError(path=path, problem=problem)
