"""What happened, told to whoever subscribes: read from the store, never from its owners."""

from __future__ import annotations

from meerkat_actors.actors.events.feed import EventFeed as EventFeed
from meerkat_actors.actors.events.hub import EventHub as EventHub
from meerkat_actors.actors.events.hub import open_events as open_events
