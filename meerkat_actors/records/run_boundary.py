"""A run's boundary as the facade of seeds 001 and 002 tells it."""

from __future__ import annotations

from enum import StrEnum

import orjson
from attrs import field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.checks import a_count, a_digest_or_none, a_first, a_uuid, a_version, an_enum, uuids
from meerkat_actors.records.ids import CheckpointVersion, InputId, RunId


class RunApplyBoundary(StrEnum):
    """Where in a run its inputs were applied."""

    IMMEDIATE = "immediate"
    RUN_START = "run_start"
    RUN_CHECKPOINT = "run_checkpoint"


@frozen(kw_only=True)
class RunBoundaryReceipt:
    """Proof that the inputs of a run were applied, and of the conversation after it."""

    run_id: RunId = field(validator=a_uuid)
    boundary: RunApplyBoundary = field(validator=an_enum(RunApplyBoundary))
    contributing_input_ids: tuple[InputId, ...] = field(default=(), validator=uuids)
    """The consumed inputs, in order."""
    conversation_digest: str | None = field(default=None, validator=a_digest_or_none)
    """Hex of the transcript's hash chain after it. None before it is committed: the store works it out."""
    message_count: int = field(default=0, validator=a_count)
    """Length of the conversation after it."""
    sequence: int = field(default=1, validator=a_first)
    """Dense per run, from 1."""
    checkpoint_version: CheckpointVersion | None = field(default=None, validator=a_version)
    """The version that it made. None before it is committed."""


def encode_boundary(receipt: RunBoundaryReceipt) -> bytes:
    """The body of the turn row that keeps a receipt: what no column holds, and no entry of a log.

    Run, digest and version are columns. A facade's transcript is in its snapshot, so the log is empty.
    """
    return orjson.dumps(
        {
            "boundary": receipt.boundary,
            "contributors": receipt.contributing_input_ids,
            "count": receipt.message_count,
            "log": [],
            "sequence": receipt.sequence,
            "text": None,
        },
        option=orjson.OPT_SORT_KEYS,
    )


def decode_boundary(row: TurnRow) -> RunBoundaryReceipt:
    """The receipt in a row that ``encode_boundary`` filled.

    Raises:
        ValueError: another body.
    """
    try:
        body = orjson.loads(row.body)
        return RunBoundaryReceipt(
            run_id=row.run_id,
            boundary=RunApplyBoundary(body["boundary"]),
            contributing_input_ids=tuple(body["contributors"]),
            conversation_digest=row.digest.hex(),
            message_count=body["count"],
            sequence=body["sequence"],
            checkpoint_version=row.version,
        )
    except (KeyError, TypeError, InvalidValueError) as error:
        problem = f"boundary {row.version} of {row.identity} is no receipt of a run: {error}"
        raise ValueError(problem) from error


def boundary_sequence_of(row: TurnRow) -> int:
    """The receipt's place in its run."""
    return int(orjson.loads(row.body).get("sequence", 1))
