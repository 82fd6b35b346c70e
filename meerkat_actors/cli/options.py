"""What commands that look into a database are given alike."""

from __future__ import annotations

from typing import Final

import click

LIMIT_MAX: Final = 1_000_000
"""Rows that one command may be asked for."""
TABLE_MAX: Final = 10_000
"""Rows of one table: it is laid out as a whole, 23 us and 0.2 kB a cell."""

database_argument: Final = click.argument("database", type=click.Path(), metavar="DB")
identity_argument: Final = click.argument("identity")
any_identity_argument: Final = click.argument("identity", required=False)
limit_option: Final = click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=20, show_default=True, metavar="N", help="Rows at most."
)
json_option: Final = click.option("--json", "as_json", is_flag=True, help="JSON lines, complete and unclipped.")


def check_limit(limit: int, *, as_json: bool) -> None:
    """Refuse a table of too many rows.

    Raises:
        click.UsageError: more than ``TABLE_MAX``, and not as JSON.
    """
    if limit > TABLE_MAX and not as_json:
        problem = f"a table has at most {TABLE_MAX:,} rows; use --json for more"
        raise click.UsageError(problem)
