"""The tables. Times are UTC microseconds since 1970 in integers (SQLite loses zones); texts are stored without NULs.

`SCHEMA` counts up with every change; migrations.py walks an older ledger forward.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

SCHEMA = 1

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
    Column("status", Text, nullable=False),  # running, done, partly, refused, failed
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
    Column("state", Text, nullable=False),
    Column("note", Text),
    Column("intended_us", _BIG, nullable=False),
    Column("finished_us", _BIG),
    Column("seal", Text, nullable=False),  # over what never changes: a damaged line is never acted on
    Index("moves_by_state", "state"),
    Index("moves_by_digest", "digest"),
)

cursors = Table(
    "cursors",
    tables,
    Column("mailbox", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("uidvalidity", _BIG, nullable=False),
    Column("uidnext", _BIG, nullable=False),
    Column("highest_modseq", _BIG),
    Column("updated_us", _BIG, nullable=False),
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
