"""The command line: ``meerkat-actors``, and ``python -m meerkat_actors``."""

from __future__ import annotations

from meerkat_actors.cli.start import main as main
