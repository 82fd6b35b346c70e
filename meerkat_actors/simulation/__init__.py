"""Simulation: the real runtime over the real store, in virtual time, with whatever goes wrong chosen by a seed.

``simulate(scenario, range(100))`` lives through a hundred histories of a ``Scenario``; ``replay`` through one again.
"""

from __future__ import annotations

from meerkat_actors.simulation.client import Asked as Asked
from meerkat_actors.simulation.client import Client as Client
from meerkat_actors.simulation.disk.calls import watched as watched
from meerkat_actors.simulation.disk.device import Disk as Disk
from meerkat_actors.simulation.disk.faults import FITTING as FITTING
from meerkat_actors.simulation.disk.faults import Failure as Failure
from meerkat_actors.simulation.disk.faults import Fault as Fault
from meerkat_actors.simulation.disk.faults import Operation as Operation
from meerkat_actors.simulation.disk.images import Image as Image
from meerkat_actors.simulation.disk.images import image_of as image_of
from meerkat_actors.simulation.disk.seeding import seeded_sqlite as seeded_sqlite
from meerkat_actors.simulation.disk.shadow import Shadow as Shadow
from meerkat_actors.simulation.failures import FailedSeed as FailedSeed
from meerkat_actors.simulation.faults import Faults as Faults
from meerkat_actors.simulation.hands import SlowHands as SlowHands
from meerkat_actors.simulation.outcome import Lived as Lived
from meerkat_actors.simulation.outcome import Seen as Seen
from meerkat_actors.simulation.plan import CallerCancelled as CallerCancelled
from meerkat_actors.simulation.plan import ClockJumps as ClockJumps
from meerkat_actors.simulation.plan import Crash as Crash
from meerkat_actors.simulation.plan import Delayed as Delayed
from meerkat_actors.simulation.plan import DiskFails as DiskFails
from meerkat_actors.simulation.plan import DiskFull as DiskFull
from meerkat_actors.simulation.plan import Govern as Govern
from meerkat_actors.simulation.plan import Moment as Moment
from meerkat_actors.simulation.plan import Plan as Plan
from meerkat_actors.simulation.plan import PowerCut as PowerCut
from meerkat_actors.simulation.plan import Restart as Restart
from meerkat_actors.simulation.plan import SentTwice as SentTwice
from meerkat_actors.simulation.plan import SlowCommits as SlowCommits
from meerkat_actors.simulation.plan import Stall as Stall
from meerkat_actors.simulation.plan import TurnsHang as TurnsHang
from meerkat_actors.simulation.plan import TurnsRaise as TurnsRaise
from meerkat_actors.simulation.report import Report as Report
from meerkat_actors.simulation.report import SimulationFailedError as SimulationFailedError
from meerkat_actors.simulation.report import Totals as Totals
from meerkat_actors.simulation.rows import Row as Row
from meerkat_actors.simulation.running import run as run
from meerkat_actors.simulation.scenario import Check as Check
from meerkat_actors.simulation.scenario import Drive as Drive
from meerkat_actors.simulation.scenario import Scenario as Scenario
from meerkat_actors.simulation.shrinking import shrunk as shrunk
from meerkat_actors.simulation.sweep import AnotherHistoryWarning as AnotherHistoryWarning
from meerkat_actors.simulation.sweep import replay as replay
from meerkat_actors.simulation.sweep import simulate as simulate
from meerkat_actors.simulation.workers import WorkerKilledError as WorkerKilledError
from meerkat_actors.simulation.world import World as World
