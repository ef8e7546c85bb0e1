"""The commands: options become one call, its answer is printed, and an exit code comes out.

stdout carries data, stderr talk. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import os
import sys

import typer

from cleanup.cli import (
    config,
    demo,
    doctor,
    domains,
    explain,
    fleet,
    history,
    labels,
    login,
    report,
    rescue,
    review,
    run,
    scan,
)
from cleanup.errors import CleanupError, ExitCode
from cleanup.signals import StopNow, watch

app = typer.Typer(
    name="mailbox-cleanup",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find the bounces of mail that you never sent (backscatter), file them in a folder, say why, and undo.",
)
for command in (
    scan,
    run,
    report,
    explain,
    rescue,
    history,
    review,
    labels,
    doctor,
    login,
    config,
    domains,
    fleet,
    demo,
):
    command.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from cleanup.cli.versions import version_lines

        typer.echo("\n".join(version_lines()))
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Say the versions and stop."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line; no traceback reaches a user unless CLEANUP_DEBUG is set."""
    watch()
    try:
        app()
    except CleanupError as error:
        _complain(str(error), error.code)
        sys.exit(int(error.exit_code))
    except StopNow as stop:
        _complain("Stopped on request. Nothing is half-done; run again to go on from here", "stopped")
        sys.exit(int(stop.exit_code))
    except BrokenPipeError:
        _reader_went_away()
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        _reader_went_away()  # the library has made it an exit code of 1
    except Exception as error:
        if os.environ.get("CLEANUP_DEBUG"):
            raise
        _complain(f"Something went wrong that should not: {type(error).__name__}: {error}", "unexpected")
        _complain("Set CLEANUP_DEBUG=1 to see where, and please report it.", None)
        sys.exit(int(ExitCode.UNEXPECTED))


def _reader_went_away() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]
    sys.exit(int(ExitCode.DONE))


def _complain(text: str, code: str | None) -> None:
    from cleanup.report.safe_text import safe_text

    talk = sys.modules.get("cleanup.cli.talk")  # heavy, and not needed for a word on a wrong option
    if talk is not None and talk.logs_json():
        talk.say(text, level="error", code=code)
        return
    told = f"{text} [{code}]" if code else text
    typer.echo(f"mailbox-cleanup: {safe_text(told, limit=1000)}", err=True)
