"""The commands, and what becomes of their errors: 0 done, 1 given up on something, 2 bad input, 130 Ctrl-C."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Final

import click

from meerkat_actors.cli.backup import backup
from meerkat_actors.cli.doctor import doctor
from meerkat_actors.cli.looking import dead_letters, events, history, identities, inputs, receipts, status
from meerkat_actors.cli.output import complain, hush
from meerkat_actors.cli.prune import prune
from meerkat_actors.cli.run import run
from meerkat_actors.cli.schedules import schedules
from meerkat_actors.cli.sim import sim
from meerkat_actors.errors import MeerkatError

PROGRAM: Final = "meerkat-actors"
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130


class _InOrder(click.Group):
    """A group that lists its commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names."""
        return list(self.commands)


@click.group(
    cls=_InOrder,
    name=PROGRAM,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Durable agents: run the shipped job, look into any database of meerkat_actors, and simulate agents under faults.

    Every command but run and prune leaves the database as it is, and works while another process owns it.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    run,
    status,
    identities,
    inputs,
    history,
    receipts,
    schedules,
    events,
    dead_letters,
    doctor,
    backup,
    prune,
    sim,
):
    commands.add_command(_command)


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command; None takes the arguments of the process. Returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows an escape, and no traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = commands.main(None if arguments is None else list(arguments), PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        path = PROGRAM if error.ctx is None else error.ctx.command_path
        return _refused(f"{error.format_message().rstrip('.')}; see {path} --help")
    except click.ClickException as error:
        return _refused(error.format_message())
    except MeerkatError as error:
        return _refused(str(error))
    except BrokenPipeError:
        hush()
        return 0
    except OSError as error:
        return _refused(str(error))
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _refused(problem: str) -> int:
    complain(f"error: {problem}")
    return BAD_INPUT
