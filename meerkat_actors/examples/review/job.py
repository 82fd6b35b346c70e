"""The job: a team reviews every source of a folder, durably.

1. Every file is one input, keyed by the analysis, its path and its digest: what was sent stays sent,
   a changed file is new work, an unchanged one is not.
2. What the lead received is the record of what was found; nothing else is kept.
3. The report is composed from that record, for the sources as they are now.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

import trio
from attrs import frozen

import meerkat_actors as meerkat
from meerkat_actors.examples.review.agents import AGENTS, task
from meerkat_actors.examples.review.analysis import analysis_version
from meerkat_actors.examples.review.findings import Review, parse_review
from meerkat_actors.examples.review.folder import SourceFile, SourceFolder
from meerkat_actors.examples.review.output import write_page
from meerkat_actors.examples.review.progress import (
    InputAcknowledged,
    InputEnded,
    MemberReady,
    Phase,
    PhaseStarted,
    Progress,
    ReportWritten,
)
from meerkat_actors.examples.review.report import Reviewed, compose_report
from meerkat_actors.examples.review.team import Team
from meerkat_actors.records.ids import AgentIdentity

CONCURRENT_MAX: Final = 32
"""Requests in flight at a time: enough for one commit to carry many, far below any mailbox."""

LOOK_SECONDS: Final = 0.2
"""Between two looks at the members, if somebody wants to see them."""

_KEY_LENGTH_MAX: Final = 200

T = TypeVar("T")


@frozen(kw_only=True)
class Job:
    """What to review, by whom, and where the results go."""

    folder: SourceFolder
    team: Team
    out: Path
    """A folder, made if it doesn't exist."""
    look: Callable[[Sequence[meerkat.IdentityStatus]], None] | None = None
    """Told every ``LOOK_SECONDS`` how the members are, while the job runs; None: nobody looks."""

    @property
    def database(self) -> Path:
        """Where everything durable is."""
        return self.out / "review.db"

    @property
    def report(self) -> Path:
        """The page that the job writes."""
        return self.out / "review.md"


@frozen(kw_only=True)
class DeadLetter:
    """A file that its agent gave up on."""

    path: str
    identity: AgentIdentity
    outcome: meerkat.Abandoned


@frozen(kw_only=True)
class JobResult:
    """How a job ended."""

    statistics: meerkat.Statistics
    """Of this run alone."""
    seconds: float
    """From the first admission to the last turn."""
    dead_letters: tuple[DeadLetter, ...]
    missing: tuple[str, ...]
    """Paths of which no review reached the lead."""
    reviews: tuple[Review, ...]
    """What the report is made of."""


@frozen(kw_only=True)
class _Member:
    agent: meerkat.AgentHandle
    status: meerkat.IdentityStatus
    """As it was when the member was ready."""


async def review_folder(job: Job, progress: Progress) -> JobResult:
    """Create or resume the team, have every file reviewed, and write the report.

    Cancelling, or killing the process, loses nothing that was acknowledged: the same job run
    again does what is left, and writes the same report.

    Raises:
        MeerkatError: the runtime can't go on; what was acknowledged is safe.
        OSError: the folder for the results can't be made or written.
    """
    progress(PhaseStarted(phase=Phase.SET_UP, total=len(job.team.members)))
    job.out.mkdir(parents=True, exist_ok=True)
    async with meerkat.open_runtime(job.database, agents=AGENTS) as runtime:
        members = await _set_up(runtime, job, progress)
        started = trio.current_time()
        async with _open_look(members, job):
            admissions = await _admit(members, job, progress)
            dead_letters = await _reviews(members, job, admissions, progress)
            await runtime.wait_idle()
        seconds = trio.current_time() - started
        progress(PhaseStarted(phase=Phase.REPORT, total=1))
        received, unread = await _received(members[job.team.lead.identity].agent, job.folder.files)
        missing = tuple(file.path for file in job.folder.files if (file.path, file.digest) not in received)
        reviews = tuple(received.values())
        page = compose_report(
            Reviewed(
                folder=job.folder.name,
                version=analysis_version(),
                reviews=reviews,
                missing=missing,
                broken=job.folder.broken,
            )
        )
        await trio.to_thread.run_sync(write_page, job.report, page)
        progress(ReportWritten(reviews=len(received)))
        statistics = runtime.statistics()
    return JobResult(
        statistics=statistics,
        seconds=seconds,
        dead_letters=(*dead_letters, *unread),
        missing=missing,
        reviews=reviews,
    )


async def _set_up(runtime: meerkat.Runtime, job: Job, progress: Progress) -> Mapping[AgentIdentity, _Member]:
    members: dict[AgentIdentity, _Member] = {}

    async def resume(identity: AgentIdentity, kind: str) -> None:
        agent = await runtime.agent(identity, kind=kind)
        status = await agent.status()
        members[identity] = _Member(agent=agent, status=status)
        progress(MemberReady(identity=identity, turns=status.checkpoint_version))

    await _each(job.team.members, lambda member: resume(member.identity, member.kind))
    return members


