"""What a power cut may leave, and what it may not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.simulation import Image, Shadow, image_of
from meerkat_actors.simulation.disk.images import SECTOR_BYTES
from meerkat_actors.simulation.disk.shadow import FolderSynced, Named, Synced, Truncated, Wrote

OLD, NEW = b"o" * 4 * SECTOR_BYTES, b"n" * 4 * SECTOR_BYTES
SEEDS = range(200)


@pytest.mark.parametrize("image", Image)
def test_what_was_synced_is_in_every_image(image: Image) -> None:
    shadow = Shadow()
    for event in (Named((("file", 0),)), FolderSynced(), Wrote(0, 0, NEW), Synced(0)):
        shadow.apply(event)
    assert {image_of(shadow, image, Random(seed))["file"] for seed in SEEDS} == {NEW}


def test_all_is_kept_or_all_is_dropped() -> None:
    shadow = overwritten()
    assert image_of(shadow, Image.KEPT, Random(0)) == {"file": NEW}
    assert image_of(shadow, Image.DROPPED, Random(0)) == {"file": OLD}


def test_each_sector_survives_on_its_own() -> None:
    found = {image_of(overwritten(), Image.SUBSET, Random(seed))["file"] for seed in SEEDS}
    assert {sectors(file) for file in found} == {
        (a, b, c, d) for a in "on" for b in "on" for c in "on" for d in "on"
    }, "all sixteen, and none is mixed"


def test_a_torn_write_is_a_first_part_of_it() -> None:
    found = {sectors(image_of(overwritten(), Image.TORN, Random(seed))["file"]) for seed in SEEDS}
    assert found == {("o", "o", "o", "o"), ("n", "o", "o", "o"), ("n", "n", "o", "o"), ("n", "n", "n", "o")}


def test_torn_writes_keep_the_order_of_all_files() -> None:
    shadow = Shadow([("one", b"o"), ("two", b"o")])
    for event in (Wrote(0, 0, b"a"), Wrote(1, 0, b"b"), Truncated(0, 0), Wrote(0, 0, b"c")):
        shadow.apply(event)
    found = {(files["one"], files["two"]) for seed in SEEDS if (files := image_of(shadow, Image.TORN, Random(seed)))}
    assert found == {(b"o", b"o"), (b"a", b"o"), (b"a", b"b"), (b"", b"b")}


def test_garbage_is_only_where_something_was_being_written() -> None:
    shadow = Shadow([("file", OLD)])
    shadow.apply(Wrote(0, SECTOR_BYTES + 7, b"n" * SECTOR_BYTES))
    found = [image_of(shadow, Image.GARBAGE, Random(seed))["file"] for seed in SEEDS]
    begin, end = SECTOR_BYTES + 7, 2 * SECTOR_BYTES + 7
    assert {(file[:begin], file[end:]) for file in found} == {(OLD[:begin], OLD[end:])}
    assert any(set(file) - set(b"on") for file in found)


def test_a_size_may_be_durable_before_its_bytes() -> None:
    shadow = Shadow([("file", b"")])
    shadow.apply(Wrote(0, 0, NEW))
    found = {image_of(shadow, Image.SUBSET, Random(seed))["file"] for seed in SEEDS}
    assert {b"", bytes(len(NEW)), NEW} <= found


def test_names_change_in_their_order() -> None:
    shadow = Shadow([("a", b"1")])
    for event in (Named((("b", 1),)), Named((("b", None), ("c", 1))), Named((("a", None),))):
        shadow.apply(event)
    found = {tuple(sorted(image_of(shadow, Image.SUBSET, Random(seed)))) for seed in SEEDS}
    assert found == {("a",), ("a", "b"), ("a", "c"), ("c",)}


@given(st.sampled_from(Image), st.integers(0, 99))
def test_the_same_chance_is_the_same_image(image: Image, seed: int) -> None:
    assert image_of(overwritten(), image, Random(seed)) == image_of(overwritten(), image, Random(seed))


def overwritten() -> Shadow:
    """A file of four sectors, all of them overwritten and none synced."""
    shadow = Shadow([("file", OLD)])
    shadow.apply(Wrote(0, 0, NEW))
    return shadow


def sectors(file: bytes) -> tuple[str, ...]:
    """What each sector holds; a mixed one says so."""
    parts = [file[at : at + SECTOR_BYTES] for at in range(0, len(file), SECTOR_BYTES)]
    return tuple("".join(sorted({chr(byte) for byte in part})) for part in parts)
