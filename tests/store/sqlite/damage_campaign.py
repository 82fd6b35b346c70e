"""Many trials in child processes: what was damaging, who noticed, and what nobody can notice."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from attrs import Factory, define

from tests.store.sqlite.damage_sample import make_sample
from tests.store.sqlite.damage_trials import Trial, save_samples

TRIALS_PER_CHILD: Final = 150
AT_ONCE: Final = 2
_CHILD_SECONDS: Final = 300

_ABSENT: Final = "a row that may be absent, or the newest of its kind: no other row proves that it was there"
_ADDED: Final = "one more row, as somebody could have written it"
_ALONE: Final = "a value that no other row repeats, and no digest covers"
_OWNERSHIP: Final = "who holds what, and for how long: the fence keeps late writers out all the same"

UNNOTICEABLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        r"delete (agent_config|document|journal|snapshot|session|input|timer|operation|event) ": _ABSENT,
        r"copy (agent_config|document|journal|snapshot|session|input|timer|operation|event) ": _ADDED,
        r"(set|swap) (owner\.|head\.owner)|(delete|copy) owner": _OWNERSHIP,
        r"(set|swap) meta\.(epoch|incarnation|clean|sequence|keys|event_floor)": _ALONE,
        r"(set|swap) (name\.name|agent_config\.|journal\.|session\.session|document\.(key|epoch|generation))": _ALONE,
        r"(set|swap) continuity\.(token|holder|former)|(set|swap) snapshot\.(version|token)": _ALONE,
        r"(set|swap) head\.(kind|token|tombstone|admissions|mail_floor)": _ALONE,
        r"(set|swap) input\.(input_id|kind|header|idempotency|ending|owed)": _ALONE,
        r"(set|swap) input\.(attempts|interruptions|not_before|run)": _ALONE,
        r"(set|swap) input\.identity .* \(never admitted\)$": _ALONE,
        r"(set|swap) (timer|operation|event)\.": _ALONE,
        r"(set|swap) turn\.(token|body|run|digest)": _ALONE,
    }
)
"""By the pattern of what was done: why no look at the file can notice it."""


@define(eq=False)
class Tally:
    """What the trials so far showed."""

    trials: Counter[str] = Factory(Counter[str])
    """By class of damage, and so on below."""
    damaging: Counter[str] = Factory(Counter[str])
    detected: Counter[str] = Factory(Counter[str])
    opening: Counter[str] = Factory(Counter[str])
    """Noticed when it was opened, already."""
    reading: Counter[str] = Factory(Counter[str])
    """Noticed when everything was read, by a store."""
    doctor: Counter[str] = Factory(Counter[str])
    """Noticed by the doctor."""
    alarms: list[Trial] = Factory(list[Trial])
    """Noticed, and nothing differed: false alarms, or free space that ``integrity_check`` looks at."""
    misses: list[Trial] = Factory(list[Trial])
    tracebacks: list[Trial] = Factory(list[Trial])
    crashes: list[str] = Factory(list[str])

    def add(self, trial: Trial) -> None:
        """Count one."""
        kind = trial.kind
        self.trials[kind] += 1
        if trial.traceback is not None:
            self.tracebacks.append(trial)
        if not trial.is_damaging:
            if trial.is_detected:
                self.alarms.append(trial)
            return
        self.damaging[kind] += 1
        self.detected[kind] += trial.is_detected
        self.opening[kind] += trial.opening is not None
        self.reading[kind] += trial.opening is not None or trial.reading is not None
        self.doctor[kind] += trial.doctor is not None
        if not trial.is_detected:
            self.misses.append(trial)

    def unexplained(self) -> list[Trial]:
        """Damage that somebody should have noticed."""
        return [trial for trial in self.misses if explanation_of(trial) is None]

    def __str__(self) -> str:
        titles = ("trials", "damaging", "open", "read", "doctor", "noticed")
        lines = [f"{'class':<12}{''.join(f'{title:>9}' for title in titles)}{'%':>8}"]
        for kind in (*sorted(self.trials), ""):
            counts = [
                counter[kind] if kind else counter.total()
                for counter in (self.trials, self.damaging, self.opening, self.reading, self.doctor, self.detected)
            ]
            percent = 100 * counts[5] / counts[1] if counts[1] else 100
            numbers = "".join(f"{number:>9}" for number in counts)
            lines.append(f"{kind or 'all':<12}{numbers}{percent:>8.1f}")
        explained = Counter(explanation_of(trial) for trial in self.misses)
        lines += [f"not noticed, {count} x: {why}" for why, count in explained.most_common() if why is not None]
        for trial in self.misses:
            label = "MISS" if explanation_of(trial) is None else "not noticed"
            lines.append(f"{label} {trial.number} ({trial.kind}): {trial.told}")
        lines += [
            f"TRACEBACK {trial.number} ({trial.kind}, {trial.told}): {trial.traceback}" for trial in self.tracebacks
        ]
        lines += [f"CRASH {crash}" for crash in self.crashes]
        lines.append(f"{len(self.alarms)} were noticed where nothing that is read differed")
        return "\n".join(lines)


def explanation_of(trial: Trial) -> str | None:
    """Why a miss can't be noticed by anybody; None: it could."""
    reasons = [
        next((why for pattern, why in UNNOTICEABLE.items() if re.match(pattern, part)), None)
        for part in (trial.told.split("; ")[:-1] if trial.kind in {"bits", "pages"} else [trial.told])
    ]
    return None if None in reasons or not reasons else reasons[0]


def run_campaign(seed: str, count: int, *, first: int = 0, each: Callable[[Trial], None] | None = None) -> Tally:
    """Run so many trials; the same seed and number are the same damage."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples: dict[bool, dict[str, bytes]] = {}
        for is_clean in (True, False):
            home = folder / f"life-{is_clean}"
            home.mkdir()
            samples[is_clean] = make_sample(home, is_clean=is_clean)
        save_samples(folder, samples)

        def run(start: int) -> tuple[list[Trial], list[str]]:
            return _run_child(folder, seed, start, min(TRIALS_PER_CHILD, first + count - start))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for trials, crashes in pool.map(run, range(first, first + count, TRIALS_PER_CHILD)):
                tally.crashes += crashes
                for trial in trials:
                    tally.add(trial)
                    if each is not None:
                        each(trial)
    return tally


def _run_child(folder: Path, seed: str, first: int, count: int) -> tuple[list[Trial], list[str]]:
    """Trials of one child, and of another behind each that ended too soon."""
    trials: list[Trial] = []
    crashes: list[str] = []
    begin, end = first, first + count
    while begin < end:
        module = "tests.store.sqlite.damage_trials"
        arguments = [sys.executable, "-m", module, str(folder), seed, str(begin), str(end - begin)]
        running = subprocess.run(
            arguments,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=False,
            timeout=_CHILD_SECONDS,
        )
        last = begin
        for line in _lines(running.stdout):
            if "begins" in line:
                last = line["begins"]
            else:
                trials.append(Trial(**line))
        begin = last + 1
        if running.returncode:
            crashes.append(f"{last} ended the process with {running.returncode}: {running.stderr[-300:]}")
    return trials, crashes


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        yield json.loads(line)
