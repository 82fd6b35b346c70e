"""The memory store is the model: whatever is committed, every store answers and shows the same.

The units are those of ``scripts/campaign units``; here Hypothesis makes the choices, in short histories that are
looked at after every moment, and so it makes smaller what it finds. Some batches have one more unit that is always
refused, so that none of them goes through as one group, or each unit by itself: all paths are compared.
"""

from __future__ import annotations

from random import Random
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.unit_campaign import DifferenceError, open_pair

MOMENTS_MAX: Final = 8
UNITS_MAX: Final = 6
"""Of one batch."""


# A history takes more choices than Hypothesis expects of an example; those that take too many are dropped.
@settings(max_examples=150, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, MOMENTS_MAX))
def test_every_store_does_what_the_memory_store_does(chance: Random, moments: int) -> None:
    with open_pair() as pair:
        try:
            for _ in range(moments):
                pair.choose(chance, UNITS_MAX)
                pair.finish()
        except DifferenceError as error:
            error.add_note("\n".join(map(str, pair.history)))
            raise
