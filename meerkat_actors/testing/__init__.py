"""What tests of agents and of stores need, without any test runner."""

from __future__ import annotations
