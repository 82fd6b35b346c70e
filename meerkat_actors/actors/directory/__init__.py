"""The directory: who is live, and how owners live and end."""

from __future__ import annotations

from meerkat_actors.actors.directory.life import open_directory as open_directory
from meerkat_actors.actors.directory.registry import Directory as Directory
from meerkat_actors.actors.directory.statistics import read_statistics as read_statistics
