"""What travels in inputs, messages, state and step results: JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
"""A JSON value: text is Unicode without lone surrogates, numbers are finite and fit 64 bits."""
