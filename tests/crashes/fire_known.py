"""What is known to go wrong under fire, so that a campaign finds what is not known yet.

Each has its test in ``tests/simulation/test_found.py``, which fails as long as it is true. Who mends the store takes
the test's mark away, and the line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

KNOWN: Final[Mapping[str, Callable[[str], bool]]] = MappingProxyType({})
"""What it is, and how a violation is recognised as that."""


def known_as(violation: str) -> str | None:
    """Which known fault a violation is of; None: it is new."""
    return next((name for name, is_it in KNOWN.items() if is_it(violation)), None)
