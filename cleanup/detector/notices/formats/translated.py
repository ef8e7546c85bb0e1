"""How a record of a language is made: its phrases and line patterns, with the shapes that every language shares."""

from __future__ import annotations

from cleanup.detector.notices.formats.shapes import ANYWHERE, COPY
from cleanup.detector.notices.wording import NoticeFormat

_SITES = "Postfix, Exim, Exchange and hosters whose templates are translated"


def in_language(code: str, text: tuple[str, ...], recipients: tuple[str, ...], **more: tuple[str, ...]) -> NoticeFormat:
    """Return the record of a language (ISO 639-1 code); `more` are further fields of NoticeFormat."""
    return NoticeFormat(
        name=f"words-{code}",
        family="Notices in words",
        source=_SITES,
        text=text,
        recipients=(*recipients, *ANYWHERE),
        language=code,
        everyday=True,
        returned_after=(*more.pop("returned_after", ()), *COPY),
        **more,  # type: ignore[arg-type]
    )