@asynccontextmanager
async def _open_look(members: Mapping[AgentIdentity, _Member], job: Job) -> AsyncGenerator[None, None]:
    """Show the members to whoever looks until the block ends."""
    if job.look is None:
        yield
        return
    look = job.look

    async def look_once() -> None:
        # A member that can't answer is the job's matter, not the picture's.
        with suppress(meerkat.MeerkatError):
            look([await member.agent.status() for member in members.values()])

    async def run_look() -> None:
        # A picture has a rate of frames: what it shows is sampled, and nobody waits for it.
        while True:
            await look_once()
            await trio.sleep(LOOK_SECONDS)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_look)
        yield
        nursery.cancel_scope.cancel()
    await look_once()


# -- admission and turns ------------------------------------------------------------------


async def _admit(
    members: Mapping[AgentIdentity, _Member], job: Job, progress: Progress
) -> Mapping[str, meerkat.Admission]:
    admissions: dict[str, meerkat.Admission] = {}
    progress(PhaseStarted(phase=Phase.ADMISSION, total=len(job.folder.files)))

    async def admit(file: SourceFile) -> None:
        agent = members[_reviewer(job.team, file)].agent
        admissions[file.path] = await _send(agent, file, _key(file), progress)

    await _each(job.folder.files, admit)
    return admissions


async def _reviews(
    members: Mapping[AgentIdentity, _Member],
    job: Job,
    admissions: Mapping[str, meerkat.Admission],
    progress: Progress,
) -> tuple[DeadLetter, ...]:
    dead_letters: list[DeadLetter] = []
    progress(PhaseStarted(phase=Phase.TURNS, total=len(job.folder.files)))

    async def review(file: SourceFile) -> None:
        member = members[_reviewer(job.team, file)]
        admission = admissions[file.path]
        outcome = await _outcome(member, file, admission, progress)
        # What an earlier run gave up on is tried once more by this one, as new work.
        while isinstance(outcome, meerkat.Abandoned) and admission.duplicate:
            admission = await _send(member.agent, file, f"again:{admission.input_id}", progress)
            outcome = await _outcome(member, file, admission, progress)
        if isinstance(outcome, meerkat.Abandoned):
            dead_letters.append(DeadLetter(path=file.path, identity=member.status.identity, outcome=outcome))

    await _each(job.folder.files, review)
    return tuple(sorted(dead_letters, key=lambda letter: letter.path))


async def _send(agent: meerkat.AgentHandle, file: SourceFile, key: str, progress: Progress) -> meerkat.Admission:
    admission = await agent.send(task(file.path, file.digest, file.source), idempotency_key=key)
    progress(
        InputAcknowledged(
            identity=agent.identity,
            input_id=admission.input_id,
            key=key,
            path=file.path,
            duplicate=admission.duplicate,
        )
    )
    return admission


async def _outcome(
    member: _Member, file: SourceFile, admission: meerkat.Admission, progress: Progress
) -> meerkat.Outcome:
    outcome = await member.agent.wait(admission.input_id)
    earlier = (
        isinstance(outcome, meerkat.Consumed)
        and outcome.receipt.generation == member.status.generation
        and outcome.receipt.checkpoint_version <= member.status.checkpoint_version
    )
    progress(
        InputEnded(
            identity=member.status.identity,
            input_id=admission.input_id,
            path=file.path,
            outcome=outcome,
            earlier=earlier,
        )
    )
    return outcome


def _reviewer(team: Team, file: SourceFile) -> AgentIdentity:
    # By path: whoever reviewed a file before reviews it again.
    place = int.from_bytes(sha256(file.path.encode()).digest()) % len(team.reviewers)
    return team.reviewers[place].identity


def _key(file: SourceFile) -> str:
    key = f"{analysis_version()}:{file.path}:{file.digest}"
    if len(key) <= _KEY_LENGTH_MAX and key.isprintable():
        return key
    return f"{analysis_version()}:{sha256(file.path.encode()).hexdigest()}:{file.digest}"


# -- what the lead received ---------------------------------------------------------------


async def _received(
    lead: meerkat.AgentHandle, files: Iterable[SourceFile]
) -> tuple[Mapping[tuple[str, str], Review], tuple[DeadLetter, ...]]:
    """The reviews of these very sources by this very analysis, and those that the lead gave up on."""
    wanted = {(file.path, file.digest) for file in files}
    received: dict[tuple[str, str], Review] = {}
    unread: dict[tuple[str, str], DeadLetter] = {}
    # Newest first: after a run that had everything to do, this reads only what that run sent.
    async with aclosing(lead.inputs()) as records:
        async for record in records:
            review = parse_review(record.content)
            if review is None or review.analysis.version != analysis_version():
                continue
            key = (review.path, review.digest)
            if key not in wanted or key in received:
                continue
            if isinstance(record.outcome, meerkat.Abandoned):
                unread[key] = DeadLetter(path=review.path, identity=lead.identity, outcome=record.outcome)
                continue
            received[key] = review
            if len(received) == len(wanted):
                break
    return received, tuple(letter for key, letter in sorted(unread.items()) if key not in received)


async def _each(items: Iterable[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Do the work for every item, a bounded number of them at a time."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    async with trio.open_nursery() as nursery:
        for _ in range(CONCURRENT_MAX):
            nursery.start_soon(worker)
