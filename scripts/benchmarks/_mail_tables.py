"""What ``mail.py`` makes of its results: a table for each part, and a sentence for each bound that was missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import Factory, define

from _common import median
from _mail import Beside, Crowd, FanIn, FanOut, Ring, Rings
from _table import print_table

FAN_IN_MIN: Final = 10_000
"""Messages per second that one recipient takes and consumes."""

UNITS_BUSY_MAX: Final = 1.1
UNITS_IDLE_MAX: Final = 2.0
KEPT_MIN: Final = 0.95
"""Of the turns per second of whoever is not to be disturbed."""


@define(kw_only=True)
class Report:
    """What was measured; a part that was left out is empty."""

    fan_in: dict[str, FanIn] = Factory(dict[str, FanIn])
    """By medium."""
    fan_out: FanOut | None = None
    crowd: Crowd | None = None
    rings: Rings | None = None
    beside: dict[str, Beside] = Factory(dict[str, Beside])
    """By part."""


def print_report(report: Report) -> None:
    """Print a table for each part that was measured."""
    if report.fan_in:
        _print_fan_in(report.fan_in)
        _print_streams(report.fan_in)
    if report.fan_out is not None:
        _print_fan_out(report.fan_out)
    if report.crowd is not None:
        _print_crowd(report.crowd)
    if report.rings is not None:
        _print_rings(report.rings)
    for part, beside in report.beside.items():
        _print_beside(part, beside)


def _print_fan_in(media: Mapping[str, FanIn]) -> None:
    columns = ("medium", "messages", "a turn", "units a message", "messages/s", "plain loop", "ratio")
    rows = [
        (
            medium,
            f"{fan.drains[0].messages:,}",
            f"{median([each.messages / each.turns for each in fan.drains]):.1f}",
            f"{median([each.units / each.messages for each in fan.drains]):.3f}",
            f"{median([each.per_second for each in fan.drains]):,.0f}",
            f"{median([each.plain_per_second for each in fan.drains]):,.0f}",
            f"{median([each.ratio for each in fan.drains]):.3f}",
        )
        for medium, fan in media.items()
    ]
    print_table("many to one, what was there already; medians", columns, rows)


def _print_streams(media: Mapping[str, FanIn]) -> None:
    columns = ("medium", "senders", "messages/s", "sent/s", "left behind", "then messages/s")
    rows = [
        (
            medium,
            name,
            f"{median([each.per_second for each in streams]):,.0f}",
            f"{median([each.sent / each.seconds for each in streams]):,.0f}",
            f"{median([each.left for each in streams]):,.0f}",
            f"{median([each.left / each.left_seconds for each in streams]):,.0f}",
        )
        for medium, fan in media.items()
        for name, streams in (("paced", fan.paced), ("at full speed", fan.flooded))
    ]
    print_table("many to one, while the senders are at work; medians", columns, rows)


def _print_fan_out(fan: FanOut) -> None:
    columns = ("messages", "messages/s", "seconds", "sender's turns alone", "recipients' turns")
    cells = (
        f"{fan.messages:,}", f"{fan.per_second:,.0f}", f"{fan.seconds:.2f}", f"{fan.sender_seconds:.2f}",
        f"{fan.turns:,}",
    )  # fmt: skip
    print_table("one to many, until all of it is consumed", columns, [cells])


def _print_crowd(crowd: Crowd) -> None:
    columns = (
        "senders", "sent", "consumed", "out of order", "left", "backlog, at most", "of", "waited in the store",
        "RSS grew by MB", "seconds",
    )  # fmt: skip
    cells = (
        f"{crowd.senders:,}", f"{crowd.sent:,}", f"{crowd.consumed:,}", f"{crowd.disordered:,}",
        f"{crowd.left_in_mail:,}", f"{crowd.backlog_seen:,}", f"{crowd.backlog_max:,}", f"{crowd.waiting_seen:,}",
        f"{crowd.grown_bytes / 1e6:.1f}", f"{crowd.seconds:.1f}",
    )  # fmt: skip
    print_table("a crowd to one, which was paused meanwhile", columns, [cells])


def _print_rings(rings: Rings) -> None:
    columns = ("recipient", "tokens", "messages", "units a message", "units", "turn rows", "event rows", "untold")
    rows = [
        _ring_row("idle", rings.idle),
        _ring_row("busy", rings.busy),
        _ring_row("busy, one a turn", rings.busy_singly),
    ]
    print_table("what a message costs", columns, rows)


def _ring_row(name: str, ring: Ring) -> tuple[str, ...]:
    return (
        name, f"{ring.tokens:,}", f"{ring.messages:,}", f"{ring.units_per_message:.3f}", f"{ring.units:,}",
        f"{ring.turn_rows:,}", f"{ring.event_rows:,}", f"{ring.untold_units:,}",
    )  # fmt: skip


def _print_beside(part: str, beside: Beside) -> None:
    columns = ("beside", "turns/s", "ratio", "CPU us a turn", "ratio", "")
    rows = [
        (
            phase.name,
            f"{median(phase.rates):,.0f}",
            f"{beside.ratio(phase):.3f}",
            f"{1e6 * median(phase.cpu_seconds):,.1f}",
            f"{beside.cpu_ratio(phase):.3f}",
            phase.note,
        )
        for phase in beside.phases
    ]
    print_table(f"{part}: {len(beside.phases[0].rates)} rounds, medians", columns, rows)


def failures(report: Report) -> list[str]:
    """One sentence per bound that was missed."""
    found: list[str] = []
    for medium, fan in report.fan_in.items():
        for what, rates in (
            ("already there", [each.per_second for each in fan.drains]),
            ("coming in", [each.per_second for each in fan.paced]),
        ):
            if median(rates) < FAN_IN_MIN:
                found.append(f"{medium}: {median(rates):,.0f} messages/s of mail {what}, {FAN_IN_MIN:,} wanted")
    if report.crowd is not None:
        found += _crowd_failures(report.crowd)
    if report.rings is not None:
        found += _ring_failures("idle", report.rings.idle, UNITS_IDLE_MAX)
        found += _ring_failures("busy", report.rings.busy, UNITS_BUSY_MAX)
        found += _ring_failures("busy, one a turn", report.rings.busy_singly, UNITS_BUSY_MAX)
    for part, name in (("subscribers", "stalled"), ("recipients", "full"), ("recipients", "paused"),
                       ("poison", "poisoned")):  # fmt: skip
        beside = report.beside.get(part)
        if beside is not None:
            kept = next(beside.ratio(phase) for phase in beside.phases if phase.name == name)
            if kept < KEPT_MIN:
                found.append(f"{part}: {kept:.3f} of the turns/s were kept beside {name}, {KEPT_MIN} wanted")
    return found


def _crowd_failures(crowd: Crowd) -> list[str]:
    found: list[str] = []
    if crowd.consumed != crowd.sent or crowd.left_in_mail:
        found.append(f"{crowd.sent:,} were sent, {crowd.consumed:,} consumed, {crowd.left_in_mail:,} left")
    if crowd.disordered:
        found.append(f"{crowd.disordered:,} messages of the crowd were not the next one of their sender")
    if crowd.backlog_seen > crowd.backlog_max:
        found.append(f"the backlog was {crowd.backlog_seen:,}, at most {crowd.backlog_max:,} wanted")
    return found


def _ring_failures(name: str, ring: Ring, most: float) -> list[str]:
    found: list[str] = []
    if ring.units_per_message > most:
        found.append(f"{name}: {ring.units_per_message:.3f} units a message, at most {most} wanted")
    if ring.untold_units:
        found.append(f"{name}: {ring.untold_units:,} units more than rows that say what they did")
    return found
