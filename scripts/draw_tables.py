"""Draw the tables of the machines as Markdown: python scripts/draw_tables.py [--check FILE | --write FILE].

A file holds a table between `<!-- table: NAME -->` and `<!-- /table -->`. --check fails when it is not as it would be
drawn now, or when the file holds some of the tables and not all; --write draws it there.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from meerkat_actors.machines.governing import ABANDONS, GOVERNING, STANDINGS, TURN_FATES
from meerkat_actors.machines.input import ENTRIES, TRANSITIONS, InputEvent
from meerkat_actors.machines.policy import RULES, Intent, Rule
from meerkat_actors.records.headers import Mode
from meerkat_actors.records.inputs import InputKind, InputState
from meerkat_actors.records.status import Desired, Verb

MARKED: Final = re.compile(r"(<!-- table: (\S+) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)
OPENED: Final = re.compile(r"<!-- table: (\S+) -->")


def policy_table() -> str:
    heading = ("rule", "kind", "mode", "enters at", "idle agent", "busy agent", "lane", "transcript", "turn")
    return _table(heading, map(_policy_row, RULES))


def input_table() -> str:
    states = [state for state in InputState if not state.is_terminal]
    entries = [(_word(entry), state.value, *("" for _ in states)) for entry, state in ENTRIES.items()]
    events = [(_word(event), "", *(_word(TRANSITIONS.get((state, event))) for state in states)) for event in InputEvent]
    return _table(("what happens", "new", *states), [*entries, *events])


def lifecycle_table() -> str:
    verbs = [
        (
            verb.value,
            *(_word(GOVERNING[desired, verb]) if _is_legal(desired, verb) else "refused" for desired in Desired),
            _word(TURN_FATES[verb]),
            f"abandoned ({ABANDONS[verb]})" if verb in ABANDONS else "kept",
        )
        for verb in Verb
    ]
    standings = [
        (
            desired.value,
            *map(_answer, (standing.admits, standing.takes_mail, standing.begins_runs, standing.is_terminal)),
        )
        for desired, standing in STANDINGS.items()
    ]
    return "\n".join(
        (
            _table(("verb", *Desired, "turn in progress", "what is queued"), verbs),
            _table(("", "admits", "takes mail", "begins runs", "for ever"), standings),
        )
    )


TABLES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {"policy": policy_table, "input": input_table, "lifecycle": lifecycle_table}
)


def redrawn(text: str) -> str:
    """The text with each of its tables as it is now; a name that is no table's stays as it is."""
    return MARKED.sub(lambda found: found[1] + _drawn(found[2], found[3]) + found[4], text)


def problems(text: str) -> list[str]:
    """What is wrong with the tables in a text. One that holds none of them has nothing wrong."""
    opened = OPENED.findall(text)
    closed = MARKED.findall(text)
    found = [f"there is no table {name!r}; there are: {', '.join(TABLES)}" for name in opened if name not in TABLES]
    if len(opened) != len(closed):
        found.append("a table is not closed; put <!-- /table --> below each")
    found += [
        f"the table {name!r} is not as it is now; scripts/draw_tables --write draws it"
        for _, name, body, _ in closed
        if _drawn(name, body) != body
    ]
    if opened:
        found += [f"the table {name!r} is not there; mark its place" for name in TABLES if name not in opened]
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/draw_tables", description="Draw the machines' tables as Markdown.")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--check", type=Path, metavar="FILE", help="fail if a table in it is not as it is now")
    where.add_argument("--write", type=Path, metavar="FILE", help="draw its tables anew")
    options = parser.parse_args(arguments)
    if options.write is not None:
        options.write.write_text(redrawn(options.write.read_text(encoding="utf-8")), encoding="utf-8")
    looked_at: Path | None = options.check or options.write
    if looked_at is None:
        print("\n".join(f"<!-- table: {name} -->\n{draw()}<!-- /table -->\n" for name, draw in TABLES.items()), end="")
        return 0
    wrong = problems(looked_at.read_text(encoding="utf-8"))
    for problem in wrong:
        print(f"error: {looked_at}: {problem}", file=sys.stderr)
    return 1 if wrong else 0


def _drawn(name: str, body: str) -> str:
    return TABLES[name]() if name in TABLES else body


def _policy_row(rule: Rule) -> tuple[str, ...]:
    policy = rule.policy
    turn = [
        _word(policy.execution) or "none",
        *(["alone"] if policy.is_alone else []),
        *([_word(policy.intent)] if policy.intent is not Intent.RUN else []),
    ]
    return (
        str(policy.number),
        _kinds(rule),
        _modes(rule),
        _word(policy.apply),
        policy.wake_idle.name.lower(),
        policy.wake_running.name.lower().replace("_", " "),
        policy.lane.name.lower(),
        _answer(policy.in_transcript),
        ", ".join(turn),
    )


def _kinds(rule: Rule) -> str:
    if rule.kinds == frozenset(InputKind):
        return "any other"
    silence = "" if rule.is_silent is None else ", silent" if rule.is_silent else ", not silent"
    return ", ".join(f"`{kind}`" for kind in InputKind if kind in rule.kinds) + silence


def _modes(rule: Rule) -> str:
    if rule.modes >= {None, *Mode}:
        return "any"
    return ", ".join(_word(mode) or "none" for mode in (None, *Mode) if mode in rule.modes)


def _is_legal(desired: Desired, verb: Verb) -> bool:
    return isinstance(GOVERNING[desired, verb], Desired)


def _word(value: Enum | None) -> str:
    return "" if value is None else str(value.value).replace("_", " ")


def _answer(claim: bool) -> str:
    return "yes" if claim else "no"


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    below = f"|{'---|' * len(heading)}\n"
    return _line(heading) + below + "".join(map(_line, rows))


def _line(cells: tuple[str, ...]) -> str:
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
