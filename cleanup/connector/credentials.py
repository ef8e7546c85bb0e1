"""Where a password or an access token comes from: never from argv, never kept longer than the login."""

from __future__ import annotations

import errno
import os
import selectors
import shlex
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cleanup.atomic_write import must_be_a_file, write_whole
from cleanup.errors import UsageError
from cleanup.extras import install_command

COMMAND_TIMEOUT_S = 60.0
LONGEST = 1 << 16  # bytes in which a secret is looked for; tokens have 2,000
_POLL_S = 0.05


class Mechanism(StrEnum):
    """How the secret is shown to the server."""

    PASSWORD = "password"  # noqa: S105 - a mechanism's name. LOGIN, or AUTHENTICATE PLAIN where it must be
    XOAUTH2 = "xoauth2"
    OAUTHBEARER = "oauthbearer"  # RFC 7628


@dataclass(frozen=True, slots=True)
class Credential:
    """A source of a secret: it is asked anew at every login, so that tokens may expire."""

    read: Callable[[], str] = field(repr=False)
    mechanism: Mechanism = Mechanism.PASSWORD


def from_text(secret: str, mechanism: Mechanism = Mechanism.PASSWORD) -> Credential:
    """Return a credential of a secret that is known already (typed at a prompt, say)."""
    return Credential(lambda: secret, mechanism)


def from_file(path: Path) -> Credential:
    """Return a credential of the first line of a file that nobody but its owner may read."""

    def read() -> str:
        owner_only(path)
        return _first_line(path)

    return Credential(read)


def from_systemd(path: Path) -> Credential:
    """Return a credential of a file that systemd hands to a service alone (LoadCredential=, CREDENTIALS_DIRECTORY).

    Its group may seem to read it: an access list lets the service's user in, and its mask stands in the group's place.
    """
    return Credential(lambda: _first_line(path))


def from_environment(name: str) -> Credential:
    """Return a credential of an environment variable."""

    def read() -> str:
        secret = os.environ.get(name)
        if not secret:
            raise UsageError(f"The environment variable {name} is not set, so there is no password")
        return secret

    return Credential(read)


def from_command(command: str, mechanism: Mechanism = Mechanism.PASSWORD) -> Credential:
    """Return a credential of the first line that a command prints; it runs without a shell."""
    return Credential(lambda: _output_of(command), mechanism)


def from_keyring(service: str, username: str) -> Credential:
    """Return a credential of the system's keyring (extra `keyring`; there is none under cron)."""

    def read() -> str:
        try:
            import keyring
        except ImportError as error:
            raise UsageError("The keyring is not installed", hint=install_command("keyring")) from error
        secret = keyring.get_password(service, username)
        if not secret:
            raise UsageError(f"The keyring holds no password of {username} for {service}")
        return str(secret)

    return Credential(read)


def owner_only(path: Path) -> None:
    """Raise UsageError unless nobody but its owner may read the file."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read", why=error.strerror) from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"Others may read the file {path}", hint=f"chmod 600 {path}")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all; a link goes on leading to it. Raises OSError."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(path, text, mode=0o600)


def _first_line(path: Path) -> str:
    try:
        must_be_a_file(path.stat())
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"The password file {path} cannot be read", why=why) from error
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise UsageError(f"The password file {path} is empty")
    return lines[0]


def _output_of(command: str) -> str:
    """Return the first line of what a command prints. What it leaves running is not waited for.

    Raises UsageError where it cannot be run, fails, takes too long, or prints nothing or without an end.
    """
    try:
        with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                lines = _printed_by(process, time.monotonic() + COMMAND_TIMEOUT_S).decode().splitlines()
            finally:
                process.kill()  # nothing happens to one that has ended
    except (OSError, ValueError, IndexError) as error:
        not_text = "what it prints is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else None
        why = (
            getattr(error, "strerror", None) or not_text or type(error).__name__
        )  # its own words would be the secret's
        raise UsageError("The password command could not be run", why=why) from None
    if process.returncode != 0 or not "".join(lines).strip():
        raise UsageError(f"The password command gave no password (exit code {process.returncode})")
    return lines[0]


def _printed_by(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Return what a process prints until it ends. Raises OSError, or ValueError, where it does not come to an end."""
    assert process.stdout is not None
    printed, at_end = b"", False
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while not at_end and len(printed) <= LONGEST and time.monotonic() < deadline:
            ended = process.poll() is not None
            if waiting.select(_POLL_S):
                piece = os.read(process.stdout.fileno(), LONGEST)
                printed, at_end = printed + piece, not piece
            else:
                at_end = ended  # what it started may hold the pipe open
    while at_end and process.poll() is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)  # it has closed its output and does something else yet
    if len(printed) > LONGEST:
        raise OSError(errno.EFBIG, f"it prints more than {LONGEST} bytes")
    if process.poll() is None or not at_end:
        raise OSError(errno.ETIMEDOUT, f"it takes longer than {COMMAND_TIMEOUT_S:.0f} seconds")
    return printed
