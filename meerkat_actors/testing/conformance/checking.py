"""A check: one rule that a store keeps or breaks, and how a function becomes one."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

from attrs import frozen

from meerkat_actors.errors import UsageError
from meerkat_actors.store import Store

T = TypeVar("T")


@runtime_checkable
class Bench(Protocol):
    """Where the stores of one check are made: its author supplies one for each run."""

    def fresh(self) -> Store:
        """A new store with nothing in it. The check begins it, and closes it in the end."""
        ...

    def restart(self, *, clean: bool) -> Store:
        """End the last store in good order, or only close it, and give it as its next process finds it.

        The check begins it, if it wants to, and closes it in the end.
        """
        ...


class Restart(Protocol):
    """``Bench.restart``, as a check has it."""

    def __call__(self, *, clean: bool) -> Store: ...


@frozen(slots=False)
class Check:
    """One rule; each check's own ``__doc__`` says what it demands of a store."""

    name: str
    """The subject, the rule and, in brackets, the case; no two checks share one."""
    needs_restart: bool
    """Whether it runs at a ``Bench`` only."""
    _rule: Callable[..., None]
    _trial: Callable[[Store, Restart], None]

    def __attrs_post_init__(self) -> None:
        # Not in slots: they have no room for a docstring of one's own.
        self.__dict__["__doc__"] = self._rule.__doc__

    def run(self, stores: Bench | Callable[[], Store]) -> None:
        """Try a new store, made at the bench or by the function. Returns if it keeps the rule.

        Raises:
            AssertionError: the store breaks the rule; the message begins with the check's name, the cause says where.
            UsageError: Python runs without assertions, or the check needs a bench.
        """
        refuse_without_assertions()
        if self.needs_restart and not isinstance(stores, Bench):
            raise UsageError(problem=f"{self.name} restarts the store: run it with a Bench, or leave it out")
        store = last = stores.fresh() if isinstance(stores, Bench) else stores()

        def restart(*, clean: bool) -> Store:
            nonlocal last
            assert isinstance(stores, Bench)
            last = stores.restart(clean=clean)
            return last

        try:
            try:
                store.begin()
                self._trial(store, restart)
            finally:
                last.close()
        except Exception as failure:
            # Whatever the store raises breaks the rule that was tried.
            broken = f"{self.name}: {_what(failure)}"
            raise AssertionError(broken) from failure


def refuse_without_assertions() -> None:
    """Refuse to let every store pass.

    Raises:
        UsageError: this Python leaves assertions out.
    """
    if not __debug__:
        raise UsageError(problem="the conformance suite is made of assertions: run Python without -O")


def check(rule: Callable[[Store], None]) -> Check:
    """A rule about one store."""
    return _made(rule, lambda store, _: rule(store), needs_restart=False)


def check_each(cases: Mapping[str, T]) -> Callable[[Callable[[Store, T], None]], tuple[Check, ...]]:
    """A rule in several cases, each of which is a check under its name."""

    def made(rule: Callable[[Store, T], None]) -> tuple[Check, ...]:
        return tuple(
            _made(rule, partial(_in_case, rule, case), needs_restart=False, case=f"[{name}]")
            for name, case in cases.items()
        )

    return made


def by_name(*names: str) -> dict[str, str]:
    """Cases that are no more than their names."""
    return {name: name for name in names}


def check_restarting(rule: Callable[[Store, Restart], None]) -> Check:
    """A rule about a store and the next process that opens it."""
    return _made(rule, rule, needs_restart=True)


def _made(
    rule: Callable[..., None], trial: Callable[[Store, Restart], None], *, needs_restart: bool, case: str = ""
) -> Check:
    subject = rule.__module__.rpartition(".")[2]
    return Check(f"{subject}.{rule.__name__}{case}", needs_restart, rule, trial)


def _in_case(rule: Callable[[Store, T], None], case: T, store: Store, _: Restart) -> None:
    rule(store, case)


def _what(failure: Exception) -> str:
    """What a failure says, or for lack of words the line that failed."""
    if not isinstance(failure, AssertionError):
        return f"{type(failure).__name__}: {failure}"
    return str(failure) or str(traceback.extract_tb(failure.__traceback__)[-1].line)
