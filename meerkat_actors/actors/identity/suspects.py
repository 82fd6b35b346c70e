"""One suspect at a time: runs that were interrupted by unclean ends again and again, and may be why."""

from __future__ import annotations

import heapq

from meerkat_actors.actors.identity.entry import Entry


class Suspects:
    """Whose turn is watched now, and who waits for being watched. Never waits itself."""

    def __init__(self) -> None:
        self._watched: Entry | None = None
        self._waiting: list[tuple[int, int, Entry]] = []
        self._asked = 0

    def ask(self, entry: Entry, interruptions: int) -> None:
        """Let an owner be told, some time, that its run may begin: the most interrupted first. Idempotent."""
        if entry.may_suspect or entry.asked_to_suspect:
            return
        entry.asked_to_suspect = True
        self._asked += 1
        heapq.heappush(self._waiting, (-interruptions, self._asked, entry))
        self._admit_next()

    def release(self, entry: Entry) -> None:
        """The owner's run is not watched any more, or never will be. Idempotent."""
        if entry.asked_to_suspect:
            entry.asked_to_suspect = False
            self._waiting = [waiting for waiting in self._waiting if waiting[2] is not entry]
            heapq.heapify(self._waiting)
        entry.may_suspect = False
        if self._watched is entry:
            self._watched = None
            self._admit_next()

    def _admit_next(self) -> None:
        if self._watched is None and self._waiting:
            _, _, entry = heapq.heappop(self._waiting)
            self._watched = entry
            entry.asked_to_suspect = False
            entry.may_suspect = True
            entry.mailbox.wake()
