"""The command line of an experiment.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

import errno
import platform
import re
import sys
from typing import Any

import click

from framework.errors import DeviceError, EmberfieldError, SaveError
from framework.experiment import network_commands, settings_commands
from framework.experiment.experiment import Experiment
from framework.experiment.record_command import record_command
from framework.run.console import console_logging
from framework.run.environment import version_of
from framework.run.printable import printable
from framework.run.streams import unstoppable_streams

REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE, errno.ENFILE)
"""What the system says of files that may not be opened, and of too many of them: nothing is wrong with the program."""


class Commands(click.Group):
    """A group whose first command runs when none is named, and whose known errors are one line and an exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the command line; no standard stream stops it."""
        with unstoppable_streams():
            return super().main(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `train` in front of a command line that begins with an option or is empty."""
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help", "--version")):
            args = ["train", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an error that a user can mend becomes a line on standard error."""
        try:
            with console_logging():
                return super().invoke(ctx)
        except ValueError as error:
            code = getattr(error, "exit_code", None)
            if code is None:
                raise
            click.echo(printable(f"error: {error}", keep="\n\t"), err=True)
            sys.exit(code)
        except OSError as error:
            if error.errno in REFUSED:
                click.echo(f"error: {error}", err=True)
                sys.exit(EmberfieldError.exit_code)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            click.echo(f"error: {error}; free some space, and --resume goes on", err=True)
            sys.exit(SaveError.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)


def command_line(experiment: Experiment) -> click.Group:
    """The commands of an experiment."""
    settings = {"help_option_names": ["-h", "--help"], "obj": experiment}
    version = click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Show versions."
    )
    # behind \b click keeps the lines of a command as they are
    text = re.sub(r"(?m)(?<=\n\n)(?=[ \t])", "\b\n", experiment.description.strip())
    group = Commands(help=text, context_settings=settings, params=[version])
    for command in (
        settings_commands.train_command(experiment),
        network_commands.evaluate_command,
        network_commands.predict_command,
        network_commands.export_command,
        network_commands.benchmark_command,
        network_commands.report_command,
        network_commands.app_command,
        network_commands.compare_command,
        record_command,
        settings_commands.find_lr_command(experiment),
        settings_commands.sweep_command(experiment),
        settings_commands.summary_command(experiment),
        network_commands.list_command,
        settings_commands.verify_resume_command(experiment),
        doctor_command,
    ):
        group.add_command(command)
    return group


def show_version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Ends the command with the versions of this framework, torch and Python."""
    if asked and not ctx.resilient_parsing:
        for name in ("emberfield", "torch"):
            click.echo(f"{name} {version_of(name) or 'not installed'}")
        click.echo(f"python {platform.python_version()}")
        ctx.exit()


@click.command("doctor", short_help="Check versions, device and disk.")
@click.pass_obj
def doctor_command(experiment: Experiment) -> None:
    """Check the environment; ends with a non-zero code if something is wrong."""
    checks = experiment.doctor()
    for check in checks:
        click.echo(f"{'ok   ' if check.ok else 'WRONG'} {check.name:<24} {check.detail}")
    if not all(check.ok for check in checks):
        sys.exit(DeviceError.exit_code)
