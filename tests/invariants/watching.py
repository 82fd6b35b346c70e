"""Keeps in mind which stores a test served, and what the callers of their runtimes were told; then checks both.

It wraps the beginning of serving, and the calls of a handle; in between nothing is done for it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

import apsw
import pytest
from attrs import define, field

from meerkat_actors.handles import agent as agent_module
from meerkat_actors.handles.governing import Governing
from meerkat_actors.handles.reach import Reach
from meerkat_actors.records.activation import Opening
from meerkat_actors.records.outcomes import Admission, Outcome
from meerkat_actors.simulation.checks import Call, Contents, Evidence, read_database, read_tables, tables_of, violations
from meerkat_actors.store import MemoryStore, SqliteStore
from meerkat_actors.store.memory_tables import Tables

Source = Tables | Path


@define(eq=False)
class Served:
    """One store that a test served, and who asked its runtimes."""

    source: Source
    calls: list[Call] = field(factory=list[Call])
    unanswered: int = 0
    attempts_max: int | None = None

    def read(self) -> Contents | None:
        """What it holds; None where nobody could tell: it is gone, or no database any more."""
        if isinstance(self.source, Tables):
            return read_tables(self.source)
        if not self.source.is_file():
            return None
        try:
            return read_database(self.source)
        except apsw.Error:
            # Damage is the matter of the tests that do it, and of doctor's.
            return None

    def violations(self, *, is_by_hand: bool) -> list[str]:
        """What is wrong with it."""
        contents = self.read()
        if contents is None:
            return []
        evidence = Evidence(
            contents=contents, calls=tuple(self.calls), unanswered=self.unanswered, attempts_max=self.attempts_max
        )
        return [f"{contents.location}: {problem}" for problem in violations(evidence, is_by_hand=is_by_hand)]


@define(eq=False)
class Watch:
    """What one test did so far."""

    served: dict[int | str, Served] = field(factory=dict[int | str, Served])
    _of_opening: dict[int, tuple[Opening, Served]] = field(factory=dict[int, tuple[Opening, Served]])
    _now: int = 0

    def begin(self, key: int | str, source: Source, opening: Opening) -> None:
        """A store began to serve."""
        served = self.served.setdefault(key, Served(source))
        # Keeping the record keeps its id from being used again.
        self._of_opening[id(opening)] = opening, served

    def of(self, reach: Reach) -> Served | None:
        """The store behind a runtime; None where that is nobody's who is watched."""
        found = self._of_opening.get(id(reach.storage.opening))
        if found is None:
            return None
        served = found[1]
        served.attempts_max = max(served.attempts_max or 0, reach.limits.attempts_max)
        return served

    def tick(self) -> int:
        """The next moment."""
        self._now += 1
        return self._now

    def violations(self, *, is_by_hand: bool = False) -> list[str]:
        """What is wrong with any of them; ``is_by_hand``: their units came from no runtime."""
        return [problem for served in self.served.values() for problem in served.violations(is_by_hand=is_by_hand)]


class Watching:
    """Installs the wrappers for a session of tests, and gives each test a ``Watch`` of its own."""

    def __init__(self) -> None:
        self.watch: Watch = Watch()
        self._patch: Final = pytest.MonkeyPatch()

    def install(self) -> None:
        """Begin to watch."""
        patch = self._patch
        patch.setattr(MemoryStore, "begin", self._begun(MemoryStore.begin, _tables_of))
        patch.setattr(SqliteStore, "begin", self._begun(SqliteStore.begin, _path_of))
        for name, verb in (
            ("admit", "send"),
            ("admit_and_wait", "ask"),
            ("wait_for", "wait"),
            ("cancel_input", "cancel"),
        ):
            patch.setattr(agent_module, name, self._called(verb, getattr(agent_module, name)))
        for name in ("interrupt", "_govern"):
            patch.setattr(Governing, name, self._governed(name, getattr(Governing, name)))

    def remove(self) -> None:
        """Watch no longer."""
        self._patch.undo()

    def _begun(
        self, begin: Callable[[Any], Opening], source_of: Callable[[Any], tuple[int | str, Source]]
    ) -> Callable[[Any], Opening]:
        @functools.wraps(begin)
        def begun(store: Any) -> Opening:  # noqa: ANN401 - as each of what is wrapped has it
            opening = begin(store)
            self.watch.begin(*source_of(store), opening)
            return opening

        return begun

    def _called(self, verb: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(call)
        async def called(reach: Reach, identity: str, subject: Any) -> Any:  # noqa: ANN401 - as each of what is wrapped has it
            input_id = subject if isinstance(subject, str) else subject.input_id
            key = None if isinstance(subject, str) else subject.idempotency_key
            return await self._noted(reach, (verb, identity, input_id, key), call(reach, identity, subject))

        return called

    def _governed(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(call)
        async def governed(handle: Any, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 - as each of what is wrapped has it
            verb = name if name == "interrupt" else rest[0].value
            asked = (verb, handle.identity, None, None)
            return await self._noted(handle._reach, asked, call(handle, *rest, **options))  # noqa: SLF001 - whose it is

        return governed

    async def _noted(
        self, reach: Reach, asked: tuple[str, str, str | None, str | None], question: Awaitable[Any]
    ) -> Any:  # noqa: ANN401 - as each of what is wrapped has it
        watch = self.watch
        served, begun = watch.of(reach), watch.tick()
        if served is None:
            return await question
        served.unanswered += 1
        answer, error = None, None
        try:
            answer = await question
        except BaseException as raised:
            error = type(raised)
            raise
        finally:
            served.unanswered -= 1
            served.calls.append(_call_of(asked, answer, error, begun, watch.tick()))
        return answer


def _call_of(
    asked: tuple[str, str, str | None, str | None],
    answer: object,
    error: type[BaseException] | None,
    begun: int,
    ended: int,
) -> Call:
    verb, identity, input_id, key = asked
    outcome: object = answer
    if verb == "ask" and answer is not None:
        # The id is the first one's, where the key was known.
        input_id, outcome = cast("tuple[str, object]", answer)
    return Call(
        verb=verb,
        identity=identity,
        input_id=input_id,
        key=key,
        admission=answer if isinstance(answer, Admission) else None,
        outcome=outcome if isinstance(outcome, Outcome) else None,
        error=error,
        begun=begun,
        ended=ended,
    )


def _tables_of(store: MemoryStore) -> tuple[int, Source]:
    tables = tables_of(store)
    return id(tables), tables


def _path_of(store: SqliteStore) -> tuple[str, Source]:
    return store.location, Path(store.location)
