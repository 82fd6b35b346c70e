"""Come back to what a fault left: open it, check it, go on writing, check again."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Final

from attrs import Factory, define

from meerkat_actors.simulation import Image, Shadow, image_of
from meerkat_actors.simulation.disk.device import write_files
from tests.crashes.fire_client import ORDINARY, Client, Way
from tests.crashes.fire_history import Answer, History, check
from tests.crashes.fire_rows import read_rows
from tests.crashes.fire_runs import NAME, Tally, emptied, goes_well
from tests.crashes.fire_script import Step

STEPS_AFTER: Final = 1
"""Behind the claims of a new owner, how far the script goes on after each image."""
GARBAGE_INDEX: Final = 0.2
"""Of the images come with a shared memory full of garbage."""


@define(eq=False)
class Judge:
    """Of one script, in one folder."""

    folder: Path
    script: Sequence[Step]
    tally: Tally
    way: Way = ORDINARY
    seen: set[bytes] = Factory(set[bytes])
    """What was checked, as digests of files and histories."""

    def images(self, shadow: Shadow, images: Sequence[Image], history: History, random: Random) -> list[str]:
        """What is wrong with these images of one moment."""
        found: list[str] = []
        for image in images:
            problems = self.files(image_of(shadow, image, random), history.until(shadow.position), image, random)
            found += [f"{image}: {problem}" for problem in problems]
        return found

    def files(self, files: Mapping[str, bytes], history: History, what: str, random: Random) -> list[str]:
        """What is wrong with one image. It may have been seen before: then nothing more is."""
        if self.has_seen(files, history):
            return []
        with emptied(self.folder / "image") as folder:
            write_files(folder, files)
            if f"{NAME}-wal" in files and random.random() < GARBAGE_INDEX:
                (folder / f"{NAME}-shm").write_bytes(random.randbytes(32_768))
            path = str(folder / NAME)
            client = Client(path, self.script, history, lambda: sys.maxsize, way=self.way)
            try:
                return self.client(client, what)
            finally:
                client.close()

    def has_seen(self, files: Mapping[str, bytes], history: History) -> bool:
        """Count one run; whether it would begin with the very same bytes and history as an earlier one."""
        self.tally.runs += 1
        digest = _digest(files, history)
        if digest in self.seen:
            self.tally.repeated += 1
            return True
        self.seen.add(digest)
        return False

    def client(self, client: Client, what: str, steps: int | None = STEPS_AFTER) -> list[str]:
        """What is wrong with what a client comes back to. It stays open; what was unknown to it is resolved."""

        def work() -> list[str]:
            client.open()
            answers = Counter(one.answer for one in client.history.asked)
            self.tally.images[what] += 1
            self.tally.acknowledged += answers[Answer.COMMITTED]
            self.tally.unknown += answers[Answer.UNKNOWN]
            rows = read_rows(client.path)
            found = check(client.history, rows)
            if found:
                return [f"found: {one}" for one in found]
            client.go_on(steps, rows)
            return [f"after going on: {one}" for one in check(client.history, read_rows(client.path))]

        return goes_well(work)


def _digest(files: Mapping[str, bytes], history: History) -> bytes:
    digest = blake2b(digest_size=16)
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])} ".encode())
        digest.update(files[name])
    told = [(one.step, one.unit.fence.token, one.unit.fence.version, str(one.answer)) for one in history.asked]
    digest.update(repr((len(history.steps_done), told)).encode())
    return digest.digest()
