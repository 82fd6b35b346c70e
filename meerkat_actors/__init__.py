"""Durable agents in one process: actors on Trio, state in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meerkat_actors.errors import AlreadyOwnedError as AlreadyOwnedError
from meerkat_actors.errors import BacklogFullError as BacklogFullError
from meerkat_actors.errors import CounterExhaustedError as CounterExhaustedError
from meerkat_actors.errors import CursorExpiredError as CursorExpiredError
from meerkat_actors.errors import DefinitionError as DefinitionError
from meerkat_actors.errors import DestroyedError as DestroyedError
from meerkat_actors.errors import DuplicateReceiptError as DuplicateReceiptError
from meerkat_actors.errors import FenceConflictError as FenceConflictError
from meerkat_actors.errors import GenerationConflictError as GenerationConflictError
from meerkat_actors.errors import IdempotencyConflictError as IdempotencyConflictError
from meerkat_actors.errors import IdentityBrokenError as IdentityBrokenError
from meerkat_actors.errors import IllegalTransitionError as IllegalTransitionError
from meerkat_actors.errors import InputRejection as InputRejection
from meerkat_actors.errors import InvalidValueError as InvalidValueError
from meerkat_actors.errors import JournalMismatchError as JournalMismatchError
from meerkat_actors.errors import MailboxFullError as MailboxFullError
from meerkat_actors.errors import MeerkatError as MeerkatError
from meerkat_actors.errors import MixedSessionError as MixedSessionError
from meerkat_actors.errors import NotOurStoreError as NotOurStoreError
from meerkat_actors.errors import NotReadyError as NotReadyError
from meerkat_actors.errors import NotWiredError as NotWiredError
from meerkat_actors.errors import OperationsEpochRetiredError as OperationsEpochRetiredError
from meerkat_actors.errors import OperationWaitEndedError as OperationWaitEndedError
from meerkat_actors.errors import OwnershipLostError as OwnershipLostError
from meerkat_actors.errors import OwnerStoppedError as OwnerStoppedError
from meerkat_actors.errors import ReceiptGapError as ReceiptGapError
from meerkat_actors.errors import ReceiptMismatchError as ReceiptMismatchError
from meerkat_actors.errors import RecordDeletedError as RecordDeletedError
from meerkat_actors.errors import RecordNotFoundError as RecordNotFoundError
from meerkat_actors.errors import RejectedError as RejectedError
from meerkat_actors.errors import RejectedInputError as RejectedInputError
from meerkat_actors.errors import SessionBoundError as SessionBoundError
from meerkat_actors.errors import SessionKeyMismatchError as SessionKeyMismatchError
from meerkat_actors.errors import SnapshotSupersededError as SnapshotSupersededError
from meerkat_actors.errors import StaleCheckpointVersionError as StaleCheckpointVersionError
from meerkat_actors.errors import StaleFencingTokenError as StaleFencingTokenError
from meerkat_actors.errors import StepUnknownError as StepUnknownError
from meerkat_actors.errors import StoreBehindError as StoreBehindError
from meerkat_actors.errors import StoreBehindWarning as StoreBehindWarning
from meerkat_actors.errors import StoreCorruptError as StoreCorruptError
from meerkat_actors.errors import StoreError as StoreError
from meerkat_actors.errors import StoreFailedError as StoreFailedError
from meerkat_actors.errors import StoreFullError as StoreFullError
from meerkat_actors.errors import StoreInterruptedError as StoreInterruptedError
from meerkat_actors.errors import StoreInUseError as StoreInUseError
from meerkat_actors.errors import StoreSchemaError as StoreSchemaError
from meerkat_actors.errors import SupersededError as SupersededError
from meerkat_actors.errors import SupervisionError as SupervisionError
from meerkat_actors.errors import TooManyOperationsError as TooManyOperationsError
from meerkat_actors.errors import TranscriptContinuityError as TranscriptContinuityError
from meerkat_actors.errors import TranscriptRevisionConflictError as TranscriptRevisionConflictError
from meerkat_actors.errors import TurnAbandonedError as TurnAbandonedError
from meerkat_actors.errors import TurnAliveError as TurnAliveError
from meerkat_actors.errors import UnknownIdentityError as UnknownIdentityError
from meerkat_actors.errors import UnknownInputError as UnknownInputError
from meerkat_actors.errors import UnknownKindError as UnknownKindError
from meerkat_actors.errors import UnknownOperationError as UnknownOperationError
from meerkat_actors.errors import UnknownOutcomeError as UnknownOutcomeError
from meerkat_actors.errors import UnsupportedError as UnsupportedError
from meerkat_actors.errors import UnsupportedPlatformWarning as UnsupportedPlatformWarning
from meerkat_actors.errors import UsageError as UsageError
from meerkat_actors.errors import WaitEndedError as WaitEndedError
from meerkat_actors.records.activation import IdentityRow as IdentityRow
from meerkat_actors.records.backups import BackupCheck as BackupCheck
from meerkat_actors.records.backups import BackupReport as BackupReport
from meerkat_actors.records.content import JSON as JSON
from meerkat_actors.records.env import Env as Env
from meerkat_actors.records.env import SystemEnv as SystemEnv
from meerkat_actors.records.facts import Configured as Configured
from meerkat_actors.records.facts import Created as Created
from meerkat_actors.records.facts import DesiredChanged as DesiredChanged
from meerkat_actors.records.facts import Destroyed as Destroyed
from meerkat_actors.records.facts import Emitted as Emitted
from meerkat_actors.records.facts import GenerationBegan as GenerationBegan
from meerkat_actors.records.facts import InputAbandoned as InputAbandoned
from meerkat_actors.records.facts import InputCoalesced as InputCoalesced
from meerkat_actors.records.facts import InputNoted as InputNoted
from meerkat_actors.records.facts import InputSuperseded as InputSuperseded
from meerkat_actors.records.facts import LetterSettled as LetterSettled
from meerkat_actors.records.facts import MailTaken as MailTaken
from meerkat_actors.records.facts import OperationChanged as OperationChanged
from meerkat_actors.records.facts import OperationEnded as OperationEnded
from meerkat_actors.records.facts import OperationsCollected as OperationsCollected
from meerkat_actors.records.facts import OperationStarted as OperationStarted
from meerkat_actors.records.facts import RunFailed as RunFailed
from meerkat_actors.records.facts import TimerDropped as TimerDropped
from meerkat_actors.records.facts import TimerFired as TimerFired
from meerkat_actors.records.facts import TimerSet as TimerSet
from meerkat_actors.records.headers import Durability as Durability
from meerkat_actors.records.headers import Header as Header
from meerkat_actors.records.headers import Mode as Mode
from meerkat_actors.records.headers import Origin as Origin
from meerkat_actors.records.headers import ResponseStatus as ResponseStatus
from meerkat_actors.records.ids import AgentIdentity as AgentIdentity
from meerkat_actors.records.ids import InputId as InputId
from meerkat_actors.records.ids import OperationId as OperationId
from meerkat_actors.records.inputs import InputKind as InputKind
from meerkat_actors.records.inputs import InputRecord as InputRecord
from meerkat_actors.records.inputs import InputState as InputState
from meerkat_actors.records.letters import DeadLetter as DeadLetter
from meerkat_actors.records.limits import Limits as Limits
from meerkat_actors.records.mob import MobDefinition as MobDefinition
from meerkat_actors.records.mob import parse_mob as parse_mob
from meerkat_actors.records.operation import OperationKind as OperationKind
from meerkat_actors.records.operation import OperationStatus as OperationStatus
from meerkat_actors.records.operation_listing import OperationCursors as OperationCursors
from meerkat_actors.records.operation_record import OperationRecord as OperationRecord
from meerkat_actors.records.outcomes import Abandoned as Abandoned
from meerkat_actors.records.outcomes import AbandonReason as AbandonReason
from meerkat_actors.records.outcomes import Admission as Admission
from meerkat_actors.records.outcomes import Answer as Answer
from meerkat_actors.records.outcomes import Coalesced as Coalesced
from meerkat_actors.records.outcomes import Consumed as Consumed
from meerkat_actors.records.outcomes import Noted as Noted
from meerkat_actors.records.outcomes import Outcome as Outcome
from meerkat_actors.records.outcomes import Receipt as Receipt
from meerkat_actors.records.outcomes import ReceiptOutcome as ReceiptOutcome
from meerkat_actors.records.outcomes import Superseded as Superseded
from meerkat_actors.records.pruning import PrunePolicy as PrunePolicy
from meerkat_actors.records.pruning import PruneReport as PruneReport
from meerkat_actors.records.runtime_events import EVENTS_BEGINNING as EVENTS_BEGINNING
from meerkat_actors.records.runtime_events import EventCursor as EventCursor
from meerkat_actors.records.runtime_events import EventGap as EventGap
from meerkat_actors.records.runtime_events import InputAccepted as InputAccepted
from meerkat_actors.records.runtime_events import MessageSent as MessageSent
from meerkat_actors.records.runtime_events import RuntimeEvent as RuntimeEvent
from meerkat_actors.records.runtime_events import TurnEnded as TurnEnded
from meerkat_actors.records.schedules import Cron as Cron
from meerkat_actors.records.schedules import Every as Every
from meerkat_actors.records.schedules import Once as Once
from meerkat_actors.records.schedules import Overlap as Overlap
from meerkat_actors.records.schedules import ScheduleRecord as ScheduleRecord
from meerkat_actors.records.status import Desired as Desired
from meerkat_actors.records.status import IdentityStatus as IdentityStatus
from meerkat_actors.records.status import Phase as Phase
from meerkat_actors.records.status import Quantiles as Quantiles
from meerkat_actors.records.status import Statistics as Statistics
from meerkat_actors.records.supervision import Quarantined as Quarantined
from meerkat_actors.records.supervision import SupervisionGroup as SupervisionGroup

if TYPE_CHECKING:
    from meerkat_actors.actors.streams import StreamPiece as StreamPiece
    from meerkat_actors.actors.turn import AgentFunction as AgentFunction
    from meerkat_actors.actors.turn import AgentKind as AgentKind
    from meerkat_actors.actors.turn import Turn as Turn
    from meerkat_actors.actors.turn import TurnInput as TurnInput
    from meerkat_actors.actors.turn.wiring import Wiring as Wiring
    from meerkat_actors.facades import AsyncContinuityStore as AsyncContinuityStore
    from meerkat_actors.facades import AsyncRuntimeStore as AsyncRuntimeStore
    from meerkat_actors.handles import AgentHandle as AgentHandle
    from meerkat_actors.handles import SendOptions as SendOptions
    from meerkat_actors.handles.operations import Operations as Operations
    from meerkat_actors.listings import Message as Message
    from meerkat_actors.runtime import Runtime as Runtime
    from meerkat_actors.runtime import open_runtime as open_runtime
else:
    # What brings Trio along comes when it is asked for: a command that only looks starts in two thirds of the time.
    _LATE = {
        "AgentFunction": "meerkat_actors.actors.turn",
        "AgentKind": "meerkat_actors.actors.turn",
        "Turn": "meerkat_actors.actors.turn",
        "TurnInput": "meerkat_actors.actors.turn",
        "AsyncContinuityStore": "meerkat_actors.facades",
        "AsyncRuntimeStore": "meerkat_actors.facades",
        "AgentHandle": "meerkat_actors.handles",
        "SendOptions": "meerkat_actors.handles",
        "Message": "meerkat_actors.listings",
        "StreamPiece": "meerkat_actors.actors.streams",
        "Wiring": "meerkat_actors.actors.turn.wiring",
        "Operations": "meerkat_actors.handles.operations",
        "Runtime": "meerkat_actors.runtime",
        "open_runtime": "meerkat_actors.runtime",
    }

    def __getattr__(name: str) -> object:
        module = _LATE.get(name)
        if module is None:
            problem = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(problem)
        from importlib import import_module

        value = globals()[name] = getattr(import_module(module), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATE})
