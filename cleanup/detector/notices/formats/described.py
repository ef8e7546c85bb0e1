"""The table of formats as a page for people: docs/formats.md."""

from __future__ import annotations

from collections.abc import Iterable

from cleanup.detector.notices.formats.record import NoticeFormat

_OPENING = """# Bounce formats

Reports in the form of RFC 3464 and RFC 6533 are read as such, whoever wrote them. What follows are the formats that are
recognised by their wording, in the order in which they are tried. Where none fits, the shape of the text is read: a
recipient under a label or on a line of its own, a server's answer near it, an address that the returned message went
to. Read without any of these records, 194 of the 197 notices in words of the development corpus are found, 94 % with
the right recipients.

A mail without a machine's sender, structure or fields is a notice only if more than its subject says so: it gives a
message back, quotes a server's answer about somebody elsewhere, or is worded as a product words it.

Structure alone makes no bounce. Journals, moderation, quarantines, filters, ticket systems, archives, scanners and
postmasters send people mail with mail in it, too: it takes a field that says so, or words of failure or delay, and what
gives back a message that was written *to* its reader by somebody else is ordinary. What a filter wrapped whole
(SpamAssassin, amavis, MailScanner) is read as it came.

A list's refusal of a message (`list-refusal`: Mailman, Sympa, LISTSERV, Majordomo, mlmmj, Ecartis, web groups) is
told by the list's administrative address and what it says; the list's address is the recipient. That a message is held
for the moderator is ordinary mail.

This page is written by
`python -m cleanup.detector.notices.formats.described > docs/formats.md`; a test holds it to the table.

| format | system | language | recognised by | known from |
|---|---|---|---|---|
"""


def formats_page(formats: Iterable[NoticeFormat]) -> str:
    """Return the page in Markdown, one row a format."""
    rows = []
    for record in formats:
        # Of all conditions only the first phrase, and the header fields that have to be there: the record has the rest.
        marks = [f"\u201c{record.text[0].strip()}\u201d"] if record.text else []
        marks += [f"{name}: {phrase}".rstrip(": ") for name, phrase in record.headers[:1]]
        marks += [f"From: {phrase}" for phrase in record.sender[:1]]
        marks += [f"Subject: {phrase}" for phrase in record.subject[:1]]
        columns = (f"`{record.name}`", record.family, record.language, "; ".join(marks), record.source)
        rows.append("| " + " | ".join(column.replace("|", "\\|") for column in columns) + " |\n")
    return _OPENING + "".join(rows)


if __name__ == "__main__":
    import sys

    from cleanup.detector.notices.formats import FORMATS

    sys.stdout.write(formats_page(FORMATS))
