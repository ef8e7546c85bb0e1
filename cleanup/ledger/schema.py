"""The tables. Times are UTC microseconds since 1970 in integers (SQLite loses zones); texts are stored without NULs.

`values.SCHEMA` counts up with every change; migrations.py walks an older ledger forward.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

tables = MetaData()
_BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER column

meta = Table("meta", tables, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

runs = Table(
    "runs",
    tables,
    Column("run_id", _BIG, primary_key=True),
    Column("mailbox", Text, nullable=False, index=True),
    Column("command", Text, nullable=False),  # run, scan, undo, ...
    Column("actor", Text),  # who acted for the owner (master users, helpdesk)
    Column("version", Text),
    Column("policy", Text),
    Column("options", JSON, nullable=False),
    Column("started_us", _BIG, nullable=False),
    Column("finished_us", _BIG),
    Column("status", Text, nullable=False),  # running, done, partly, refused, stopped, failed
    Column("counts", JSON, nullable=False),
)

findings = Table(
    "findings",
    tables,
    Column("finding_id", _BIG, primary_key=True),
    Column("run_id", _BIG, ForeignKey("runs.run_id"), nullable=False, index=True),
    Column("folder", Text, nullable=False),
    Column("uidvalidity", _BIG, nullable=False),
    Column("uid", _BIG, nullable=False),
    Column("size", _BIG, nullable=False),
    Column("arrived_us", _BIG, nullable=False),  # INTERNALDATE of the notice
    Column("digest", Text, nullable=False, index=True),
    Column("imap_flags", JSON, nullable=False),
    Column("kind", Text, nullable=False),
    Column("action", Text),
    Column("verdict", Text, nullable=False),
    Column("leaning", Text),
    Column("row", Text, nullable=False),  # the row of POLICY that decided
    Column("flags", JSON, nullable=False),  # remarks of the finding: id_reused, sent_gap, ...
    Column("campaign", Text),
    Column("trusted_hop", Text),
    Column("sender", JSON),  # network, address and host that nobody can place, of an unsure one: a person may be asked
    Column("format", Text, nullable=False),
    Column("reporting_mta", Text),
    Column("status", Text),
    Column("cause", Text, nullable=False),
    Column("extent", Text, nullable=False),
    Column("originals", Integer, nullable=False),
    Column("original_id", Text),
    Column("original_subject", Text),
    Column("original_date_us", _BIG),
    Column("original_from", Text),
    Column("notice_id", Text),
    Column("notice_subject", Text),
    Column("notice_sender", Text),
    Column("notice_date_us", _BIG),
    Column("planned", Integer, nullable=False),  # 1: in the plan of its run
    Column("not_filed_because", Text),
    UniqueConstraint("run_id", "folder", "uidvalidity", "uid"),
)

recipients = Table(
    "recipients",
    tables,
    Column("recipient_id", _BIG, primary_key=True),
    Column("finding_id", _BIG, ForeignKey("findings.finding_id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("domain", Text),
    Column("original", Text),
    Column("action", Text),
    Column("status", Text),
    Column("reply", Text),
    Column("cause", Text, nullable=False),
    Column("remote_mta", Text),
    Column("diagnostic", Text),
)

reasons = Table(
    "reasons",
    tables,
    Column("reason_id", _BIG, primary_key=True),
    Column("finding_id", _BIG, ForeignKey("findings.finding_id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("rule", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("points_to", Text, nullable=False),
    Column("strength", Text, nullable=False),
    Column("says", Text, nullable=False),
)

moves = Table(
    "moves",
    tables,
    Column("move_id", _BIG, primary_key=True),
    Column("run_id", _BIG, ForeignKey("runs.run_id"), nullable=False, index=True),
    Column("undoes", _BIG, ForeignKey("moves.move_id")),
    Column("source", Text, nullable=False),
    Column("source_uidvalidity", _BIG, nullable=False),
    Column("uid", _BIG, nullable=False),
    Column("target", Text, nullable=False),
    Column("target_uidvalidity", _BIG, nullable=False),
    Column("target_uidnext", _BIG, nullable=False),
    Column("target_uid", _BIG),
    Column("size", _BIG, nullable=False),
    Column("arrived_us", _BIG, nullable=False),
    Column("digest", Text, nullable=False),
    Column("flags", JSON, nullable=False),
    Column("keeps_source", Integer),  # 1: copied, and the source is left as it is
    Column("lost_flags", JSON),  # which the target did not take: given back by an undo
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("intended_us", _BIG, nullable=False),
    Column("finished_us", _BIG),
    Column("seal", Text, nullable=False),  # over what never changes: a damaged line is never acted on
    Index("moves_by_state", "state"),
    Index("moves_by_digest", "digest"),
)

targets = Table(  # what a target folder looked like when all that stands in it was last seen there
    "targets",
    tables,
    Column("mailbox", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("uidvalidity", _BIG, nullable=False),
    Column("uidnext", _BIG, nullable=False),
    Column("held", _BIG, nullable=False),  # messages, whosever they are
)

# --- what earlier runs read of a mailbox: docs/decisions/reading.md
# Ids, addresses and subjects stand here as keyed hashes: enough to find the message on the server again, no more. But
# for the few messages that each night judges again: kept_mail.

memories = Table(
    "memories",
    tables,
    Column("mailbox", Text, primary_key=True),
    Column("read_by", Text, nullable=False),  # what read the rows: another version reads everything anew
    Column("judged_by", Text),  # by which rules, labels and identity; null while something is left to be done
    Column("run_id", _BIG),
    Column("counts", JSON, nullable=False),
)

cursors = Table(
    "cursors",
    tables,
    Column("folder_id", _BIG, primary_key=True),
    Column("mailbox", Text, nullable=False, index=True),
    Column("folder", Text, nullable=False),
    Column("uidvalidity", _BIG, nullable=False),
    Column("uidnext", _BIG, nullable=False),  # everything below was read
    Column("is_sent", Integer, nullable=False),
    Column("is_current", Integer, nullable=False),  # 0: renumbered, deleted or read anew; its sent rows may still spare
    Column("profile", JSON, nullable=False),  # the owner's habits, as this folder shows them
    Column("sums", JSON),  # over the profile and the rows of a Sent folder: checksums.py; null: to be read anew
    Column("updated_us", _BIG, nullable=False),
)


def _of_folder() -> Column[int]:
    folder = ForeignKey("cursors.folder_id", ondelete="CASCADE")  # who forgets a mailbox forgets these rows
    return Column("folder_id", _BIG, folder, primary_key=True, autoincrement=False)


sent_rows = Table(
    "sent_rows",
    tables,
    _of_folder(),
    Column("uid", _BIG, primary_key=True, autoincrement=False),
    Column("moment_us", _BIG),  # its Date, else its arrival
    Column("stored_us", _BIG),  # its arrival, else its Date: what coverage counts by
    Column("id_key", _BIG),
    Column("gone", Integer, nullable=False),
    sqlite_with_rowid=False,
)

sent_keys = Table(
    "sent_keys",
    tables,
    _of_folder(),
    Column("key", _BIG, primary_key=True, autoincrement=False),  # of an id, a recipient, a subject or a conversation
    Column("uid", _BIG, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

inbox_rows = Table(
    "inbox_rows",
    tables,
    _of_folder(),
    Column("uid", _BIG, primary_key=True, autoincrement=False),
    Column(
        "sort", Integer, nullable=False
    ),  # 0 ordinary, 1 a notice or not yet read, 2 looked like a notice and is none
    Column("date_us", _BIG),
    Column("own_id", _BIG),
    Column("own_right", _BIG),  # of the right side of its id
    Column("own_shape", Text),
    Column("sender", _BIG),
    Column("answered", _BIG),  # the one id that it answers
    Column("answered_right", _BIG),
    Column("answered_shape", Text),
    Column("only_recipient", _BIG),
    sqlite_with_rowid=False,
)

kept_mail = Table(  # what was read of notices that lie in the Inbox, and of the sent mail that they ask about
    "kept_mail",
    tables,
    _of_folder(),
    Column("uid", _BIG, primary_key=True, autoincrement=False),
    Column("read", LargeBinary, nullable=False),  # in clear text, compressed: kept_mail.py
    sqlite_with_rowid=False,
)

dns_lookups = Table(  # what was asked for a mailbox within the last day: names of the owner's side
    "dns_lookups",
    tables,
    Column("mailbox", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("records", JSON, nullable=False),
    Column("asked_us", _BIG, nullable=False),
)

mailbox_names = Table(  # what else a mailbox is known by: addresses that share a name are one mailbox (names.py)
    "mailbox_names",
    tables,
    Column("name", Text, primary_key=True),  # the digest of a server and a login, or of an address
    Column("mailbox", Text, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

labels = Table(
    "labels",
    tables,
    Column("label_id", _BIG, primary_key=True),
    Column("mailbox", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("said_by", Text, nullable=False),  # review, moved-back, undo, ...
    Column("note", Text),
    Column("said_us", _BIG, nullable=False),
    Index("labels_of_mailbox", "mailbox", "digest"),
)

sent_sources = Table(
    "sent_sources",
    tables,
    Column("sent_source_id", _BIG, primary_key=True),
    Column("run_id", _BIG, ForeignKey("runs.run_id"), nullable=False, index=True),
    Column("folder", Text, nullable=False),
    Column("announced", Integer, nullable=False),
    Column("read", Integer, nullable=False),
    Column("problem", Text),
)

sent_coverage = Table(
    "sent_coverage",
    tables,
    Column("run_id", _BIG, ForeignKey("runs.run_id"), primary_key=True),
    Column("messages", Integer, nullable=False),
    Column("oldest_us", _BIG),
    Column("newest_us", _BIG),
    Column("complete_since_us", _BIG),
    Column("unusable", Text),
    Column("holes", JSON, nullable=False),  # [[start_us, end_us], ...]
    Column("proofs", JSON, nullable=False),  # [[way, route, found, times seen], ...]
)
