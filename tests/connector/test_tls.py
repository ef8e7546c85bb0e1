"""Every way in which TLS fails, on real TLS servers: the cause in plain words, and what to do next."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from cleanup.connector import probe
from cleanup.connector.account import Account
from cleanup.connector.client import Budget
from cleanup.connector.credentials import from_text
from cleanup.connector.login import connect
from cleanup.connector.mailbox import open_mailbox
from cleanup.connector.tls import quick_context, tls_context
from cleanup.errors import CannotConnect, CleanupError, ConnectionLost, ServerMisbehaved, TlsFailed
from tests.cli.command import cleanup

OURS, NOT_OURS = trustme.CA(), trustme.CA()
NOW = datetime.now(UTC)
Serve = Callable[[socket.socket], object]


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    OURS.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@contextmanager
def a_server(serve: Serve) -> Iterator[int]:
    """Yield the port on this machine where each connection is handed to `serve`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock, suppress(OSError):
                        serve(sock)

        threading.Thread(target=take, daemon=True).start()
        yield listener.getsockname()[1]


def tls(certificate: trustme.LeafCert, *, newest: ssl.TLSVersion | None = None) -> Serve:
    """Return a server that makes a TLS handshake, and hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if newest:
        context.minimum_version = context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    return lambda sock: context.wrap_socket(sock, server_side=True).close()


def plain(sock: socket.socket) -> None:
    sock.sendall(b"* OK IMAP4rev1 ready\r\n")
    sock.recv(1000)


def self_signed(folder: Path) -> Serve:
    """Return a server whose certificate is its own authority's."""
    (folder / "own.pem").write_bytes(OURS.private_key_pem.bytes() + OURS.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    return lambda sock: context.wrap_socket(sock, server_side=True).close()


def errors_of(serve: Serve, ca_file: Path | None) -> list[CleanupError]:
    """Return what a login and what doctor's look say of a server."""
    with a_server(serve) as port:
        account = Account("localhost", "anna", from_text("x"), port=port, ca_file=ca_file, connect_timeout_s=30)
        found = []
        for attempt in (lambda: open_mailbox(account).__enter__(), lambda: probe.handshake(account)):
            with pytest.raises(CleanupError) as raised:
                attempt()
            found.append(raised.value)
    return found


def old_protocol() -> Serve:
    with pytest.warns(DeprecationWarning):
        return tls(OURS.issue_cert("localhost"), newest=ssl.TLSVersion.TLSv1_1)


@pytest.mark.parametrize(
    ("server", "cause", "next_step"),
    [
        (
            lambda: tls(OURS.issue_cert("localhost", not_after=NOW - timedelta(days=1))),
            "it has expired",
            "Tell the server's administrator",
        ),
        (
            lambda: tls(OURS.issue_cert("localhost", not_before=NOW + timedelta(days=2), not_after=NOW + timedelta(9))),
            "it is not valid yet",
            "Check this machine's clock",
        ),
        (
            lambda: tls(OURS.issue_cert("mail.example.org")),
            "it is not for localhost, but for mail.example.org",
            "Ask the server's administrator for its right name",
        ),
        (
            lambda: tls(NOT_OURS.issue_cert("localhost")),
            "this machine does not know the authority that signed it",
            "--ca-file",
        ),
        (old_protocol, "the server offers nothing newer than TLS 1.1", "TLS 1.2 or newer is needed"),
        (lambda: plain, "the server talks plain text there, not TLS", "--security starttls"),
    ],
    ids=["expired", "not yet valid", "another name", "unknown authority", "TLS 1.1", "plain text"],
)
def test_the_cause_is_said_in_plain_words_with_the_next_step(
    server: Callable[[], Serve], cause: str, next_step: str, ca_file: Path
) -> None:
    for error in errors_of(server(), ca_file):
        assert isinstance(error, TlsFailed)
        assert cause in str(error)
        assert next_step in str(error)
        assert "_ssl.c" not in str(error)
        assert "SSL:" not in str(error)


def test_a_self_signed_certificate_is_called_so(tmp_path: Path) -> None:
    for error in errors_of(self_signed(tmp_path), None):
        assert "it is self-signed. If it is your own server's" in str(error)


def test_a_server_that_hangs_up_may_want_starttls(ca_file: Path) -> None:
    for error in errors_of(lambda sock: sock.close(), ca_file):
        assert isinstance(error, TlsFailed | CannotConnect)
        assert "hung up" in str(error)
        assert "Perhaps this port wants --security starttls" in str(error)


def test_starttls_where_tls_begins_at_once_says_so(ca_file: Path) -> None:
    with a_server(tls(OURS.issue_cert("localhost"))) as port:
        account = Account(
            "localhost", "anna", from_text("x"), port=port, ca_file=ca_file, security="starttls", connect_timeout_s=3
        )
        with pytest.raises(CannotConnect, match="Perhaps this port wants --security tls"), open_mailbox(account):
            pass


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"A OK go\r\n", TlsFailed, "agreed to STARTTLS and does not speak TLS"),
        (b"A OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", TlsFailed, "put words into the mouth|does not speak TLS"),
        (b"A BAD no\r\n", TlsFailed, "refused STARTTLS"),
        (b"XX OK go\r\n", ConnectionLost, "hung up at STARTTLS"),
        (b"* BYE no\r\n", ConnectionLost, "hung up at STARTTLS"),
        (b"* OK {" + b"9" * 5000 + b"}\r\n", ServerMisbehaved, "makes no sense"),
    ],
)
def test_a_server_that_breaks_off_starttls_is_named_and_gets_no_password(
    answer: bytes, error: type[CleanupError], says: str, ca_file: Path
) -> None:
    heard: list[bytes] = []

    def strips(sock: socket.socket) -> None:
        sock.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hi\r\n")
        tag = sock.recv(1000).split()[0]
        sock.sendall(answer.replace(b"A ", tag + b" ", 1))
        heard.append(sock.recv(1000)[:20])
        sock.close()

    with a_server(strips) as port:
        account = Account("localhost", "anna", from_text("x"), port=port, ca_file=ca_file, security="starttls")
        with pytest.raises(error, match=says), open_mailbox(account):
            pass

    assert not any(b"LOGIN" in one for one in heard)


