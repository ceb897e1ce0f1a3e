"""How the program speaks on the console: a command line, and a line on standard error for what went wrong."""

import errno
import sys
from typing import Any

import click

from framework.errors import SaveError


class Commands(click.Group):
    """A group whose first command runs when none is named, and whose known errors are one line and an exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `train` in front of a command line that begins with an option or is empty."""
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["train", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an error that a user can mend becomes a line on standard error."""
        try:
            return super().invoke(ctx)
        except ValueError as error:
            code = getattr(error, "exit_code", None)
            if code is None:
                raise
            click.echo(f"error: {error}", err=True)
            sys.exit(code)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            click.echo(f"error: {error}; free some space, and --resume goes on", err=True)
            sys.exit(SaveError.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)


def warn(text: str) -> None:
    """Says something on standard error."""
    click.echo(text, err=True)
