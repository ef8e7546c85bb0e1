"""One run at a time in a mailbox: the second exits at once and names the first.

The lock is the kernel's (flock), so it ends with the process that holds it, however that ends. The file's text only
says who that is. It lies in this user's state folder, not beside the ledger: two ledgers are still one mailbox. One
mailbox may have several names (another host name, the letters' case, a second address, a master user's login): whoever
works on it holds all names that can be known of it (names_of).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import platformdirs

from cleanup.detector.addresses import address_key
from cleanup.errors import LedgerUnusable, MailboxLocked, UsageError

FOLDER_VARIABLE = "CLEANUP_LOCK_DIR"
ANY_SERVER = ""  # an address is one mailbox, by whichever name its server is called
LOOPBACK = "loopback"
RESOLVED_FOR_S = 60  # a fleet would ask for the same server's address again and again
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds, or held, a mailbox; `since` is ISO 8601, UTC."""

    pid: int
    host: str
    since: str
    command: str

    def in_words(self) -> str:
        """Return "mailbox-cleanup run, process 4711 on mail1, since 2026-10-19 04:00 CEST", in local time."""
        since = f"{datetime.fromisoformat(self.since).astimezone():%Y-%m-%d %H:%M %Z}"
        return f"{self.command}, process {self.pid} on {self.host}, since {since}"


Name = tuple[str, str]  # a server, or ANY_SERVER, and a user


def names_of(address: str, host: str, login: str) -> list[Name]:
    """Return all names of a mailbox that tell it from others, in the order in which to hold them, each once.

    By its address at any server, and by its login (at any server if that is an address) at the server's name and at
    each address that the name has now: `localhost`, `127.0.0.1` and `::1` are one. In one order for everybody, so that
    of two runs that share some names one gets them all.
    """
    names = [name_of(address), (host, login)]
    names += [(ANY_SERVER, address_key(login))] if address_key(login) else []
    names += [(server, login) for server in _addresses_of(host.lower(), int(time.monotonic() // RESOLVED_FOR_S))]
    return [name for _, name in sorted({lock_file(*name, Path()): name for name in names}.items())]


def lasting_names(address: str, host: str, port: int, login: str) -> list[str]:
    """Return the names of a mailbox by which a ledger knows it again under another address, as digests.

    Its address, its login where that is an address, and its login at its server: on this machine's own addresses with
    the port, as there each may lead to another server.
    """
    names = names_of(address, host, login)
    server = f"{LOOPBACK}:{port}" if (LOOPBACK, login) in names else host
    return [digest_of(*name) for name in [(server, login), *(name for name in names if name[0] == ANY_SERVER)]]


def name_of(address: str) -> Name:
    """Return the name by which whoever works on the mailbox of an address holds it, whatever else he holds."""
    return ANY_SERVER, address_key(address) or address


@lru_cache(maxsize=4_096)
def _addresses_of(host: str, _moment: int) -> frozenset[str]:
    """Return the addresses of a server; none where the name leads nowhere: then no connection comes about either."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    addresses = [ip_address(str(endpoint[0]).partition("%")[0]) for *_, endpoint in found]
    return frozenset(LOOPBACK if _of_ipv4(one).is_loopback else str(_of_ipv4(one)) for one in addresses)


def _of_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@contextmanager
def hold_mailbox(server: str, username: str, command: str, *, folder: Path | None = None) -> Iterator[Holder | None]:
    """Hold the mailbox; yield who was cut off while holding it before, or None.

    Raises MailboxLocked, with the holder, where another process has it; UsageError where no lock can be made.
    """
    path = lock_file(server, username, folder)
    handle = _open_and_lock(path, username)
    try:
        before = _read(handle)
        holder = Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"), command)
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(asdict(holder)).encode(), 0)
        except OSError as error:  # a full disk: the ledger beside it would not take a line either
            raise LedgerUnusable(
                f"The lock {path} cannot be written", why=error.strerror, hint="Make room on that disk, then run again"
            ) from error
        yield before
        os.ftruncate(handle, 0)  # an orderly end leaves no holder; the file stays, as removing it would be a race
    finally:
        os.close(handle)


def is_free(path: Path) -> bool:
    """Return whether a lock is there and nobody holds it. A file that is not there or cannot be read says nothing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def default_folder() -> Path:
    """Return where locks lie: `CLEANUP_LOCK_DIR`, else this user's state folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_state_dir("mailbox-cleanup")) / "locks"


def lock_file(server: str, username: str, folder: Path | None = None) -> Path:
    """Return where a mailbox's lock lies, under a name that no user name can lead astray: a digest.

    Letter case makes no difference: at worst two mailboxes wait for each other.
    """
    return (folder or default_folder()) / f"{digest_of(server, username)}.lock"


def digest_of(server: str, username: str) -> str:
    """Return a name of a mailbox as files and ledgers may show it."""
    return hashlib.sha256("\0".join((server.lower(), username.casefold())).encode()).hexdigest()[:32]


def _open_and_lock(path: Path, username: str) -> int:
    """Return the lock's file, held. One that was removed between opening and locking holds nobody off: once more."""
    for _ in range(_TRIES):
        handle = _open(path)
        try:
            _lock(handle, path, username)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.lstat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    raise UsageError(f"The lock {path} does not work here", why="somebody keeps removing it")


def _open(path: Path) -> int:
    how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    try:
        with suppress(FileNotFoundError):  # the folder, the first time
            return os.open(path, how, 0o600)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, how, 0o600)
    except OSError as error:
        raise UsageError(
            f"The lock {path} cannot be made", why=error.strerror, hint=f"Set {FOLDER_VARIABLE}"
        ) from error


def _lock(handle: int, path: Path, username: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            hint = f"Name a folder on a local disk in {FOLDER_VARIABLE}"
            raise UsageError(f"The lock {path} does not work here", why=error.strerror, hint=hint) from error
        holder = _read(handle)
        raise MailboxLocked(
            f"Another run works on the mailbox of {username}",
            why=holder.in_words() if holder else None,
            hint="Wait until it has finished",
        ) from error


def _read(handle: int) -> Holder | None:
    try:
        noted = json.loads(os.pread(handle, 4096, 0))
        datetime.fromisoformat(noted["since"])  # or nobody can be told
        return Holder(int(noted["pid"]), str(noted["host"]), str(noted["since"]), str(noted["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
