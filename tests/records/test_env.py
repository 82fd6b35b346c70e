"""The machine's clock and entropy: ids as RFC 9562 writes them, and named streams."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import RFC_4122, UUID

import pytest

from meerkat_actors.records.env import Env, SystemEnv
from meerkat_actors.records.ids import parse_input_id

MANY: Final = 20_000


def unix_ms(text: str) -> int:
    """The time in a UUIDv7, by RFC 9562 section 5.7: the first 48 bits."""
    return UUID(text).int >> 80


def test_an_id_is_a_version_7_uuid_in_canonical_text() -> None:
    env: Env = SystemEnv()
    for _ in range(1000):
        text = env.new_id()
        uuid = UUID(text)
        assert str(uuid) == text == parse_input_id(text)
        assert uuid.version == 7
        assert uuid.variant == RFC_4122


def test_an_id_begins_with_the_millisecond_in_which_it_was_made() -> None:
    env = SystemEnv()
    before = env.wall_ms()
    texts = [env.new_id() for _ in range(1000)]
    after = env.wall_ms()
    assert all(before <= unix_ms(text) <= after for text in texts)


def test_all_74_random_bits_vary() -> None:
    env = SystemEnv()
    ones, zeros = 0, 0
    for _ in range(1000):
        value = UUID(env.new_id()).int
        ones |= value
        zeros |= ~value
    varying = ones & zeros & ((1 << 80) - 1)
    fixed = (0xF << 76) | (0x3 << 62)
    assert varying == ((1 << 80) - 1) & ~fixed


def test_no_id_is_made_twice() -> None:
    one, other = SystemEnv(), SystemEnv()
    texts = [env.new_id() for _ in range(MANY) for env in (one, other)]
    assert len(set(texts)) == 2 * MANY


def test_no_id_is_made_twice_by_threads_of_one_env() -> None:
    env = SystemEnv()
    with ThreadPoolExecutor(4) as pool:
        batches = [pool.submit(lambda: [env.new_id() for _ in range(2000)]) for _ in range(4)]
    assert len({text for batch in batches for text in batch.result()}) == 8000


def test_ids_of_later_milliseconds_sort_behind() -> None:
    env = SystemEnv()
    texts: list[str] = []
    while len({unix_ms(text) for text in texts}) < 5:
        texts.append(env.new_id())
    times = [unix_ms(text) for text in texts]
    assert times == sorted(times)
    first_of_each = {unix_ms(text): text for text in reversed(texts)}
    in_time = [first_of_each[at] for at in sorted(first_of_each)]
    assert in_time == sorted(in_time)


def test_the_largest_time_and_bits_still_make_36_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    env = SystemEnv()
    monkeypatch.setattr(time, "time_ns", lambda: ((1 << 48) - 1) * 1_000_000)
    assert unix_ms(env.new_id()) == (1 << 48) - 1
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    text = env.new_id()
    assert unix_ms(text) == 0
    assert parse_input_id(text) == text


def test_the_wall_clock_counts_milliseconds_since_1970() -> None:
    assert abs(SystemEnv().wall_ms() - time.time() * 1000) < 5_000


def test_a_random_stream_is_one_object_by_its_name() -> None:
    env = SystemEnv()
    assert env.random("backoff") is env.random("backoff")
    assert env.random("backoff") is not env.random("other")
    assert all(0 <= env.random("backoff").random() < 1 for _ in range(100))


def test_two_streams_tell_different_numbers() -> None:
    env = SystemEnv()
    streams = [env.random("a"), env.random("b"), SystemEnv().random("a")]
    assert len({stream.getrandbits(128) for stream in streams}) == 3
