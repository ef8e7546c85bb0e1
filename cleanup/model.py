"""The values that flow between the rooms: frozen, typed, with no behaviour beyond themselves.

Times are time-zone aware `datetime` values in UTC. Addresses have their domain lower-cased and their local part as it
was written. Message-IDs stand without angle brackets.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

# --- what a message is ---------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What a message is. Everything but ORDINARY is a *notice*: an automatic answer."""

    ORDINARY = "ordinary"
    NDR = "ndr"
    AUTO_REPLY = "auto_reply"  # RFC 3834
    CHALLENGE = "challenge"
    VIRUS_NOTICE = "virus_notice"
    MDN = "mdn"  # RFC 8098
    ARF = "arf"  # RFC 5965


class Action(StrEnum):
    """What became of a message for a recipient (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Cause(StrEnum):
    """Why a message could not be delivered, in standard names."""

    NO_SUCH_USER = "no_such_user"
    NO_SUCH_HOST = "no_such_host"
    MAILBOX_FULL = "mailbox_full"
    MAILBOX_DISABLED = "mailbox_disabled"
    TOO_LARGE = "too_large"
    BLOCKED = "blocked"  # the sending address, host or network is refused
    SPAM = "spam"  # the content is taken for spam
    VIRUS = "virus"
    POLICY = "policy"
    AUTHENTICATION = "authentication"  # SPF, DKIM, DMARC
    RELAY_DENIED = "relay_denied"
    RATE_LIMITED = "rate_limited"
    NETWORK = "network"
    EXPIRED = "expired"  # given up after the queue lifetime
    LOOP = "loop"
    SYSTEM = "system"
    CONTENT = "content"
    UNKNOWN = "unknown"


class Extent(StrEnum):
    """How much of the returned message a notice gives back."""

    FULL = "full"
    HEADERS = "headers"
    QUOTED = "quoted"
    NOTHING = "nothing"


# --- what a notice says --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient that a notice reports on."""

    address: str
    original: str | None = None  # Original-Recipient, where it differs
    action: Action | None = None
    status: str | None = None  # enhanced status code, RFC 3463: "5.1.1"
    reply: str | None = None  # SMTP reply code: "550"
    diagnostic: str | None = None
    remote_mta: str | None = None
    cause: Cause = Cause.UNKNOWN


@dataclass(frozen=True, slots=True)
class Returned:
    """What a notice gives back of one message that it answers.

    `headers` are (name, unfolded raw value) in their order; `received` the Received values, topmost (latest) first.
    `raw` holds the bytes as returned where they came as a MIME part, for DKIM; None where they were quoted in text.
    `ambiguous` names fields that stood there more than once with different values: evidence may use them only to spare.
    """

    extent: Extent
    message_id: str | None = None
    other_ids: tuple[str, ...] = ()  # X-Microsoft-Original-Message-ID, X-Google-..., quoted text, the status part
    from_address: str | None = None
    from_name: str | None = None
    to: tuple[str, ...] = ()  # To and Cc
    subject: str | None = None  # decoded
    date: datetime | None = None
    date_text: str | None = None  # as it stood there
    thread_index: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    received: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None
    body_digest: str | None = None  # of the normalised first text, to tell campaigns apart
    ambiguous: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """One automatic answer, read. `returned` is never empty: nothing returned is one Returned(Extent.NOTHING)."""

    kind: Kind
    format: str  # which reader answered
    action: Action | None = None
    recipients: tuple[Recipient, ...] = ()
    returned: tuple[Returned, ...] = (Returned(Extent.NOTHING),)
    reporting_mta: str | None = None
    envelope_id: str | None = None  # Original-Envelope-Id, RFC 3461
    arrival_date: datetime | None = None  # Arrival-Date of the returned message at the reporting MTA
    status: str | None = None  # the first failed recipient's, or the text's
    cause: Cause = Cause.UNKNOWN
    # the notice as a message of its own
    subject: str | None = None
    sender: str | None = None  # From address
    return_path: str | None = None  # "" for the null sender, None where there is no field
    message_id: str | None = None
    date: datetime | None = None
    addressed_to: tuple[str, ...] = ()  # Delivered-To, X-Original-To, To
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    received: tuple[str, ...] = ()  # the notice's own way, topmost first
    marks: tuple[tuple[str, str], ...] = ()  # filter results and Authentication-Results on the notice itself
    too_hostile: str | None = None  # why it could not be read safely; then hardly anything else is filled in


