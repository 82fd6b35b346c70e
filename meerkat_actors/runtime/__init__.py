"""A runtime, and what opens it."""

from __future__ import annotations

from meerkat_actors.runtime.facade import Runtime as Runtime
from meerkat_actors.runtime.opening import open_runtime as open_runtime
from meerkat_actors.runtime.opening import serve as serve
