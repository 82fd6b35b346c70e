"""What ends a runtime, as people are shown it: one error, where a group of them says no more."""

from __future__ import annotations

from typing import NoReturn, cast

from meerkat_actors.errors.store import StoreError, StoreFullError
from meerkat_actors.errors.supervision import SupervisionError
from meerkat_actors.errors.tree import MeerkatError


def one_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What people are shown: the one error inside nested groups, if it is one."""
    errors = _leaves(group)
    if len(errors) == 1:
        return errors[0]
    interrupts = [error for error in errors if isinstance(error, KeyboardInterrupt)]
    if interrupts and all(isinstance(error, KeyboardInterrupt | MeerkatError) for error in errors):
        # Ctrl-C in a turn closes admission at once, which the body may notice before it is cancelled.
        return interrupts[0]
    if all(isinstance(error, MeerkatError) for error in errors):
        # When the store fails, or a group ends the runtime, whatever else of ours was raised is what followed from it.
        failures = [
            error
            for error in errors
            if isinstance(error, StoreError | SupervisionError) and not isinstance(error, StoreFullError)
        ]
        if failures:
            return failures[0]
        if all(isinstance(error, type(errors[0])) for error in errors):
            return errors[0]
    return group


def raise_as_it_was(error: BaseException) -> NoReturn:
    """Raise an error out of its group."""
    # Raised again, an error would forget what it was raised from.
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        nested = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return [leaf for inner in nested for leaf in _leaves(inner)]
    return [error]