# --- what is known of the owner ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message of the owner's, from the headers in a Sent folder."""

    folder: str
    uid: int
    message_id: str | None = None
    other_ids: tuple[str, ...] = ()
    from_address: str | None = None
    from_name: str | None = None
    recipients: tuple[str, ...] = ()  # To, Cc and Bcc
    subject: str | None = None  # decoded, not yet normalised
    date: datetime | None = None
    arrived: datetime | None = None  # INTERNALDATE
    thread_index: str | None = None
    mailer: str | None = None  # X-Mailer or User-Agent
    zone_minutes: int | None = None  # of Date, east of UTC
    forwarded: bool = False  # carries Resent-*, or is a draft or template: does not teach


@dataclass(frozen=True, slots=True)
class SentSource:
    """One place that holds sent mail, and whether it was read whole."""

    folder: str
    announced: int  # messages that the server says are there
    read: int
    problem: str | None = None  # why it could not be read


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the owner is. All names lower-case; hosts are names, addresses or CIDR networks."""

    addresses: frozenset[str] = frozenset()
    outbound_hosts: frozenset[str] = frozenset()
    imap_host: str = ""  # the server that holds the mailbox; "" for archives: it tells the provider
    shared_providers: frozenset[str] = frozenset()
    dkim_domains: frozenset[str] = frozenset()
    authserv_ids: frozenset[str] = frozenset()
    aliases: tuple[tuple[str, str], ...] = ()  # (list or forwarding address, where it leads)
    batv_keys: tuple[bytes, ...] = field(default=(), repr=False)
    srs_keys: tuple[bytes, ...] = field(default=(), repr=False)
    hmac_keys: tuple[bytes, ...] = field(default=(), repr=False)  # of digests in ids and envelope senders
    tagged_since: datetime | None = None


DNS_KEPT_FOR = timedelta(days=1)  # look-ups: a run uses those of earlier ones for so long


class DnsLookup(NamedTuple):
    """One question that a name server answered: `kind` is TXT, A, AAAA or MX. Without `values` there is no record."""

    name: str  # lower-case, as A-labels
    kind: str
    values: tuple[str, ...]
    at: datetime


# --- what was decided ----------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """The three words of a decision."""

    GENUINE = "genuine"
    BACKSCATTER = "backscatter"
    UNSURE = "unsure"


class Strength(StrEnum):
    """How much a reason weighs. A *hint* is SUPPORTING and points to GENUINE; a *veto* is HARD and points to UNSURE."""

    HARD = "hard"
    SUPPORTING = "supporting"
    NOTE = "note"  # said, never counted


LABELLED = "a-person-said-so"  # the row of the policy that a label decides by


class Family(StrEnum):
    """Where evidence comes from. Two reasons of one family are one witness."""

    SENT = "sent"
    IDENTITY = "identity"
    TRANSPORT = "transport"
    AUTHENTICATION = "authentication"
    CAMPAIGN = "campaign"
    UPSTREAM = "upstream"
    PEOPLE = "people"

    @classmethod
    def _missing_(cls, value: object) -> Family | None:
        """Return the family that was called "ledger" until 0.2.1: configurations may still name it so."""
        return cls.SENT if value == "ledger" else None


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence: the rule that found it, what it points to, how strongly, and one plain sentence."""

    rule: str
    family: Family
    points_to: Verdict
    strength: Strength
    says: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The thresholds of a decision, as data. Durations are timedeltas, shares are between 0 and 1."""

    name: str = "balanced"
    queue_lifetime: timedelta = timedelta(days=5)
    date_tolerance: timedelta = timedelta(minutes=10)
    min_completeness: float = 0.9  # lower bound below which Sent does not vouch
    min_missing: int = 7  # samples that must be missing before the measure refutes a person's word
    min_hop_samples: int = 3  # proved notices that teach an outbound host
    switched_off: frozenset[Family] = frozenset()
    file_leaning: bool = False  # also file what is unsure, leaning backscatter (`--policy storm`)
    file_other_notices: bool = False  # auto-replies, challenges, receipts, virus notices
    max_moves: int = 500
    max_share: float = 0.2  # of the Inbox
    dnsbl_zone: str = "ips.backscatterer.org"  # asked only where DNS evidence is switched on
    max_share_floor: int = 20  # a share stops nothing below this many moves


LABEL_OF_SENDER = "sender:"  # people's words on networks stand under this and the network, beside those on messages


@dataclass(frozen=True, slots=True)
class UnknownSender:
    """A host that handed mail over in the owner's name and that nobody can place: a person can."""

    network: str  # what one customer of a hoster commonly has: a /24, of IPv6 a /48
    address: str
    host: str | None = None  # the name that the receiver looked up


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with everything that was looked at. `row` names the row of POLICY that decided."""

    verdict: Verdict
    row: str
    reasons: tuple[Reason, ...] = ()
    leaning: Verdict | None = None  # where an unsure one tends
    flags: tuple[str, ...] = ()  # "id_reused", "sent_gap", "not_owners_address", ...
    nearest_sent: SentMessage | None = None
    campaign: str | None = None  # key of the cluster it belongs to
    sender: UnknownSender | None = None  # of an unsure one: whom a person may be asked about (sender_questions.py)
    trusted_hop: str | None = None  # the host whose delivery the evidence of the path rests on

    @property
    def is_kept(self) -> bool:
        """Whether it stays at a person's word, so that nothing is open: put back by an undo, or called unsure."""
        return self.row == LABELLED and self.verdict is Verdict.UNSURE


