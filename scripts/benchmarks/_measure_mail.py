"""One part of ``mail.py``, in this process: the job as JSON in, the result as JSON out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from _common import answer, read_job
from _mail import MailJob
from _mail_beside import measure_poison, measure_recipients, measure_subscribers
from _mail_fan import measure_crowd, measure_fan_in, measure_fan_out
from _mail_rings import measure_rings

PARTS: Final[dict[str, Callable[[MailJob], Awaitable[object]]]] = {
    "in": measure_fan_in,
    "out": measure_fan_out,
    "crowd": measure_crowd,
    "rings": measure_rings,
    "subscribers": measure_subscribers,
    "recipients": measure_recipients,
    "poison": measure_poison,
}


def main() -> None:
    """Measure, and answer to the parent."""
    job = read_job(MailJob)
    answer(trio.run(PARTS[job.part], job))


if __name__ == "__main__":
    main()
