"""What an identity's owner is asked, and what it answers."""

from __future__ import annotations

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, InputId, RunId
from meerkat_actors.records.inputs import InputKind, Mail
from meerkat_actors.records.runs import TurnEnding


@hot
class Create:
    """Create the identity, or find it; another kind than the stored one is a ``UsageError``."""

    kind: str | None
    """None: open an existing identity only."""
    config: bytes | None = None
    """Canonical JSON of its configuration from now on; None leaves it as it is."""


@hot
class Send:
    """Admit an input from outside."""

    input_id: InputId
    kind: InputKind
    content: bytes
    digest: bytes
    idempotency_key: str | None


@hot
class Wait:
    """Tell the outcome of an admitted input when it has one."""

    input_id: InputId
    admission: AdmissionSequence


@hot
class TakePending:
    """Admit mail that was read for this identity."""

    mail: tuple[Mail, ...]


@hot
class EndTurn:
    """The turn of a run is over."""

    run_id: RunId
    ending: TurnEnding


@hot
class JournalStep:
    """Record the result of a step of the run in progress."""

    run_id: RunId
    name: str
    nth: int
    arguments: bytes
    result: bytes


@hot
class BackoffOver:
    """The wait between two attempts of a run is over."""

    run_id: RunId


@hot
class GetStatus:
    """Say what the identity is doing."""


@hot
class Look:
    """Nothing is asked; look whether there is work."""


Command = Create | Send | Wait | TakePending | EndTurn | JournalStep | BackoffOver | GetStatus | Look
