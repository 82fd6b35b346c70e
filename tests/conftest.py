"""What every test shares."""

from __future__ import annotations

from hypothesis import settings

# No deadline: on a shared machine it measures the neighbours. print_blob: a failure can be replayed from its output.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")
