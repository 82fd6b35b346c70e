"""How what a client asked is named in a violation."""

from __future__ import annotations

from meerkat_actors.simulation.client import Asked


def named(asked: Asked) -> str:
    """Who asked whom for what, when, in virtual seconds, and how often."""
    times = f"{asked.called:.3f} to {asked.returned:.3f} s, tries: {asked.tries}"
    return f"{asked.agent}: input {asked.input_id} of {asked.client} ({asked.what}, {times})"
