"""What can go wrong, by name: what happened, why, what to do next, and the exit code.

Every error that a person can meet is a CleanupError. Its `code` is stable and stands in docs/exit-codes.md.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """The exit codes of every command (docs/exit-codes.md)."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    PARTLY = 3
    REVIEW_WAITS = 4
    CANNOT_CONNECT = 10
    LOCKED = 11
    TLS = 12
    LOGIN_REFUSED = 13
    FOLDER_OR_PERMISSION = 14
    SAFETY_STOP = 20
    CANNOT_JUDGE = 21
    INTERRUPTED = 130
    TERMINATED = 143


class CleanupError(Exception):
    """Something that stops a command, in one line: what happened, why if known, and what to do next.

    Where a `command` of this program goes on, it is set by who knows the command line, as its words, with the `lead`
    that introduces it.
    """

    code = "unexpected"
    exit_code = ExitCode.UNEXPECTED
    command: tuple[object, ...] = ()
    lead = "To go on"
    done: object = None  # what had been done by then (jobs.result.Done), where that is known

    def __init__(self, what: str, *, why: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def going_on(self, lead: str, command: Iterable[object]) -> Self:
        """Return the error, with the command that goes on."""
        self.lead, self.command = lead, tuple(command)
        return self

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        hint = f". {self.hint}" if self.hint else ""
        return f"{self.what}{why}{hint}"


class UsageError(CleanupError):
    """An option, argument or configuration that cannot be acted on."""

    code = "usage"
    exit_code = ExitCode.USAGE


class ConfigurationError(UsageError):
    """A configuration file that cannot be read or says something impossible."""

    code = "configuration"


class TooManyOpenFiles(UsageError):
    """The system lets this process open no more files and connections."""

    code = "too-many-files"


class CannotConnect(CleanupError):
    """The server cannot be reached, went away, or took longer than its deadline."""

    code = "cannot-connect"
    exit_code = ExitCode.CANNOT_CONNECT


class ConnectionLost(CannotConnect):
    """The connection died in the middle: what was under way may or may not have happened."""

    code = "connection-lost"


class TookTooLong(ConnectionLost):
    """The server did not answer in time: it may still be at it."""


class ServerMisbehaved(CannotConnect):
    """The server answered something that IMAP does not allow, or contradicted itself."""

    code = "server-misbehaved"


class TlsFailed(CleanupError):
    """No verified TLS connection came about."""

    code = "tls"
    exit_code = ExitCode.TLS


class LoginRefused(CleanupError):
    """The server refused the login."""

    code = "login-refused"
    exit_code = ExitCode.LOGIN_REFUSED


class FolderNotFound(CleanupError):
    """A folder that is needed is not there."""

    code = "folder-not-found"
    exit_code = ExitCode.FOLDER_OR_PERMISSION


class SentFolderNotFound(FolderNotFound):
    """No folder of sent mail was found."""

    code = "sent-not-found"


class SentCannotVouch(CleanupError):
    """Sent is there, and too little can be read of it to judge any notice by it: nothing is filed."""

    code = "sent-cannot-vouch"
    exit_code = ExitCode.CANNOT_JUDGE


class PermissionMissing(CleanupError):
    """The server does not let this login do what is needed (read-only, ACL, quota)."""

    code = "permission-missing"
    exit_code = ExitCode.FOLDER_OR_PERMISSION


class CommandRefused(CleanupError):
    """The server answered NO or BAD to a command; the connection is still usable."""

    code = "command-refused"
    exit_code = ExitCode.FOLDER_OR_PERMISSION


class CommandUnknown(CommandRefused):
    """The server answered BAD: it does not know the command, or not in this form. It did nothing."""

    code = "command-unknown"


class MessageNotShown(CommandRefused):
    """The server cannot show one of the messages that were asked for (RFC 5530, RFC 3516)."""

    code = "message-not-shown"


class OverQuota(CommandRefused):
    """The mailbox is full (RFC 9208)."""

    code = "over-quota"


class Throttled(CommandRefused):
    """The server asks to be left alone for a while; `wait_s` is how long, where it says so."""

    code = "throttled"
    exit_code = ExitCode.CANNOT_CONNECT

    def __init__(self, what: str, *, why: str | None = None, hint: str | None = None, wait_s: float = 0.0) -> None:
        super().__init__(what, why=why, hint=hint)
        self.wait_s = wait_s


class MoveNotSupported(PermissionMissing):
    """The server has neither MOVE nor UIDPLUS, so nothing can be moved safely."""

    code = "move-not-supported"


class MailboxLocked(CleanupError):
    """Another run works on the same mailbox."""

    code = "locked"
    exit_code = ExitCode.LOCKED


class SafetyStop(CleanupError):
    """A limit that exists to protect the owner's mail was met; nothing was moved."""

    code = "safety-stop"
    exit_code = ExitCode.SAFETY_STOP


class UidValidityChanged(SafetyStop):
    """The folder's UIDVALIDITY changed between the plan and the move: its UIDs mean other messages now."""

    code = "uidvalidity-changed"


class LedgerUnusable(CleanupError):
    """The ledger cannot be read or written."""

    code = "ledger-unusable"
    exit_code = ExitCode.UNEXPECTED


class FinishedInPart(CleanupError):
    """Some of the work was done and some could not be."""

    code = "partly"
    exit_code = ExitCode.PARTLY


class StopNow(BaseException):
    """A signal came while nothing was half-done. No KeyboardInterrupt, which typer would answer in its own way."""

    def __init__(self, exit_code: ExitCode) -> None:
        super().__init__()
        self.exit_code = exit_code


class Stopped(CleanupError):
    """Somebody stopped the program; what was under way was finished first."""

    code = "stopped"
    exit_code = ExitCode.INTERRUPTED

    def __init__(self, exit_code: ExitCode = ExitCode.INTERRUPTED) -> None:
        super().__init__("Stopped on request", hint="Nothing is half-done; run again to go on from here")
        self.exit_code = exit_code


def as_named(error: Exception) -> CleanupError:
    """Return an error that nobody foresaw as one of ours: by its name where the system is at its limits."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        hint = "Raise the limit of open files (ulimit -n 1024, or LimitNOFILE= of a service)"
        return TooManyOpenFiles("The system opens no more files for this process", why=error.strerror, hint=hint)
    return CleanupError(f"{type(error).__name__}: {error}")


def option_words(**given: object) -> list[str]:
    """Return options as the words of a command to paste: nothing for None, one for each value of a list."""
    return [
        word
        for name, value in given.items()
        for one in (value if isinstance(value, list) else [value])
        if one is not None
        for word in (f"--{name.replace('_', '-')}", str(one))
    ]
