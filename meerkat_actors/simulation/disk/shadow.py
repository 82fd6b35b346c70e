"""What is surely on the disk, and what is not yet: a model of one folder, moved by what happened to it.

Files are numbered, because names move. What was written is visible at once, and durable with the next
sync of its file; names are durable with the next sync of their folder. A crash of the process loses
nothing of this; a power cut loses what ``images`` chooses of the changes that were not synced.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, assert_never

from attrs import Factory, define, evolve, frozen

PAGE_BYTES: Final = 4096
"""What the kernel writes back at a time."""


@frozen
class Wrote:
    """Bytes were written at an offset."""

    file: int
    offset: int
    data: bytes


@frozen
class Truncated:
    """A file was given this size."""

    file: int
    size: int


@frozen
class Synced:
    """A file's changes became durable."""

    file: int


@frozen
class SyncForgot:
    """A sync failed, and the changes after the first ``reached`` were marked clean: only the page cache has them."""

    file: int
    reached: int


@frozen
class Uncached:
    """The page cache let go of a file's clean pages."""

    file: int


@frozen
class Named:
    """Names were given or taken (None), all of them at once."""

    names: tuple[tuple[str, int | None], ...]


@frozen
class FolderSynced:
    """All names became durable."""


Change = Wrote | Truncated
Event = Change | Synced | SyncForgot | Uncached | Named | FolderSynced


@define(eq=False)
class Contents:
    """One file's bytes."""

    durable: bytearray = Factory(bytearray)
    visible: bytearray = Factory(bytearray)
    changes: list[tuple[int, Change]] = Factory(list[tuple[int, Change]])
    """Not synced, oldest first; each with its place among all events."""
    has_forgotten: bool = False
    """Whether a sync failed and marked pages clean."""

    def copy(self) -> Contents:
        """One that goes its own way."""
        return evolve(self, durable=self.durable.copy(), visible=self.visible.copy(), changes=list(self.changes))


class Shadow:
    """One folder. ``apply`` is the only thing that changes it."""

    def __init__(self, files: Iterable[tuple[str, bytes]] = ()) -> None:
        self.contents: dict[int, Contents] = {}
        self.names: dict[str, int] = {}
        """Visible now."""
        self.durable_names: dict[str, int] = {}
        self.namings: list[Named] = []
        """Not synced, oldest first."""
        self.position: int = 0
        """How many events there were."""
        for number, (name, data) in enumerate(files):
            self.contents[number] = Contents(bytearray(data), bytearray(data))
            self.names[name] = self.durable_names[name] = number

    def copy(self) -> Shadow:
        """A folder in the same state, which goes its own way."""
        other = Shadow()
        other.contents = {number: contents.copy() for number, contents in self.contents.items()}
        other.names = dict(self.names)
        other.durable_names = dict(self.durable_names)
        other.namings = list(self.namings)
        other.position = self.position
        return other

    def new_file(self) -> int:
        """A number for a file that is yet to be named."""
        return len(self.contents)

    def visible(self) -> dict[str, bytes]:
        """What whoever looks now sees: also after every process died."""
        return {name: bytes(self.contents[number].visible) for name, number in self.names.items()}

    def apply(self, event: Event) -> None:
        """Let it have happened."""
        match event:
            case Wrote():
                contents = self.contents[event.file]
                contents.changes.append((self.position, event))
                overwrite(contents.visible, event.offset, event.data)
            case Truncated():
                contents = self.contents[event.file]
                contents.changes.append((self.position, event))
                resize(contents.visible, event.size)
            case Synced():
                _sync(self.contents[event.file])
            case SyncForgot():
                _forget(self.contents[event.file], event.reached)
            case Uncached():
                _uncache(self.contents[event.file])
            case Named():
                for _, number in event.names:
                    if number is not None and number not in self.contents:
                        self.contents[number] = Contents()
                self.namings.append(event)
                rename(self.names, event)
            case FolderSynced():
                self.durable_names = dict(self.names)
                self.namings.clear()
            case _:
                assert_never(event)
        self.position += 1


def overwrite(target: bytearray, offset: int, data: bytes) -> None:
    """Write as a file system does: a gap before it reads as zeros."""
    if len(target) < offset:
        resize(target, offset)
    target[offset : offset + len(data)] = data


def resize(target: bytearray, size: int) -> None:
    """Cut off, or fill up with zeros."""
    if len(target) > size:
        del target[size:]
    else:
        target.extend(bytes(size - len(target)))


def rename(names: dict[str, int], naming: Named) -> None:
    """Give and take names."""
    for name, number in naming.names:
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number


def _sync(contents: Contents) -> None:
    if contents.has_forgotten:
        _write_back(contents, contents.durable)
    else:
        _keep(contents, len(contents.changes))
    contents.changes.clear()


def _keep(contents: Contents, count: int) -> None:
    for _, change in contents.changes[:count]:
        if isinstance(change, Wrote):
            overwrite(contents.durable, change.offset, change.data)
        else:
            resize(contents.durable, change.size)


def _write_back(contents: Contents, target: bytearray) -> None:
    # Whole pages go to the disk, also with bytes that an earlier sync failed to write.
    resize(target, len(contents.visible))
    for _, change in contents.changes:
        if isinstance(change, Wrote):
            first = change.offset - change.offset % PAGE_BYTES
            last = change.offset + len(change.data)
            last += -last % PAGE_BYTES
            target[first:last] = contents.visible[first:last]


def _forget(contents: Contents, reached: int) -> None:
    _keep(contents, reached)
    contents.changes.clear()
    contents.has_forgotten = True


def _uncache(contents: Contents) -> None:
    kept = contents.durable.copy()
    if contents.changes:
        _write_back(contents, kept)
    contents.visible[:] = kept
