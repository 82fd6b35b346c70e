"""How an owner makes room for its successor when its group begins anew."""

from __future__ import annotations

from meerkat_actors.actors.identity.concluding import Owner
from meerkat_actors.machines.state import IdentityState


class RestartingError(Exception):
    """The owner ends as it was told to, with nothing half done. Never leaves this floor."""

    def __init__(self, *, is_unclean: bool) -> None:
        super().__init__(is_unclean)
        self.is_unclean = is_unclean
        """Whether a run still has to be charged with what ended the process, or the owner, before this one."""


def require_stay(owner: Owner, state: IdentityState) -> None:
    """End where the directory wants that; the turn in progress ends as at the runtime's end, and begins again.

    Raises:
        RestartingError: it does.
    """
    if owner.entry.is_restarting:
        raise RestartingError(is_unclean=has_unclean_run(state))


def has_unclean_run(state: IdentityState) -> bool:
    """Whether a run waits that an unclean end interrupted, and that was not begun since."""
    return any(run.is_unclean for run in (state.run, state.parked) if run is not None)
