"""The commands: options become one call, its answer is printed, and an exit code comes out.

stdout carries data, stderr talk. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from cleanup import __version__
from cleanup.cli.console import prepare_streams, say_at_once
from cleanup.errors import CleanupError, ExitCode, StopNow, Stopped, UsageError, as_named
from cleanup.signals import watch

# The modules of this folder and the commands of each, in the order in which --help lists them.
COMMANDS = {
    "scan": ("scan",),
    "run": ("run",),
    "undo": ("undo",),
    "report": ("report",),
    "explain": ("explain",),
    "rescue": ("rescue",),
    "history": ("history", "forget"),
    "review": ("review",),
    "senders": ("senders",),
    "labels": ("labels",),
    "doctor": ("doctor",),
    "login": ("login",),
    "config": ("config",),
    "domains": ("domains", "sieve"),
    "fleet": ("fleet",),
    "demo": ("demo",),
}

GARBAGE_AFTER = 20_000  # objects; looking for cycles after every 700 took a tenth of a start
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def program(words: Sequence[str] = ()) -> typer.Typer:
    """Return the commands that these words of a command line may mean: all, or those of one module.

    To read the options of all commands takes longer than a night on which nothing happened.
    """
    app = typer.Typer(
        name="mailbox-cleanup",
        cls=Named,
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Find the bounces of mail that you never sent (backscatter), file them in a folder, say why, and undo.",
    )
    app.callback()(_common)
    meant = [module for module, commands in COMMANDS.items() if words and words[0] in commands]
    for module in meant or COMMANDS:
        import_module(f"cleanup.cli.{module}").register(app)
    return app


def version_lines() -> list[str]:
    """Return one line for the program, one for Python and one for each library that matters for a bug report."""
    import platform
    from importlib import metadata  # it reads each package's metadata

    libraries = ("imapclient", "mail-parser", "pandas", "SQLAlchemy", "typer")
    return [
        f"mailbox-cleanup {__version__}",
        f"Python {platform.python_version()}",
        *(f"{name} {metadata.version(name)}" for name in libraries),
    ]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo("\n".join(version_lines()))
        raise typer.Exit


def _common(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show versions and exit."),
) -> None:
    pass


def main() -> None:
    """Run the command line; no traceback reaches a user unless CLEANUP_DEBUG is set."""
    gc.set_threshold(GARBAGE_AFTER)
    prepare_streams()
    watch(say_at_once)
    try:
        code = program(sys.argv[1:])(standalone_mode=False)
        sys.stdout.flush()  # while somebody is there to tell that it cannot be written
        sys.exit(code or int(ExitCode.DONE))
    except CleanupError as error:
        _end(error)
    except StopNow as stop:
        if sys.stderr.isatty():
            typer.echo(err=True)  # the terminal wrote ^C into the line
        _end(Stopped(stop.exit_code))
    except BrokenPipeError:
        _reader_went_away()
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        _reader_went_away()  # the library has made it an exit code of 1
    except Exception as error:
        if hasattr(error, "format_message"):
            _misused(error)
        if os.environ.get("CLEANUP_DEBUG"):
            raise
        _end(_named(error))


def _misused(error: Any) -> NoReturn:
    """End as the command line's library wants it, which comes in two forms: help where nothing was said, or a fault."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        sys.exit(error.exit_code)
    asked = getattr(error, "ctx", None)
    what = error.format_message().rstrip(".").replace("{", "").replace("}", "")
    wrong = UsageError(what)
    _end(wrong.going_on("See", [*asked.command_path.split()[1:], "--help"]) if asked else wrong)


def _named(error: Exception) -> CleanupError:
    """Return an error that nobody foresaw; a full disk behind stdout is no defect."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        _discard_output()  # or Python fails once more, as it writes what is left in the end
        return UsageError("The output cannot be written", why=error.strerror, hint="Make room there, and run again")
    named = as_named(error)
    if isinstance(named, UsageError):
        return named
    return CleanupError(
        f"Something went wrong that should not: {named}", hint="Set CLEANUP_DEBUG=1 to see where, and please report it"
    )


def _reader_went_away() -> None:
    _discard_output()
    sys.exit(int(ExitCode.DONE))


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]


def _end(error: CleanupError) -> NoReturn:
    from cleanup.cli.console import complain

    complain(error)
    sys.exit(int(error.exit_code))


# --- how --help shows arguments and defaults: Typer would show Python's types, and defaults in several ways -----------


class Named(TyperGroup):
    """A group of commands whose arguments and defaults, and those of the groups in it, are shown for people."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, ready to be shown."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _show_for_people(command)
        return command


def _show_for_people(command: Any) -> None:
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            _show_as_word(parameter)
        _show_default(parameter)
    for inner in getattr(command, "commands", {}).values():
        _show_for_people(inner)


def _show_as_word(argument: Any) -> None:
    """Let an argument be called SOURCE everywhere: not {SOURCE}, nor SOURCE <str>, nor by its name in the code."""
    word = argument.metavar
    many = "..." if argument.nargs != 1 else ""
    usage = f"{word}{many}" if argument.required else f"[{word}]{many}"
    argument.get_usage_pieces = lambda *_: [usage]
    argument.get_help_record = lambda *_: (f"{word}{many}", argument.help or "")
    argument.get_error_hint = lambda *_: word


def _show_default(parameter: Any) -> None:
    """Show a default in brackets behind the help, in one way whoever wrote it."""
    shown = _default_in_words(parameter)
    if shown:
        parameter.help = f"{parameter.help} [{shown}]"
        parameter.show_default = False


def _default_in_words(parameter: Any) -> str:
    wanted, default = getattr(parameter, "show_default", False), parameter.default
    if isinstance(wanted, str):
        return wanted
    if not wanted or default is None:
        return ""
    if isinstance(default, bool):
        names = parameter.opts if default else parameter.secondary_opts
        return str(names[0]).lstrip("-") if parameter.secondary_opts else ""
    return str(default)
