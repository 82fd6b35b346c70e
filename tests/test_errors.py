"""Errors: one tree named by who must act, keyword fields, messages that say what happened to whom, and pickles."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Iterator
from typing import Final

import pytest

from meerkat_actors import errors
from meerkat_actors.errors import (
    DefinitionError,
    MeerkatError,
    OwnershipLostError,
    RejectedError,
    StoreError,
    TurnAbandonedError,
    UnknownIdentityError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.records.outcomes import Abandoned, AbandonReason

ACTORS: Final = (UsageError, RejectedError, TurnAbandonedError, OwnershipLostError, UnknownOutcomeError, StoreError)
"""Who must act: every error is below exactly one of these."""

FIELDS: Final[dict[str, object]] = {
    "identity": "team/lead-\N{SNOWMAN}",
    "path": "the file.db",
    "problem": "what is wrong with the file.db, and what to do",
    "problems": ("first @ $.a", "second @ $.b"),
    "kind": "reviewer",
    "known": ("lead", "writer"),
    "input_id": "01234567-89ab-7def-8123-456789abcdef",
    "first_input_id": "11234567-89ab-7def-8123-456789abcdef",
    "key": "job-1",
    "step": "fetch",
    "nth": 2,
    "machine": "input",
    "state": "queued",
    "event": "consumed",
    "outcome": Abandoned(AbandonReason.CRASH_LOOP, "gone"),
    "limit": 10_000,
    "phase": "closing",
    "reason": "stale_fencing_token",
    "detail": "rows contradict",
    "holder": "process 7",
    "expires_in": 1.5,
    "presented": 3,
    "current": 5,
    "active": 3,
    "cursor": "MS4xLjA",
    "group": "team",
    "error": "KeyError('odd')",
    "operation": "load_ops_lifecycle",
}

NAMING: Final = ("identity", "path", "problem", "machine")
"""Fields of which a message shows at least one in full: whom, or what, it is about."""


def below(kind: type[MeerkatError]) -> Iterator[type[MeerkatError]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def fields_of(kind: type[MeerkatError]) -> tuple[str, ...]:
    parameters = inspect.signature(kind).parameters.values()
    return tuple(each.name for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD)


def made(kind: type[MeerkatError]) -> MeerkatError:
    return kind(**{name: FIELDS[name] for name in fields_of(kind)})


OURS: Final = [
    kind
    for kind in dict.fromkeys(below(MeerkatError))
    if kind.__module__.startswith(f"{errors.__name__}.") and not kind.__name__.startswith("_")
]


def test_every_error_of_the_module_is_looked_at_here() -> None:
    classes = {value for value in vars(errors).values() if inspect.isclass(value)}
    assert {each for each in classes if issubclass(each, MeerkatError)} == {MeerkatError, *OURS}


@pytest.mark.parametrize("kind", [MeerkatError, *OURS])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_comes_out_of_a_pickle_with_its_type_fields_and_message(
    kind: type[MeerkatError], protocol: int
) -> None:
    error = made(kind)
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == str(error)
    assert again.args == error.args


@pytest.mark.parametrize("kind", OURS)
def test_a_copied_error_is_told_as_the_first(kind: type[MeerkatError]) -> None:
    error = made(kind)
    assert vars(copy.copy(error)) == vars(copy.deepcopy(error)) == vars(error)


@pytest.mark.parametrize("kind", OURS)
def test_a_note_added_on_the_way_travels_with_the_error_and_is_no_field(kind: type[MeerkatError]) -> None:
    error = made(kind)
    error.add_note("while the team was read")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert again.__notes__ == ["while the team was read"]
    assert str(again) == str(error)
    again.add_note("and again")
    assert error.__notes__ == ["while the team was read"]


def test_a_group_of_errors_pickles() -> None:
    group = ExceptionGroup("several", [made(kind) for kind in OURS])
    again = pickle.loads(pickle.dumps(group))  # noqa: S301 - our own bytes
    assert [(type(error), vars(error)) for error in again.exceptions] == [
        (type(error), vars(error)) for error in group.exceptions
    ]


@pytest.mark.parametrize("kind", OURS)
def test_every_field_can_be_read_by_its_name(kind: type[MeerkatError]) -> None:
    error = made(kind)
    assert vars(error) == {name: FIELDS[name] for name in fields_of(kind)}


@pytest.mark.parametrize("kind", OURS)
def test_fields_are_given_by_keyword_only(kind: type[MeerkatError]) -> None:
    with pytest.raises(TypeError):
        kind("text")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("kind", [each for each in OURS if fields_of(each)])
def test_a_field_that_is_left_out_is_told_at_once(kind: type[MeerkatError]) -> None:
    given = {name: FIELDS[name] for name in fields_of(kind)[1:]}
    with pytest.raises(TypeError):
        kind(**given)


@pytest.mark.parametrize("kind", OURS)
def test_a_message_names_what_it_is_about(kind: type[MeerkatError]) -> None:
    error = made(kind)
    message = str(error)
    assert message.strip() == message != ""
    shown = [name for name in NAMING if name in fields_of(kind) and str(FIELDS[name]) in message]
    assert shown or kind is DefinitionError or not fields_of(kind)
    if "identity" in fields_of(kind):
        assert "identity" in shown
    if "path" in fields_of(kind):
        assert "path" in shown


@pytest.mark.parametrize("kind", [each for each in OURS if issubclass(each, RejectedError) and fields_of(each)])
def test_a_rejection_says_that_nothing_was_written_or_who_holds_the_store(kind: type[MeerkatError]) -> None:
    message = str(made(kind))
    assert "nothing was written" in message or "held by process 7" in message


def test_a_definition_error_tells_every_problem_on_a_line_of_its_own() -> None:
    assert str(DefinitionError(problems=("a", "b"))) == "2 problems in the definition:\n  a\n  b"
    assert str(DefinitionError(problems=("a",))) == "1 problem in the definition:\n  a"


def test_an_error_without_fields_is_told_by_what_it_means() -> None:
    assert str(RejectedError()) == "Nothing was written; a retry is safe."
    assert str(MeerkatError()) != ""


def test_an_error_that_has_lost_its_docstring_is_told_by_its_name() -> None:
    # As all have under python -OO.
    class BareError(RejectedError):
        __doc__ = None

    assert str(BareError()) == "BareError"


@pytest.mark.parametrize("kind", OURS)
def test_every_error_is_named_for_exactly_one_who_must_act(kind: type[MeerkatError]) -> None:
    assert sum(issubclass(kind, actor) for actor in ACTORS) == 1
    assert kind.__name__.endswith("Error")
    assert kind.__doc__


@pytest.mark.parametrize("kind", [each for each in OURS if issubclass(each, UsageError)])
def test_every_usage_error_says_its_problem(kind: type[UsageError]) -> None:
    error = made(kind)
    assert isinstance(error, UsageError)
    assert error.problem == str(error)


@pytest.mark.parametrize("kind", OURS)
def test_an_error_has_no_other_fields(kind: type[MeerkatError]) -> None:
    assert not hasattr(made(kind), "no_such_field")


def test_a_wait_that_ended_is_an_unknown_outcome_to_who_catches_that() -> None:
    with pytest.raises(UnknownOutcomeError, match="is durable"):
        raise WaitEndedError(identity="a", input_id="b")


def test_an_unknown_identity_says_how_to_create_it() -> None:
    assert "runtime.agent('solo', kind=...)" in str(UnknownIdentityError(identity="solo"))


def test_an_error_keeps_the_cause_it_was_raised_from() -> None:
    cause = ValueError("disk")
    with pytest.raises(UsageError) as caught:
        raise UsageError(problem="no") from cause
    assert caught.value.__cause__ is cause
