"""What the planted faults are made of: attributes that are others inside of a block."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

Patches: TypeAlias = "list[tuple[Any, str, object]]"
"""Whose attribute becomes what."""


@contextmanager
def patched(patches: Patches) -> Generator[None]:
    """Inside of the block these attributes are others."""
    before: Patches = [(owner, name, vars(owner)[name]) for owner, name, _ in patches]
    for owner, name, value in patches:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def nothing(*_: object) -> None:
    """What is left of a function that a fault takes away."""
