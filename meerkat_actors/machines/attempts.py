"""When a failed run is tried again."""

from __future__ import annotations

from meerkat_actors.records.limits import Limits


def backoff_ms(failures: int, *, limits: Limits, jitter: float) -> int:
    """Milliseconds between failure number ``failures`` (from 1) and the next attempt.

    Doubles with each failure up to a bound; ``jitter`` in 0..1 spreads what failed together.
    """
    # 2.0**1024 overflows; anything beyond 64 doublings is at the bound anyway.
    seconds = min(limits.backoff_seconds * 2.0 ** min(failures - 1, 64), limits.backoff_seconds_max)
    return round(1000 * seconds * (1 + limits.backoff_jitter * (2 * jitter - 1)))


def backoff_ms_max(limits: Limits) -> int:
    """The longest that ``backoff_ms`` can ask for."""
    return round(1000 * limits.backoff_seconds_max * (1 + limits.backoff_jitter))
