"""What a simulated world is made of. Today: a disk that fails as told under the real store, and slow commits."""

from __future__ import annotations

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
from meerkat_actors.simulation.hands import SlowHands as SlowHands
