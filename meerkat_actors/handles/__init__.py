"""What users hold: the handle of an agent, which forwards, and what they do about dead letters."""

from __future__ import annotations

from meerkat_actors.handles.agent import AgentHandle as AgentHandle
from meerkat_actors.handles.letters import DeadLetters as DeadLetters
from meerkat_actors.handles.options import SendOptions as SendOptions
from meerkat_actors.handles.options import SteerOptions as SteerOptions
from meerkat_actors.handles.reach import Reach as Reach
