"""One turn of an agent: what its function holds, and the task that runs it."""

from __future__ import annotations

from meerkat_actors.actors.turn.job import TurnInput as TurnInput
from meerkat_actors.actors.turn.job import TurnJob as TurnJob
from meerkat_actors.actors.turn.kind import AgentFunction as AgentFunction
from meerkat_actors.actors.turn.kind import AgentKind as AgentKind
from meerkat_actors.actors.turn.kind import kind_of as kind_of
from meerkat_actors.actors.turn.run import refuse_inside_turn as refuse_inside_turn
from meerkat_actors.actors.turn.run import run_turn as run_turn
from meerkat_actors.actors.turn.turn import Turn as Turn
from meerkat_actors.actors.turn.wiring import Wiring as Wiring
from meerkat_actors.actors.turn.wiring import every_name as every_name
