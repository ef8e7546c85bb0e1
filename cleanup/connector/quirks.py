"""Every quirk of a server or provider that the program knows, by name, with its source: the one place to look for them.

Three kinds: what a refusal means (`REFUSALS`), what a refused login means (`LOGINS`), and what servers do that is not
said in words (`HABITS`, with the place in the code that lives with it). docs/servers.md tells of each by its name, and
tests/connector/test_quirks.py holds the two together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cleanup.connector.redact import hide
from cleanup.errors import (
    CannotConnect,
    CleanupError,
    CommandRefused,
    CommandUnknown,
    ConnectionLost,
    FolderNotFound,
    MessageNotShown,
    OverQuota,
    PermissionMissing,
    Throttled,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One meaning of a NO, BAD or BYE: how it is recognised, the error it becomes, what to do next, and who says so."""

    name: str
    pattern: re.Pattern[str]
    error: type[CleanupError]
    hint: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Login:
    """One meaning of a refused login: by the server's words, or by its host name where it says nothing of use."""

    name: str
    hint: str
    source: str
    words: re.Pattern[str] | None = None
    host: re.Pattern[str] | None = None

    def fits(self, text: str, host: str) -> bool:
        """Return whether this is what a server at `host` means."""
        return bool((self.words and self.words.search(text)) or (self.host and self.host.search(host)))


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that a server does: who, what, and the name in `cleanup` that lives with it."""

    name: str
    who: str
    does: str
    where: str
    source: str


def _refusal(name: str, pattern: str, error: type[CleanupError], source: str, hint: str | None = None) -> Refusal:
    return Refusal(name, re.compile(pattern, re.IGNORECASE), error, hint, source)


def _words(name: str, pattern: str, hint: str, source: str) -> Login:
    return Login(name, hint, source, words=re.compile(pattern, re.IGNORECASE))


# First match wins.
REFUSALS = (
    _refusal("gmail-bandwidth", r"\[OVERQUOTA\].{0,80}bandwidth|exceeded .{0,40}bandwidth", Throttled,
             "Gmail; chatwoot #6082, getmail", "Gmail allows 2,500 MB a day; try again tomorrow"),
    _refusal("over-quota", r"\[OVERQUOTA\]|quota exceeded|over ?quota|mailbox is full", OverQuota,
             "RFC 9208, and Dovecot with a full mailbox",
             "The mailbox is full. Servers that know MOVE still move; without it room is needed first"),
    _refusal("exchange-not-connected", r"authenticated but not connected", Throttled,
             "Exchange; node-imap #689 #523, MailKit #1494, email-oauth2-proxy #74",
             "Exchange says so when it is busy, when there are too many connections, when the token has the wrong "
             "scope, and when this login may not open this mailbox"),
    _refusal("throttled", r"throttl|too many (simultaneous )?(connections|requests)|\[LIMIT\]|\[INUSE\]", Throttled,
             "Microsoft 365 with a time to wait (imapsync #272 #212); Gmail above 15 connections (imapsync #61)",
             "The provider wants fewer requests or connections; try again later"),
    _refusal("busy", r"\[UNAVAILABLE\]|\[SERVERBUG\]|server error|internal error", Throttled,
             "Yahoo on large batches (imap_tools #229, MailKit #1055); RFC 5530", "Try again later"),
    _refusal("not-shown", r"\[UNKNOWN-CTE\]|\[EXPUNGEISSUED\]", MessageNotShown, "RFC 3516, RFC 5530"),
    _refusal("no-permission", r"\[NOPERM\]|\[READ-ONLY\]|permission denied|read-only|access denied", PermissionMissing,
             "RFC 5530; Cyrus and Courier in words",
             "This login may not do that here: ask for the right to (ACL), or use another folder"),
    _refusal("no-folder", r"\[TRYCREATE\]|\[NONEXISTENT\]|doesn't exist|does not exist|no such mailbox|"
             r"unknown mailbox|mailbox not found", FolderNotFound, "RFC 5530; Courier and Exchange in words",
             "Check the folder's name. A Dovecot master user with ACLs needs plugin { acl_user = %u }"),
)  # fmt: skip

LOGINS = (
    _words("app-password", r"application-specific|app password",
           "This provider wants an app password; make one in the account's security settings", "Gmail, iCloud, Yahoo"),
    _words("web-login", r"\[WEBALERT|web login required",
           "The provider wants you to log in with a browser once; then run again", "Gmail"),
    _words("imap-off", r"not enabled for IMAP|IMAP (access )?is disabled",
           "Turn on IMAP in the account's settings, or ask its administrator to", "Gmail, and administrators' switch"),
    _words("password-expired", r"\[EXPIRED\]", "The password has expired: set a new one", "RFC 5530"),
    Login("no-basic-auth", "Microsoft takes no passwords over IMAP any more: configure oauth (docs/servers.md)",
          "Microsoft 365 says LOGIN failed and nothing else; frappe #23079",
          host=re.compile(r"(^|\.)(office365|outlook|hotmail|office)\.(com|de)$", re.IGNORECASE)),
)  # fmt: skip

HABITS = (
    Habit("bad-to-move", "Exchange 2010", "offers MOVE and answers BAD Command Error. 12",
          "connector.mailbox.Mailbox.move", "parsedmarc #9"),
    Habit("copyuid-in-place-of-ok", "Exchange 2013", "* [COPYUID ...] where no response code may stand",
          "report.filing.execute.move_all", "parsedmarc #80 #70, MailKit #115"),
    Habit("ok-and-nothing", "IONOS", "answers OK to MOVE and moves nothing", "report.filing.reconcile.reconcile",
          "imap-mcp-server #54"),
    Habit("size-estimated", "Exchange", "tells another RFC822.SIZE than the message has", "report.filing.undo.match",
          "EnableExactRFC822Size is off by default"),
    Habit("folders-are-labels", "Gmail", "X-GM-EXT-1: a message is in several folders, and an expunge takes a label",
          "connector.mailbox.Mailbox.numbering", "courier #53 #66, net-imap #398"),
    Habit("all-mail", "Gmail", "a folder marked \\All shows every message again", "connector.folders.find_sent",
          "net-imap #398"),
    Habit("no-search-by-header", "Yahoo, Exchange", "SEARCH HEADER fails, or looks at display names",
          "connector.pull.headers", "MailKit #1055, node-imap #737, alpine #30"),
    Habit("localised-sent", "most providers", "Sent has a name in the owner's language and no mark",
          "connector.folders.is_sent_name", "imap-mcp-server #83 #125, nextcloud #3732"),
    Habit("mark-in-lower-case", "Cyrus", "\\sent instead of \\Sent", "connector.folders.Folder", "measured, 3.6.1"),
    Habit("below-inbox", "Courier, and Dovecot if so configured", "all folders are INBOX.something",
          "connector.folders.backscatter_folder_name", "measured, Courier 5.0.13"),
    Habit("no-move", "Courier", "knows UIDPLUS and no MOVE", "connector.mailbox.Mailbox.can_uid_expunge",
          "measured, 5.0.13"),
    Habit("no-uidnext", "Courier", "SELECT does not tell UIDNEXT", "connector.mailbox.Mailbox.examine",
          "measured, 5.0.13"),
    Habit("short-sets", "Courier, Dovecot, Cyrus", "a long UID set is BAD, or the end of the connection",
          "connector.commands.uid_sets", "measured; getmail6 #275, imapfilter #93"),
    Habit("flags-of-others", "Dovecot", "FETCH data of other messages without a UID", "connector.fetch.read_fetches",
          "imapclient #334"),
    Habit("move-in-examine", "Dovecot, pymap", "carries out a MOVE in a folder opened with EXAMINE",
          "connector.connection.LOOKING", "measured, Dovecot 2.3.19"),
    Habit("id-wanted", "NetEase (163.com)", "opens no folder for a program that did not say ID",
          "connector.connection.Wire", "RFC 2971, and its users' reports"),
    Habit("login-disabled", "servers with LOGINDISABLED over TLS", "take a password by AUTHENTICATE PLAIN only",
          "connector.login.log_in", "RFC 9051 section 6.2.3"),
    Habit("one-at-a-time", "filters and gateways before servers", "answer BAD to a second command, drop it, or hang up",
          "connector.connection.Wire", "RFC 9051 section 5.5 allows what they do not take"),
    Habit("no-header-fields", "broken or old servers", "answer HEADER.FIELDS with nothing, BAD, or as RFC822.HEADER",
          "connector.pull.headers", "RFC 1730; played by the scripted server"),
    Habit("missing-in-other-words", "hMailServer, gateways", "refuse a folder that is missing without saying so",
          "connector.mailbox.Mailbox.status", "played by the scripted server; LIST tells"),
    Habit("others-folders", "Dovecot, Cyrus, Courier", "show public and other users' folders beside the owner's",
          "connector.folders.placed", "RFC 2342"),
    Habit("rev2-only", "servers without IMAP4rev1", "answer SEARCH with ESEARCH, and write folder names in UTF-8",
          "connector.connection.Wire._log_in", "RFC 9051"),
    Habit("one-token-way", "servers with OAUTHBEARER alone", "do not know XOAUTH2", "connector.login.log_in",
          "RFC 7628"),
)  # fmt: skip


# --- What a server's refusal means and what to do about it ----------------------------------------------------------

LONGEST_TEXT = 300
_BACK_OFF = re.compile(r"suggested backoff time: (\d{1,9}) milliseconds", re.IGNORECASE)


def refusal(command: str, word: str, text: str) -> CleanupError:
    """Return the named error for a NO or BAD answer to a command."""
    what = f"The server answered {word} to {command}"
    quirk = _meaning(text)
    if quirk is None:
        kind = CommandUnknown if word == "BAD" else CommandRefused
        return kind(what, why=tidy(text))
    error = quirk.error(what, why=tidy(text), hint=quirk.hint)
    if isinstance(error, Throttled) and (wait := _BACK_OFF.search(text)):
        error.wait_s = int(wait[1]) / 1000
    return error


def broke_off(command: str, text: str) -> CannotConnect:
    """Return the error for a connection that ended at a command: with the server's last words, if it had any."""
    quirk = _meaning(text)
    hint = quirk.hint if quirk and issubclass(quirk.error, (Throttled, OverQuota)) else None
    return ConnectionLost(f"The connection broke off at {command}", why=text, hint=hint)


def _meaning(text: str) -> Refusal | None:
    return next((quirk for quirk in REFUSALS if quirk.pattern.search(text)), None)


def error_text(error: BaseException) -> str:
    """Return what an imaplib error says, on one line, without its wrapping and secrets, at most 300 characters."""
    text = hide(str(error))[: 4 * LONGEST_TEXT]
    text = re.sub(r"^command: \w+ => |^\w+ command error: BAD ", "", text)
    if inner := re.fullmatch(r"\[?b(['\"])(.*)\1\]?", text, re.DOTALL):
        text = inner[2]
    return tidy(text)


def tidy(text: str) -> str:
    """Return a server's words on one line, at most 300 characters, without secrets and the full stop: ours follows."""
    return hide(" ".join(hide(text).split()))[:LONGEST_TEXT].rstrip(". ")
