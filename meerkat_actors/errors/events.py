"""What is refused to who wants to be told what happened long ago."""

from __future__ import annotations

from meerkat_actors.errors.tree import MeerkatError, UsageError


class CursorExpiredError(UsageError):
    """The events behind a cursor are not all kept any more, or are of a store that was restored since."""

    path: str
    cursor: str

    def __init__(self, *, path: str, cursor: str) -> None:
        MeerkatError.__init__(self, path=path, cursor=cursor)

    def __str__(self) -> str:
        return (
            f"{self.path}: event cursor {self.cursor} has expired: what happened behind it was pruned, or the store"
            " was restored from a backup; look at how things stand, and go on from EVENTS_BEGINNING"
        )
