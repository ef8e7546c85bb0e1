"""An IMAP server in this process, for the demonstration and for tests: pymap in a thread, on a free loopback port.

It keeps mail in memory and forgets it at the end. pymap knows MOVE and UIDPLUS but not SPECIAL-USE (RFC 6154), which is
added here. Needs the extra `demo`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cleanup.errors import CannotConnect, UsageError
from cleanup.extras import install_command

if TYPE_CHECKING:
    from pymap.backend.dict import Config, DictBackend
    from pymap.user import UserMetadata

SPECIAL_USE = {"Sent": b"Sent", "Drafts": b"Drafts", "Junk": b"Junk", "Trash": b"Trash"}
START_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A server that runs."""

    port: int
    host: str = "127.0.0.1"


@contextmanager
def embedded_server(
    passwords: Mapping[str, str], *, folders: Sequence[str] = tuple(SPECIAL_USE), port: int = 0
) -> Iterator[EmbeddedServer]:
    """Yield a running server with these users and passwords; each has an empty INBOX and the folders.

    `port` 0 takes a free one. Raises UsageError where pymap is not installed, CannotConnect where the port is taken.
    """
    try:
        import pymap  # noqa: F401
    except ImportError as error:
        raise UsageError("The demonstration needs pymap", hint=install_command("demo")) from error
    running = _Running(_listen(port), dict(passwords), tuple(folders))
    thread = threading.Thread(target=running.serve, name="embedded-imap", daemon=True)
    thread.start()
    try:
        yield EmbeddedServer(running.wait_until_ready())
    finally:
        running.stop()
        thread.join(START_TIMEOUT_S)


def _listen(port: int) -> socket.socket:
    """Return a socket that listens already, so that nobody can take the port in between."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
        sock.listen(100)
    except OSError as error:
        sock.close()
        raise CannotConnect(f"Port {port} cannot be used", why=error.strerror, hint="Choose another one") from error
    return sock


@dataclass(slots=True)
class _Running:
    """The server's thread: its event loop, and how to end it."""

    sock: socket.socket
    passwords: dict[str, str]
    folders: tuple[str, ...]
    _ready: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _end: asyncio.Event | None = None
    _problem: BaseException | None = None

    def serve(self) -> None:
        """Serve until stop() is called."""
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # it is raised where the server is waited for
            self._problem = error
        finally:
            self._ready.set()

    def wait_until_ready(self) -> int:
        """Return the port once logins are possible."""
        if not self._ready.wait(START_TIMEOUT_S) or self._problem:
            raise CannotConnect("The embedded server did not start") from self._problem
        return int(self.sock.getsockname()[1])

    def stop(self) -> None:
        """End the server."""
        if self._loop and self._end and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)

    async def _serve(self) -> None:
        from proxyprotocol.noop import ProxyProtocolNoop
        from proxyprotocol.reader import ProxyProtocolReader
        from pymap.imap import IMAPServer
        from pymap.user import Passwords, UserMetadata

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        backend, config = _backend()
        config.apply_context()
        hashed = {
            password: await Passwords(config).hash_password(password) for password in set(self.passwords.values())
        }
        for user, password in self.passwords.items():
            await _add_user(backend, config, UserMetadata(config, user, password=hashed[password]), self.folders)
        answer = ProxyProtocolReader(ProxyProtocolNoop()).get_callback(IMAPServer(backend.login, config))
        async with AsyncExitStack() as stack:
            await backend.start(stack)
            await stack.enter_async_context(await asyncio.start_server(answer, sock=self.sock))
            self._ready.set()
            await self._end.wait()


def _backend() -> tuple[DictBackend, Config]:
    from pymap.backend.dict import Config, DictBackend, Login
    from pymap.config import BackendCapability

    class SpecialUseConfig(Config):
        @property
        def backend_capability(self) -> BackendCapability:
            return BackendCapability(idle=True, object_id=True, multi_append=True, custom=[b"SPECIAL-USE"])

    config = SpecialUseConfig(
        Namespace(passlib_cfg=None, proxy_protocol=None),
        host="127.0.0.1",
        port=0,
        tls_enabled=False,
        secure_auth=False,  # loopback only
        invalid_user_sleep=0.0,
        demo_data=False,
        demo_user="",
        demo_password="",
    )
    return DictBackend(Login(config), config), config


async def _add_user(backend: DictBackend, config: Config, user: UserMetadata, folders: Iterable[str]) -> None:
    from pymap.backend.dict import Identity
    from pymap.backend.dict.filter import FilterSet

    await Identity(user.name, backend.login, None, frozenset()).set(user)
    mailboxes = _mailboxes()
    for folder in folders:
        await mailboxes.add_mailbox(folder)
        await mailboxes.set_subscribed(folder, True)
    config.set_cache[user.name] = (mailboxes, FilterSet())


def _mailboxes() -> Any:
    """Return an empty set of mailboxes that shows which of them are special."""
    from pymap.backend.dict.mailbox import MailboxSet
    from pymap.listtree import ListEntry, ListTree

    class SpecialEntry(ListEntry):
        @property
        def attributes(self) -> Sequence[bytes]:
            special = SPECIAL_USE.get(self.name)
            return [*super().attributes, *([special] if special else [])]

    class SpecialTree(ListTree):
        def list(self) -> Iterable[ListEntry]:
            return [SpecialEntry(e.name, e.exists, e.marked, e.has_children) for e in super().list()]

    class SpecialMailboxes(MailboxSet):
        async def list_mailboxes(self) -> ListTree:
            plain = await super().list_mailboxes()
            return SpecialTree(self.delimiter).update(*(e.name for e in plain.list() if e.exists))

    return SpecialMailboxes()
