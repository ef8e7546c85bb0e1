"""What waits for a person's word, and those words as CSV, out and in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

import pandas as pd

from cleanup.detector.mailings import subject_template
from cleanup.errors import UsageError
from cleanup.ledger import Label
from cleanup.model import LABEL_OF_SENDER, Verdict
from cleanup.report.summary.frames import Frames
from cleanup.report.summary.tables import about
from cleanup.report.text import csv_text

COLUMNS = ("mailbox", "digest", "verdict", "said_by", "note", "said", "arrived", "subject")
IMPORTED = "import"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unsure notice without a label. `alike` are the digests of the others that answer the same mailing."""

    finding_id: int
    digest: str
    uid: int
    alike: tuple[str, ...]


def waiting(frames: Frames) -> list[Waiting]:
    """Return the unsure notices that nobody has labelled, newest first."""
    notices = frames.notices
    said = set(frames.labels["digest"])
    unsure = notices[(notices["verdict"] == Verdict.UNSURE.value) & ~notices["digest"].isin(said)]
    unsure = unsure.sort_values("arrived", ascending=False)
    templates = [None if pd.isna(subject) else subject_template(str(subject)) for subject in unsure["original_subject"]]
    digests = [str(digest) for digest in unsure["digest"]]
    by_template: dict[str | None, list[str]] = {}
    for template, digest in zip(templates, digests, strict=True):
        by_template.setdefault(template, []).append(digest)
    return [
        Waiting(
            int(finding),
            digest,
            int(uid),
            tuple(one for one in by_template[template] if one != digest) if template else (),
        )
        for finding, digest, uid, template in zip(unsure["finding_id"], digests, unsure["uid"], templates, strict=True)
    ]


# --- labels as CSV -------------------------------------------------------------------------------------------------


def labels_csv(frames: Frames) -> str:
    """Return all labels, oldest first, with the arrival and subject of what they name. Strangers' texts are safe."""
    known = frames.notices.drop_duplicates(["mailbox", "digest"], keep="last")
    known = known.assign(mailbox=known["mailbox"].astype(str), subject=about(known))
    told = frames.labels.astype({"mailbox": str}).merge(
        known[["mailbox", "digest", "arrived", "subject"]], on=["mailbox", "digest"], how="left"
    )
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([_cell(value) for value in row] for row in told[list(COLUMNS)].itertuples(index=False, name=None))
    return out.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return value.isoformat(timespec="seconds")
    return "" if value is None or value is pd.NA or value is pd.NaT or value != value else csv_text(str(value))


def read_labels_csv(lines: Iterable[str]) -> tuple[Label, ...]:
    """Return the labels of a CSV file with at least mailbox, digest and verdict; other columns but note are ignored.

    Raises UsageError, with the line, for the first thing that cannot be read: all of it counts, or nothing.
    """
    rows = csv.DictReader(lines)
    missing = [name for name in COLUMNS[:3] if name not in (rows.fieldnames or ())]
    if missing:
        raise UsageError(f"The file has no column {missing[0]!r}", hint="It needs mailbox, digest and verdict")
    return tuple(_labels(rows))


def _labels(rows: csv.DictReader[str]) -> Iterator[Label]:
    try:
        for row in rows:
            yield _label(row, rows.line_num)
    except csv.Error as error:
        raise UsageError("The file is no CSV", why=f"line {rows.line_num}: {error}") from error


def _is_of_a_network(key: str) -> bool:
    try:
        return key.startswith(LABEL_OF_SENDER) and bool(ip_network(key.removeprefix(LABEL_OF_SENDER)))
    except ValueError:
        return False


def _label(row: dict[str, str], line: int) -> Label:
    mailbox, digest, word = ((row[name] or "").strip() for name in COLUMNS[:3])
    if "@" not in mailbox:
        raise UsageError(f"Line {line}: {mailbox!r} is no mailbox", hint="Write the address of the mailbox")
    if not (_DIGEST.fullmatch(digest) or _is_of_a_network(digest)):
        raise UsageError(f"Line {line}: {digest!r} is no digest", hint="Take it from `labels export` or `report`")
    if word not in list(Verdict):
        raise UsageError(f"Line {line}: {word!r} is no verdict", hint="genuine, backscatter or unsure")
    note = (row.get("note") or "").removeprefix("'") or None
    return Label(mailbox, digest, Verdict(word), IMPORTED, note)
