"""The table of bounce formats: one record a wording, the most particular first. Adding one is adding a record.

A product's own wording comes before the wordings it descends from (Mail.ru and GMX before Exim), names before words.
"""

from __future__ import annotations

from cleanup.detector.notices.formats import (
    carriers,
    gateways,
    generic_english,
    groupware,
    languages,
    languages_far,
    office,
    older,
    providers,
    unix,
)
from cleanup.detector.notices.formats.record import NoticeFormat

FORMATS: tuple[NoticeFormat, ...] = (
    *providers.FORMATS,
    *gateways.FORMATS,
    *groupware.FORMATS,
    *office.FORMATS,
    *carriers.FORMATS,
    *unix.FORMATS,
    *older.FORMATS,
    *languages.FORMATS,
    *languages_far.FORMATS,
    *generic_english.FORMATS,
)
