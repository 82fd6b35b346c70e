"""What a turn tells whoever watches: events, which commit with it, and the pieces of a stream, which don't."""

from __future__ import annotations

import trio

from meerkat_actors.actors.turn.gathering import check_count, gathered
from meerkat_actors.actors.turn.job import Draft, TurnJob
from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.content import JSON
from meerkat_actors.records.facts import Emitted
from meerkat_actors.records.ids import is_unicode, parse_key, shown


def emit(job: TurnJob, draft: Draft, name: str, data: JSON) -> None:
    """Tell an event. See ``Turn.emit``."""
    emitted = draft.more.emitted
    parse_key(name, what="event name", length_max=job.limits.key_length_max)
    check_count(job, len(emitted), "emits", "events")
    emitted.append(Emitted(name, gathered(draft, data, "event", job.limits)))


def stream(job: TurnJob, draft: Draft, chunk: str) -> None:
    """Tell a piece of the stream at once. See ``Turn.stream``."""
    length_max = job.limits.content_bytes_max
    if type(chunk) is not str or len(chunk) > length_max or not is_unicode(chunk):
        problem = f"stream({shown(chunk)}): use a text of at most {length_max:,} characters, without lone surrogates"
        raise InvalidValueError(problem=f"{job.identity}: {problem}")
    if draft.thread is None:
        job.stream(chunk)
    else:
        trio.from_thread.run_sync(_stream_from_thread, job, draft, chunk)


def _stream_from_thread(job: TurnJob, draft: Draft, chunk: str) -> None:
    # Its turn may have been cancelled while the thread waited for the loop: then nobody listens to it any more.
    if not draft.is_over:
        job.stream(chunk)
