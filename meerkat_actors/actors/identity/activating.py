"""How an owner begins: what it reads, and whether it can be served."""

from __future__ import annotations

from meerkat_actors.actors.identity.claiming import claim, read_activation
from meerkat_actors.actors.identity.concluding import Owner
from meerkat_actors.actors.identity.surroundings import UNKNOWN_KIND, UNREADABLE, BrokenIdentityError
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.errors import InvalidValueError
from meerkat_actors.machines.state import IdentityState, begin
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.commands import Create


async def activate(owner: Owner, charges_interruption: bool, *, is_own: bool = False) -> IdentityState:
    """Read and claim. ``is_own``: it was this owner that left it, so nothing that promises nothing is lost."""
    activation = await _read_servable(owner)
    is_shared = owner.around.storage.is_shared
    while is_shared and activation.head is not None and not activation.head.is_buried:
        if not is_own:
            # Whoever held it last told by releasing it whether the end was a good one.
            charges_interruption = activation.head.owner != 0
        token = await claim(owner, activation, activation.head)
        activation = await _read_servable(owner)
        if activation.head is not None and activation.head.token == token:
            break
    is_claimed = is_shared and activation.head is not None and not activation.head.is_buried
    return begin(
        activation,
        charges_interruption=charges_interruption,
        is_claimed=is_claimed,
        keeps_ephemeral=is_own,
        backlog_max=owner.around.limits.backlog_max,
    )


async def _read_servable(owner: Owner) -> Activation:
    activation = await read_activation(owner)
    if activation.head is not None and not activation.head.is_buried:
        _check_servable(owner, activation, activation.head.kind)
    return activation


def _check_servable(owner: Owner, activation: Activation, kind: str) -> None:
    if kind not in owner.around.agents:
        known = ", ".join(owner.around.agents) or "none"
        raise BrokenIdentityError(reason=UNKNOWN_KIND, detail=f"kind {kind!r} is not registered, only: {known}")
    _check_readable(owner, owner.around.agents[kind], activation)


def _check_readable(owner: Owner, kind: AgentKind, activation: Activation) -> None:
    assert activation.head is not None
    is_replaced = owner.entry.brings_config == activation.head.kind
    config = None if activation.config is None or is_replaced else activation.config.body
    _check_config(kind, config, activation.state)


def _check_config(kind: AgentKind, config: bytes | None, state: bytes | None) -> None:
    try:
        kind.check_readable(config, state)
    except InvalidValueError as error:
        # Before a turn can fail of it: what waits is kept for a version of the class that reads it.
        raise BrokenIdentityError(reason=UNREADABLE, detail=str(error)) from error


def require_config(owner: Owner, state: IdentityState, envelopes: list[Envelope]) -> None:
    """The configuration that was to replace an unreadable one has had its lap; a full disk may have refused it."""
    if not any(type(envelope.command) is Create for envelope in envelopes):
        return
    owner.entry.brings_config = None
    if state.is_created and state.config is not None:
        _check_config(owner.around.agents[state.kind], state.config.body, None)