def test_another_name_of_the_same_organisation_is_offered(ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
    with a_server(tls(OURS.issue_cert("stranger.example", "*.mx.example.org", "imap.example.org"))) as port:
        account = Account("mail.example.org", "anna", from_text("x"), port=port, ca_file=ca_file)
        with pytest.raises(TlsFailed, match=r"Try --host imap\.example\.org$"):
            probe.handshake(account)


def test_a_command_ends_with_the_code_for_tls(ca_file: Path) -> None:
    with a_server(tls(OURS.issue_cert("localhost", not_after=NOW - timedelta(days=1)))) as port:
        reach = ("--host", "localhost", "--port", port, "--ca-file", ca_file)
        done = cleanup("scan", "anna@example.org", *reach, CLEANUP_PASSWORD="x")

    assert done.code == 12
    assert done.err.splitlines() == [
        f"mailbox-cleanup: The certificate of localhost:{port} is not trusted: it has expired. "
        "Tell the server's administrator [tls]"
    ]


def hashed(authority: trustme.CA, folder: Path) -> Path:
    """Return a folder in which OpenSSL finds an authority by the hash of its name."""
    folder.mkdir()
    pem = folder / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    asked = ["openssl", "x509", "-hash", "-noout", "-in", str(pem)]
    name = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    (folder / f"{name}.0").symlink_to(pem)
    return folder


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[trustme.CA, trustme.CA], None]]:
    """A system with one authority in its file and one in its folder."""

    def has(in_file: trustme.CA, in_folder: trustme.CA) -> None:
        in_file.cert_pem.write_to_path(tmp_path / "system.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
        monkeypatch.setenv("SSL_CERT_DIR", str(hashed(in_folder, tmp_path / "certs")))
        forget()

    def forget() -> None:
        quick_context.cache_clear()
        tls_context.cache_clear()

    yield has
    monkeypatch.undo()
    forget()


def greeted(certificate: trustme.LeafCert) -> tuple[int, bool]:
    """Return how many connections it took to reach a server with this certificate, and whether that worked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    taken: list[None] = []

    def serve(sock: socket.socket) -> None:
        taken.append(None)
        with context.wrap_socket(sock, server_side=True) as secure:
            secure.sendall(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
            secure.recv(1000)

    with a_server(serve) as port:
        account = Account("localhost", "anna", from_text("x"), port=port, connect_timeout_s=30)
        try:
            connect(account, Budget(time.monotonic() + 30, 10_000), lambda _: None).imap.shutdown()
        except TlsFailed:
            return len(taken), False
    return len(taken), True


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize(
    ("in_file", "in_folder", "connections", "trusted"),
    [(NOT_OURS, OURS, 1, True), (OURS, NOT_OURS, 2, True), (NOT_OURS, NOT_OURS, 2, False)],
    ids=["found in the folder", "found in the file alone", "unknown"],
)
def test_an_authority_is_looked_up_by_its_hash_before_all_are_read(
    system: Callable[[trustme.CA, trustme.CA], None],
    in_file: trustme.CA,
    in_folder: trustme.CA,
    connections: int,
    trusted: bool,
) -> None:
    system(in_file, in_folder)

    assert greeted(OURS.issue_cert("localhost")) == (connections, trusted)


def test_who_names_a_file_of_authorities_alone_means_that_file(
    system: Callable[[trustme.CA, trustme.CA], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system(OURS, NOT_OURS)
    monkeypatch.delenv("SSL_CERT_DIR")

    assert quick_context(None) is None
