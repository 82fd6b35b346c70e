"""What becomes of an input: every kind in every mode, silent or not, waking or not."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any, Final

import pytest
from attrs import evolve, fields

from meerkat_actors.machines.policy import RULES, Apply, Consume, Execution, Intent, Policy, Wake, policy_of
from meerkat_actors.machines.policy import resolve as resolved
from meerkat_actors.machines.policy import signal as signalled
from meerkat_actors.records.headers import DEFAULT_HEADERS, Header, Mode
from meerkat_actors.records.inputs import InputKind, Lane

# Transcribed from reference/runtime.md section 3.3. A mode of "-" is none; "*" is all there are.
#
# kinds | mode | silent | apply, wake idle, wake running, lane, execution, transcript, consume, alone, intent
CELLS: Final = """
operation | * | * | ignore none none none - no on_accept together run
peer_response_progress | * | * | checkpoint none none steer content_turn yes on_complete together run
peer_response_terminal | - queue | * | run_start wake wake queue content_turn yes on_complete together append_and_run
peer_response_terminal | steer | * | checkpoint wake yield steer content_turn yes on_complete together append_and_run
prompt flow_step external_event peer_message | steer | * | checkpoint wake yield steer content_turn yes on_complete together run
peer_request | steer | no | checkpoint wake yield steer content_turn yes on_complete together run
peer_request | steer | yes | run_start wake yield steer content_turn yes on_complete together run
prompt | - queue | * | run_start wake none queue content_turn yes on_complete alone run
flow_step external_event | - queue | * | run_start wake none queue content_turn yes on_complete together run
peer_message peer_request | queue | * | run_start wake none queue content_turn yes on_complete together run
peer_message | - | * | run_start wake yield queue content_turn yes on_complete together run
peer_request | - | no | run_start wake yield queue content_turn yes on_complete together run
peer_request | - | yes | run_start none none queue content_turn yes on_complete together run
continuation | - steer | * | checkpoint wake yield steer resume_pending no on_complete together run
continuation | queue | * | run_start wake none queue resume_pending no on_complete together run
"""  # noqa: E501 - one line is one row of the reference

WAKES: Final = {"none": Wake.NONE, "wake": Wake.WAKE, "yield": Wake.INTERRUPT_YIELDING}
Cell = tuple[InputKind, Mode | None, bool]


def expanded() -> list[tuple[Cell, Policy]]:
    """Each cell that the text names, with the policy that it says; its number is not told there."""
    cells: list[tuple[Cell, Policy]] = []
    for line in CELLS.strip().splitlines():
        kinds, modes, silent, decision = (part.split() for part in line.split("|"))
        apply, idle, running, lane, execution, transcript, consume, alone, intent = decision
        policy = Policy(
            number=-1,
            apply=Apply(apply),
            wake_idle=WAKES[idle],
            wake_running=WAKES[running],
            lane=Lane[lane.upper()],
            execution=None if execution == "-" else Execution(execution),
            in_transcript=transcript == "yes",
            consume=Consume(consume),
            is_alone=alone == "alone",
            intent=Intent(intent),
        )
        told = [None if mode == "-" else Mode(mode) for mode in (["-", *Mode] if modes == ["*"] else modes)]
        silences = [False, True] if silent == ["*"] else [silent == ["yes"]]
        cells += [(cell, policy) for cell in product(map(InputKind, kinds), told, silences)]
    return cells


EXPECTED: Final = dict(expanded())


def header_of(kind: InputKind, mode: Mode | None, *, wakes: bool = True) -> Header:
    return evolve(DEFAULT_HEADERS[kind], mode=mode, wakes=wakes)


# -- the table ----------------------------------------------------------------------------


def test_the_expected_cells_are_each_cell_once() -> None:
    cells = Counter(cell for cell, _ in expanded())
    assert cells == Counter(product(InputKind, (None, *Mode), (False, True)))


@pytest.mark.parametrize("cell", list(product(InputKind, (None, *Mode), (False, True))))
def test_every_cell_is_as_the_reference_says(cell: Cell) -> None:
    kind, mode, is_silent = cell
    assert evolve(resolved(kind, header_of(kind, mode), is_silent=is_silent), number=-1) == EXPECTED[cell]


@pytest.mark.parametrize("cell", list(product(InputKind, (None, *Mode), (False, True))))
def test_an_input_that_may_not_wake_differs_in_nothing_but_that(cell: Cell) -> None:
    kind, mode, is_silent = cell
    waking = resolved(kind, header_of(kind, mode), is_silent=is_silent)
    quiet = resolved(kind, header_of(kind, mode, wakes=False), is_silent=is_silent)
    assert quiet == evolve(waking, wake_idle=Wake.NONE, wake_running=Wake.NONE)


@pytest.mark.parametrize(("kind", "is_silent"), list(product(InputKind, (False, True))))
def test_no_header_is_the_default_header(kind: InputKind, is_silent: bool) -> None:
    assert resolved(kind, None, is_silent=is_silent) == resolved(kind, DEFAULT_HEADERS[kind], is_silent=is_silent)


@pytest.mark.parametrize("name", [each.name for each in fields(Header) if each.name not in {"mode", "wakes"}])
def test_nothing_else_that_a_header_says_decides(name: str) -> None:
    others: dict[str, Any] = {"in_transcript": False, "for_operators": False, "coalesces": ("a",)}
    told: dict[str, Any] = {name: others.get(name, "told")}
    for kind, mode in product(InputKind, (None, *Mode)):
        header = header_of(kind, mode)
        changed = evolve(header, **told)
        assert changed != header
        assert resolved(kind, changed, is_silent=False) == resolved(kind, header, is_silent=False)


# -- the numbers --------------------------------------------------------------------------

NUMBERS: Final = """
1 operation
2 peer_response_progress
3 peer_response_terminal
4 peer_response_terminal
5 continuation
6 continuation
7 peer_request
8 *
9 prompt
10 peer_request
11 peer_message peer_request
12 *
"""
"""Which kinds a number is for. Rows are stored under them: a number is never given to anything else."""


def test_a_number_is_for_the_kinds_that_it_was_always_for() -> None:
    expected = {
        int(number): set(InputKind) if kinds == ["*"] else set(map(InputKind, kinds))
        for number, *kinds in map(str.split, NUMBERS.strip().splitlines())
    }
    assert {rule.policy.number: set(rule.kinds) for rule in RULES} == expected


@pytest.mark.parametrize("cell", list(EXPECTED))
def test_what_is_stored_tells_what_was_decided(cell: Cell) -> None:
    kind, mode, is_silent = cell
    policy = resolved(kind, header_of(kind, mode), is_silent=is_silent)
    assert policy_of(policy.number, kind) == policy
    quiet = resolved(kind, header_of(kind, mode, wakes=False), is_silent=is_silent)
    assert policy_of(quiet.number, kind) == policy


@pytest.mark.parametrize("kind", list(InputKind))
def test_the_default_of_a_kind_is_stored_as_nothing(kind: InputKind) -> None:
    assert resolved(kind, None, is_silent=False).number == 0
    assert resolved(kind, header_of(kind, None), is_silent=False).number == 0
    assert evolve(policy_of(0, kind), number=-1) == EXPECTED[kind, None, False]


def test_another_decision_than_the_default_of_its_kind_has_another_number() -> None:
    for (kind, mode, is_silent), expected in EXPECTED.items():
        number = resolved(kind, header_of(kind, mode), is_silent=is_silent).number
        assert (number == 0) is (expected == EXPECTED[kind, None, False])


def test_a_rule_that_never_decides_under_its_number_can_still_be_read_by_it() -> None:
    # A prompt's own rule is its default, so it is stored as 0; were it not, it would be 9.
    assert policy_of(9, InputKind.PROMPT) == evolve(policy_of(0, InputKind.PROMPT), number=9)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(-1, InputKind.PROMPT), (13, InputKind.PROMPT), (2**63, InputKind.OPERATION), (1, InputKind.PROMPT)],
)
def test_a_number_that_no_rule_of_the_kind_has_is_told(number: int, kind: InputKind) -> None:
    with pytest.raises(ValueError, match=rf"no policy {number} for {kind}; a later version .* or it is damaged"):
        policy_of(number, kind)


# -- the rules ----------------------------------------------------------------------------


def test_every_rule_decides_about_something() -> None:
    deciding = {
        next(rule.policy.number for rule in RULES if rule.matches(kind, mode, is_silent=is_silent))
        for kind, mode, is_silent in EXPECTED
    }
    assert deciding == {rule.policy.number for rule in RULES} == set(range(1, 13))


def test_only_a_request_can_be_silent() -> None:
    differing = {
        kind
        for kind, mode in product(InputKind, (None, *Mode))
        if resolved(kind, header_of(kind, mode), is_silent=True)
        != resolved(kind, header_of(kind, mode), is_silent=False)
    }
    assert differing == {InputKind.PEER_REQUEST}
    assert {kind for rule in RULES if rule.is_silent is not None for kind in rule.kinds} == {InputKind.PEER_REQUEST}


def test_what_is_no_work_waits_in_no_lane_and_everything_else_does() -> None:
    for rule in RULES:
        policy = rule.policy
        nothing = (policy.apply is Apply.IGNORE, policy.lane is Lane.NONE, policy.execution is None)
        assert set(nothing) == {policy.consume is Consume.ON_ACCEPT}


def test_what_joins_a_turn_at_a_checkpoint_is_in_the_steer_lane_and_is_not_alone() -> None:
    for rule in RULES:
        if rule.policy.apply is Apply.CHECKPOINT:
            assert rule.policy.lane is Lane.STEER
        assert not (rule.policy.is_alone and rule.policy.lane is Lane.STEER)


# -- what it does to the agent ------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mode", "idle", "running"),
    [
        (InputKind.PROMPT, None, Wake.WAKE, Wake.NONE),
        (InputKind.PEER_MESSAGE, None, Wake.WAKE, Wake.INTERRUPT_YIELDING),
        (InputKind.PROMPT, Mode.STEER, Wake.WAKE, Wake.INTERRUPT_YIELDING),
        (InputKind.PEER_RESPONSE_TERMINAL, None, Wake.WAKE, Wake.WAKE),
        (InputKind.OPERATION, None, Wake.NONE, Wake.NONE),
    ],
)
def test_an_idle_agent_begins_a_run_and_a_busy_one_may_stop_waiting(
    kind: InputKind, mode: Mode | None, idle: Wake, running: Wake
) -> None:
    policy = resolved(kind, header_of(kind, mode), is_silent=False)
    assert signalled(policy, is_running=False) is idle
    assert signalled(policy, is_running=True) is running
    quiet = resolved(kind, header_of(kind, mode, wakes=False), is_silent=False)
    assert {signalled(quiet, is_running=each) for each in (False, True)} == {Wake.NONE}


def test_no_idle_agent_is_interrupted() -> None:
    assert {rule.policy.wake_idle for rule in RULES} == {Wake.NONE, Wake.WAKE}


def test_the_strongest_of_several_wakes_is_enough() -> None:
    assert max(Wake.WAKE, Wake.NONE, Wake.INTERRUPT_YIELDING) is Wake.INTERRUPT_YIELDING
    assert max(Wake.WAKE, Wake.NONE) is Wake.WAKE
