"""What a mass mail has in common, so that its bounces can be told from others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cleanup.detector.subjects import subject_key
from cleanup.model import Notice, Verdict

_NUMBERS = re.compile(r"\d+")
_SHORTEST_TEMPLATE = 8
_LABEL_OF_MAILING = "mailing:"


def campaign_key(notice: Notice) -> str | None:
    """Return what a mass mail has in common: the subject without its numbers, else the digest of its text."""
    returned = notice.returned[0]
    return subject_template(returned.subject) or returned.body_digest


def subject_template(subject: str | None) -> str | None:
    """Return a subject without its numbers, in compared form; None where too little is left to tell mailings apart."""
    template = _NUMBERS.sub("#", subject_key(subject or ""))
    return template if len(template) >= _SHORTEST_TEMPLATE else None


def label_of_mailing(key: str) -> str:
    """Return the key in labels of a whole mailing, beside the keys of single messages."""
    return f"{_LABEL_OF_MAILING}{key}"


def vouched_for(cases: Iterable[tuple[str, Notice]], labels: Mapping[str, Verdict]) -> frozenset[str]:
    """Return the keys of the mailings of which a person called a notice genuine, now or in an earlier run."""
    genuine = {key for key, verdict in labels.items() if verdict is Verdict.GENUINE}
    now = {campaign_key(notice) for key, notice in cases if key in genuine}
    earlier = {key.removeprefix(_LABEL_OF_MAILING) for key in genuine if key.startswith(_LABEL_OF_MAILING)}
    return frozenset(key for key in now | earlier if key)
