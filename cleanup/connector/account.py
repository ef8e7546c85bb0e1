"""How to reach one mailbox: what stands in a profile, as a value that can log in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cleanup.connector.credentials import Credential

Security = Literal["tls", "starttls", "plain"]
MIB = 1 << 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Account:
    """How to reach a mailbox. Times are in seconds.

    `command_timeout_s` bounds a whole command with its answer, not one read; `max_answer_bytes` the answer's size.
    `authzid` is whose mailbox to open when that is not the login's own (RFC 4616): the helpdesk's master user.
    `ca_file` holds further certificate authorities to trust, in PEM.
    """

    host: str
    username: str
    credential: Credential
    port: int | None = None
    security: Security = "tls"
    ca_file: Path | None = None
    authzid: str | None = None
    connect_timeout_s: float = 30.0
    command_timeout_s: float = 120.0
    max_answer_bytes: int = 128 * MIB

    @property
    def real_port(self) -> int:
        """The port, or the registered one (RFC 8314)."""
        return self.port or (993 if self.security == "tls" else 143)

    @property
    def where(self) -> str:
        """Host and port, for messages to people."""
        return f"{self.host}:{self.real_port}"

    @property
    def owner(self) -> str:
        """Whose mailbox it is, by the login: also of a master user's "anna*helpdesk", and of one with an authzid."""
        return self.authzid or self.username.partition("*")[0] or self.username

    @property
    def who(self) -> str:
        """Who acts, and for whom where that is somebody else: the audit line."""
        return f"{self.username} for {self.authzid}" if self.authzid else self.username
