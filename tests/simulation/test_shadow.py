"""The model of a folder: what is durable when."""

from __future__ import annotations

from random import Random

from meerkat_actors.simulation import Image, Shadow, image_of
from meerkat_actors.simulation.disk.shadow import (
    PAGE_BYTES,
    Event,
    FolderSynced,
    Named,
    Synced,
    SyncForgot,
    Truncated,
    Uncached,
    Wrote,
)

FILE = 0


def test_what_was_written_is_seen_at_once_and_durable_with_the_next_sync() -> None:
    shadow = after(Wrote(FILE, 2, b"xy"))
    assert shadow.visible() == {"file": b"old"[:2] + b"xy"}
    assert durable(shadow) == {"file": b"old"}
    shadow.apply(Synced(FILE))
    assert durable(shadow) == shadow.visible()


def test_a_gap_before_a_write_reads_as_zeros() -> None:
    assert after(Wrote(FILE, 5, b"x")).visible() == {"file": b"old\0\0x"}


def test_a_truncation_is_a_change_like_any_other() -> None:
    shadow = after(Truncated(FILE, 1))
    assert (shadow.visible(), durable(shadow)) == ({"file": b"o"}, {"file": b"old"})
    shadow.apply(Synced(FILE))
    assert durable(shadow) == {"file": b"o"}


def test_names_are_durable_with_their_folder_and_not_with_their_file() -> None:
    shadow = after(Named((("new", 1),)), Wrote(1, 0, b"data"), Synced(1))
    assert shadow.visible() == {"file": b"old", "new": b"data"}
    assert durable(shadow) == {"file": b"old"}
    shadow.apply(FolderSynced())
    assert durable(shadow) == shadow.visible()


def test_a_deleted_file_comes_back_unless_the_folder_was_synced() -> None:
    shadow = after(Named((("file", None),)))
    assert (shadow.visible(), durable(shadow)) == ({}, {"file": b"old"})
    shadow.apply(FolderSynced())
    assert durable(shadow) == {}


def test_a_rename_is_one_change() -> None:
    shadow = after(Named((("file", None), ("other", FILE))))
    assert (shadow.visible(), durable(shadow)) == ({"other": b"old"}, {"file": b"old"})


def test_what_a_failed_sync_marked_clean_is_seen_and_never_written() -> None:
    shadow = after(Wrote(FILE, 0, b"new"), SyncForgot(FILE, 0), Synced(FILE))
    assert (shadow.visible(), durable(shadow)) == ({"file": b"new"}, {"file": b"old"})
    shadow.apply(Uncached(FILE))
    assert shadow.visible() == {"file": b"old"}


def test_a_failed_sync_may_have_reached_some_of_it() -> None:
    shadow = after(Wrote(FILE, 0, b"N"), Truncated(FILE, 2), Wrote(FILE, 1, b"W"), SyncForgot(FILE, 2))
    assert (shadow.visible(), durable(shadow)) == ({"file": b"NW"}, {"file": b"Nl"})


def test_a_page_that_is_written_again_takes_its_forgotten_bytes_along() -> None:
    far = PAGE_BYTES + 1
    shadow = after(Wrote(FILE, 0, b"new"), Wrote(FILE, far, b"far"), SyncForgot(FILE, 0), Wrote(FILE, 3, b"!"))
    shadow.apply(Synced(FILE))
    kept = durable(shadow)["file"]
    assert kept[:4] == b"new!"
    assert kept[far:] == bytes(3), "nothing touched the other page again"


def test_letting_go_of_the_cache_keeps_what_is_dirty() -> None:
    shadow = after(Wrote(FILE, PAGE_BYTES, b"gone"), SyncForgot(FILE, 0), Wrote(FILE, 0, b"new"), Uncached(FILE))
    assert shadow.visible()["file"][:3] == b"new"
    assert shadow.visible()["file"][PAGE_BYTES:] == bytes(4)


def test_a_copy_goes_its_own_way() -> None:
    shadow = after(Wrote(FILE, 0, b"n"))
    other = shadow.copy()
    for event in (Wrote(FILE, 0, b"x"), Named((("more", 1),)), Synced(FILE)):
        other.apply(event)
    assert (shadow.visible(), durable(shadow), shadow.position) == ({"file": b"nld"}, {"file": b"old"}, 1)
    assert (other.visible(), other.position) == ({"file": b"xld", "more": b""}, 4)


def after(*events: Event) -> Shadow:
    """A folder with one file, to which this happened."""
    shadow = Shadow([("file", b"old")])
    for event in events:
        shadow.apply(event)
    return shadow


def durable(shadow: Shadow) -> dict[str, bytes]:
    """What is there for certain after a power cut."""
    return image_of(shadow, Image.DROPPED, Random(0))
