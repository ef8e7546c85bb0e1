"""Writes notices as mail servers write them: Received lines in several dialects, reports, plain texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random

STYLES = ("postfix", "sendmail", "exchange", "exim", "qmail")
DIALECTS = ("postfix", "exim", "sendmail", "courier", "exchange", "qmail")


@dataclass(frozen=True)
class Original:
    """The message that a notice answers, as its last host had it."""

    message_id: str | None
    sender: str
    to: str
    subject: str
    date: datetime
    received: tuple[str, ...] = ()  # topmost first
    extra: tuple[str, ...] = ()

    def header(self) -> str:
        """The header as it is returned."""
        lines = [f"Received: {line}" for line in self.received]
        lines += [f"Message-ID: <{self.message_id}>"] if self.message_id else []
        lines += [f"Date: {format_datetime(self.date)}", f"From: {self.sender}", f"To: {self.to}"]
        return "\r\n".join([*lines, f"Subject: {self.subject}", *self.extra, "MIME-Version: 1.0"]) + "\r\n"


@dataclass(frozen=True)
class Report:
    """One notice to be written. `returns`: full, headers, quoted (a few fields in text), nothing."""

    original: Original
    failed: tuple[str, ...]
    reporter: str
    reporter_address: str
    to: str
    arrived: datetime
    style: str = "postfix"
    returns: str = "headers"
    action: str = "failed"
    delivered: tuple[str, ...] = ()
    handed_over_by: tuple[str, ...] = field(default=())
    return_path: str = ""


def received(
    rng: Random, by: str, name: str, address: str, when: datetime, *, login: bool = False, helo: str = ""
) -> str:
    """Return a Received value in one of the dialects; `login` marks an authenticated submission."""
    helo = helo or name or "localhost"
    looked_up = name or "unknown"
    number, protocol = f"{rng.getrandbits(40):010X}", "ESMTPSA" if login else "ESMTPS"
    forms = {
        "postfix": f"from {helo} ({looked_up} [{address}])\r\n\tby {by} (Postfix) with {protocol} id {number}",
        "exim": f"from [{address}] (helo={helo})\r\n\tby {by} with {protocol.lower()} (Exim 4.96) id {number}"
        if not name
        else f"from {name} ([{address}] helo={helo})\r\n\tby {by} with {protocol.lower()} (Exim 4.96) id {number}",
        "sendmail": f"from {helo} ({looked_up} [{address}])\r\n\t"
        + ("(authenticated bits=0)\r\n\t" if login else "")
        + f"by {by} (8.15.2/8.15.2) with {protocol} id {number}",
        "courier": f"from {helo} ({looked_up} [::ffff:{address}])\r\n\t"
        + ("(AUTH: LOGIN anna)\r\n\t" if login else "")
        + f"by {by} with ESMTPS id {number}",
        "exchange": f"from {helo} ({address}) by {by}\r\n\t({by}) with Microsoft SMTP Server id 15.1.2507.39",
        "qmail": f"from {looked_up} (HELO {helo}) ({address})\r\n\tby {by} with SMTP",
    }
    dialect = rng.choice(("postfix", "exim", "sendmail", "courier") if login else DIALECTS)
    return f"{forms[dialect]}; {format_datetime(when)}"


def write(rng: Random, report: Report) -> bytes:
    """Return the notice as it lies in the Inbox."""
    text = _TEXTS[report.style](rng, report)
    return _without_bare_lf(text).encode("utf-8")


def _without_bare_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _envelope(rng: Random, report: Report, subject: str) -> list[str]:
    handed = report.handed_over_by or (
        f"from {report.reporter} ({report.reporter} [{report.reporter_address}]) by mx.example.org (Postfix) with"
        f" ESMTPS id {rng.getrandbits(32):X} for <{report.to}>; {format_datetime(report.arrived)}",
    )
    return [
        f"Return-Path: <{report.return_path}>",
        f"Delivered-To: {report.to}",
        *(f"Received: {line}" for line in handed),
        f"Message-ID: <{rng.getrandbits(48):x}@{report.reporter}>",
        f"Date: {format_datetime(report.arrived)}",
        f"From: Mail Delivery System <MAILER-DAEMON@{report.reporter}>",
        f"To: {report.to}",
        f"Subject: {subject}",
    ]


def _status(report: Report) -> str:
    code = {"failed": "5.1.1", "delayed": "4.4.1"}[report.action]
    blocks = [f"Reporting-MTA: dns; {report.reporter}\nArrival-Date: {format_datetime(report.original.date)}\n"]
    blocks += [
        f"Final-Recipient: rfc822; {address}\nAction: {report.action}\nStatus: {code}\n"
        f"Diagnostic-Code: smtp; 550 {code} <{address}>: Recipient address rejected: User unknown\n"
        for address in report.failed
    ]
    blocks += [f"Final-Recipient: rfc822; {a}\nAction: relayed\nStatus: 2.0.0\n" for a in report.delivered]
    return "\n".join(blocks)


def _report(rng: Random, report: Report, words: str, subject: str) -> str:
    boundary = f"{rng.getrandbits(60):015X}/{report.reporter}"
    returned = ""
    if report.returns == "full":
        returned = f"--{boundary}\nContent-Type: message/rfc822\n\n{report.original.header()}\n{_body(rng)}\n\n"
    elif report.returns == "headers":
        returned = f"--{boundary}\nContent-Type: text/rfc822-headers\n\n{report.original.header()}\n"
    return "\n".join(
        [
            *_envelope(rng, report, subject),
            "Auto-Submitted: auto-replied",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/report; report-type=delivery-status;\n\tboundary="{boundary}"',
            "",
            f"--{boundary}\nContent-Type: text/plain; charset=us-ascii\n\n{words}\n{_quoted(report)}",
            f"--{boundary}\nContent-Type: message/delivery-status\n\n{_status(report)}",
            f"{returned}--{boundary}--\n",
        ]
    )


def _postfix(rng: Random, report: Report) -> str:
    late = report.action == "delayed"
    subject = "Delayed Mail (still being retried)" if late else "Undelivered Mail Returned to Sender"
    lost = "could not be delivered yet" if late else "could not be delivered to one or more recipients"
    lines = "\n".join(f"<{a}>: host {report.reporter}[198.18.0.9] said: 550 5.1.1 User unknown" for a in report.failed)
    return _report(
        rng, report, f"This is the mail system at host {report.reporter}.\n\nYour message {lost}.\n\n{lines}\n", subject
    )


def _sendmail(rng: Random, report: Report) -> str:
    lines = "\n".join(f"<{a}>\n    (reason: 550 5.1.1 User unknown)" for a in report.failed)
    words = f"   ----- The following addresses had permanent fatal errors -----\n{lines}\n"
    return _report(rng, report, words, "Returned mail: see transcript for details")


def _exchange(rng: Random, report: Report) -> str:
    lines = "\n".join(report.failed)
    words = f"Delivery has failed to these recipients or groups:\n\n{lines}\n"
    words += "The email address you entered couldn't be found.\n"
    return _report(rng, report, words, f"Undeliverable: {report.original.subject}")


def _exim(rng: Random, report: Report) -> str:
    lines = "\n".join(f"  {a}\n    Unrouteable address" for a in report.failed)
    copy = {"full": report.original.header() + "\n" + _body(rng), "headers": report.original.header()}.get(
        report.returns, ""
    )
    shown = (
        f"------ This is a copy of the message, including all the headers. ------\n\n{copy}"
        if copy
        else _quoted(report)
    )
    return "\n".join(
        [
            *_envelope(rng, report, "Mail delivery failed: returning message to sender"),
            f"X-Failed-Recipients: {', '.join(report.failed)}",
            "Auto-Submitted: auto-replied",
            "",
            "This message was created automatically by mail delivery software.\n",
            "A message that you sent could not be delivered to one or more of its",
            f"recipients. This is a permanent error. The following address(es) failed:\n\n{lines}\n\n{shown}",
        ]
    )


def _qmail(rng: Random, report: Report) -> str:
    lines = "\n".join(f"<{a}>:\nSorry, no mailbox here by that name. (#5.1.1)\n" for a in report.failed)
    copy = {"full": report.original.header() + "\n" + _body(rng), "headers": report.original.header()}.get(
        report.returns, ""
    )
    below = f"--- Below this line is a copy of the message.\n\n{copy}" if copy else _quoted(report)
    return "\n".join(
        [
            *_envelope(rng, report, "failure notice"),
            "",
            f"Hi. This is the qmail-send program at {report.reporter}.",
            "I'm afraid I wasn't able to deliver your message to the following addresses.",
            f"This is a permanent error; I've given up. Sorry it didn't work out.\n\n{lines}\n{below}",
        ]
    )


def _quoted(report: Report) -> str:
    return f"\nSubject: {report.original.subject}\nTo: {report.original.to}\n" if report.returns == "quoted" else ""


def _body(rng: Random) -> str:
    return f"Dear reader,\n\nplease see number {rng.randrange(10**6)}.\n\nYours\n"


_TEXTS = {"postfix": _postfix, "sendmail": _sendmail, "exchange": _exchange, "exim": _exim, "qmail": _qmail}


def shortly_after(rng: Random, when: datetime) -> datetime:
    """Return a moment within the next hours."""
    return when + timedelta(seconds=rng.randrange(20, 6 * 3600))
