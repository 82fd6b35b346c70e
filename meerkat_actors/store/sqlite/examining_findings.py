"""What an examination may find: every check by name, what it means when it fails, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from attrs import frozen

FINDINGS_MAX: Final = 10_000
"""Findings that are kept; more are counted. It bounds the memory that a wholly damaged file takes."""


class Check(StrEnum):
    """What is looked at."""

    FILE = "file"
    INTEGRITY = "integrity"
    REFERENCES = "references"
    META = "meta"
    MARK = "mark"
    LOG = "log"
    LEFTOVERS = "leftovers"
    LEASES = "leases"
    SEQUENCE = "sequence"
    UNREADABLE = "unreadable"
    FORM = "form"
    NAME = "name"
    HEAD = "head"
    SESSION = "session"
    CONFIG = "config"
    CHAIN = "chain"
    DIGEST = "digest"
    BODY = "body"
    FENCE = "fence"
    RECEIPT = "receipt"
    INPUT = "input"
    CONTENT = "content"
    ADMISSION = "admission"
    RUN = "run"
    JOURNAL = "journal"
    MAIL = "mail"
    CONTINUITY = "continuity"
    SNAPSHOT = "snapshot"
    DOCUMENT = "document"
    TIMER = "timer"
    OPERATION = "operation"
    EVENT = "event"


@frozen(kw_only=True)
class Remedy:
    """What a finding of one check means, and what to do."""

    meaning: str
    advice: str


_RESTORE: Final = "restore the file from a backup; until then don't serve this agent"
_RESTORE_FILE: Final = "end its owners, keep a copy, and restore the file from a backup"

REMEDIES: Final[Mapping[Check, Remedy]] = MappingProxyType(
    {
        Check.FILE: Remedy(
            meaning="the file can't be taken for a whole store, so nothing else was looked at",
            advice="do what the detail says; otherwise restore the file from a backup",
        ),
        Check.INTEGRITY: Remedy(
            meaning="SQLite finds pages, indexes or columns of the file damaged", advice=_RESTORE_FILE
        ),
        Check.REFERENCES: Remedy(meaning="a row names another row that is not there", advice=_RESTORE_FILE),
        Check.META: Remedy(meaning="what the store says of itself can't be true", advice=_RESTORE_FILE),
        Check.MARK: Remedy(
            meaning="the file is older than what was acknowledged: commits are missing",
            advice="find the newer file, or its -wal; an older backup loses what was acknowledged since",
        ),
        Check.LOG: Remedy(
            meaning="the log beside the database is damaged: SQLite would go on without what was committed behind that",
            advice="don't open it: a copy of the log that is whole has the commits; otherwise they are lost",
        ),
        Check.LEFTOVERS: Remedy(
            meaning="a file beside the database is none of a store's",
            advice="see who else writes this database; no store of ours has a rollback journal",
        ),
        Check.LEASES: Remedy(
            meaning="the row of an owner can't be what an owner wrote",
            advice="end every owner, and open the store once with ownership='exclusive'; that removes the rows",
        ),
        Check.SEQUENCE: Remedy(meaning="a number of the store was given out twice", advice=_RESTORE_FILE),
        Check.UNREADABLE: Remedy(meaning="rows can't be read, so they were not looked at", advice=_RESTORE_FILE),
        Check.FORM: Remedy(meaning="a column holds what no version wrote there", advice=_RESTORE),
        Check.NAME: Remedy(meaning="a name is none, or rows have no name", advice=_RESTORE),
        Check.HEAD: Remedy(
            meaning="the authority row does not agree with what it is the authority of", advice=_RESTORE
        ),
        Check.SESSION: Remedy(meaning="a session is not bound to the generation that uses it", advice=_RESTORE),
        Check.CONFIG: Remedy(meaning="a version of the configuration is lost or was changed", advice=_RESTORE),
        Check.CHAIN: Remedy(meaning="boundaries are lost, or in another order than they were made", advice=_RESTORE),
        Check.DIGEST: Remedy(meaning="the transcript is not the one that the receipts prove", advice=_RESTORE),
        Check.BODY: Remedy(meaning="a boundary does not hold what a boundary holds", advice=_RESTORE),
        Check.FENCE: Remedy(
            meaning="a fencing token is above what was claimed, or fell: a stale owner could have written",
            advice=_RESTORE,
        ),
        Check.RECEIPT: Remedy(
            meaning="a receipt and the inputs that it consumed don't name each other", advice=_RESTORE
        ),
        Check.INPUT: Remedy(meaning="an input contradicts itself or its neighbours", advice=_RESTORE),
        Check.CONTENT: Remedy(meaning="the content of an input is not what was admitted", advice=_RESTORE),
        Check.ADMISSION: Remedy(meaning="inputs are lost, or were admitted twice or in another order", advice=_RESTORE),
        Check.RUN: Remedy(meaning="what is staged is not one run", advice=_RESTORE),
        Check.JOURNAL: Remedy(
            meaning="recorded steps of no live run, or not all of them: a step would run again, or not at all",
            advice=_RESTORE,
        ),
        Check.MAIL: Remedy(meaning="mail of this sender is lost, or was numbered twice", advice=_RESTORE),
        Check.CONTINUITY: Remedy(
            meaning="what the continuity facade keeps does not agree with the authority row", advice=_RESTORE
        ),
        Check.SNAPSHOT: Remedy(meaning="a session document is lost or is not what was saved", advice=_RESTORE),
        Check.DOCUMENT: Remedy(meaning="a document is lost or is not what was put", advice=_RESTORE),
        Check.TIMER: Remedy(meaning="a timer is nobody's, or does not say what it fires", advice=_RESTORE),
        Check.OPERATION: Remedy(meaning="an operation is not what was put", advice=_RESTORE),
        Check.EVENT: Remedy(meaning="what observers were told of a unit can't be read", advice=_RESTORE),
    }
)


@frozen(kw_only=True)
class Finding:
    """One thing that is wrong."""

    check: Check
    identity: str | None
    """Whose it is; None for the whole store. Text from the file: escape it where it is shown."""
    detail: str


class Findings:
    """What was found so far."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        """The first ``FINDINGS_MAX``."""
        self.counts: Counter[Check] = Counter()
        self.notes: list[str] = []
        """What is worth knowing and not wrong: owners, and files that they left."""

    def add(self, check: Check, detail: str, identity: str | None = None) -> None:
        """One more."""
        self.counts[check] += 1
        if len(self.kept) < FINDINGS_MAX:
            self.kept.append(Finding(check=check, identity=identity, detail=detail))

    @property
    def number(self) -> int:
        """How many there are, also those that are not kept."""
        return self.counts.total()