# --- where messages are --------------------------------------------------------------------------------------------


class MessageRef(NamedTuple):
    """A message's place on a server: a UID means nothing without its folder and that folder's UIDVALIDITY."""

    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What stays the same when a message moves: size, INTERNALDATE and a hash of its identifying header fields."""

    size: int
    arrived: datetime
    digest: str  # SHA-256, hex, of Message-ID, Date, From, Subject and Return-Path as stored


class PulledHeaders(NamedTuple):
    """The header fields of one message as pulled, before anyone knows what it is."""

    ref: MessageRef
    size: int
    arrived: datetime
    flags: tuple[str, ...]
    fields: bytes  # the header block as the server sent it, unparsed


@dataclass(frozen=True, slots=True)
class Judged:
    """A notice with its place and its finding."""

    ref: MessageRef
    fingerprint: Fingerprint
    flags: tuple[str, ...]
    notice: Notice
    finding: Finding


# --- what is to be done --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """One message that is to be moved. `undoes` is the move in the journal that this one takes back."""

    ref: MessageRef
    fingerprint: Fingerprint
    flags: tuple[str, ...] = ()
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class NotFiled:
    """One notice that stays where it is, and why."""

    ref: MessageRef
    reason: str


@dataclass(frozen=True, slots=True)
class LimitsMet:
    """A plan that is larger than a run may carry out unasked, and the least limits that let it through.

    A limit is None where the plan keeps to it already. `of` counts all messages of the folder.
    """

    count: int
    of: int
    max_moves: int | None = None
    max_share: float | None = None  # in hundredths, rounded up


@dataclass(frozen=True, slots=True)
class FilingPlan:
    """Exactly what a run will do. A dry run prints it; a real run executes it. Refusals are in it, in words.

    Where `limits` are all that stands in the way, a person who sees the numbers may let it through (let_through()).
    """

    source: str
    target: str
    uidvalidity: int
    moves: tuple[PlannedMove, ...] = ()
    not_filed: tuple[NotFiled, ...] = ()
    refusals: tuple[str, ...] = ()
    limits: LimitsMet | None = None  # set where nothing but these refuses

    def let_through(self) -> FilingPlan:
        """Return the plan without its limits, as a person agreed to it; what else refuses stays."""
        return self if self.limits is None else replace(self, refusals=(), limits=None)
