"""Every quirk has a name, a source, a place in the code and a line in the docs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from cleanup.connector.quirks import HABITS, LOGINS, REFUSALS, Habit

DOCS = Path(__file__).parents[2] / "docs" / "servers.md"
ALL = (*REFUSALS, *LOGINS, *HABITS)


def test_every_quirk_stands_in_the_docs_once_and_no_other_does() -> None:
    told = re.findall(r"^\| `([a-z0-9-]+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(told) == sorted(quirk.name for quirk in ALL)
    assert all(quirk.source for quirk in ALL)


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_what_lives_with_a_habit_is_there(habit: Habit) -> None:
    *module, last = f"cleanup.{habit.where}".split(".")
    while True:
        try:
            found: object = importlib.import_module(".".join(module))
            break
        except ModuleNotFoundError:
            last = f"{module.pop()}.{last}"
    for name in last.split("."):
        found = getattr(found, name)


@pytest.mark.parametrize(
    ("text", "host", "name"),
    [
        ("[ALERT] Application-specific password required: https://support.example", "imap.gmail.com", "app-password"),
        ("[WEBALERT https://accounts.example] Web login required.", "imap.gmail.com", "web-login"),
        ("[ALERT] Your account is not enabled for IMAP use.", "imap.gmail.com", "imap-off"),
        ("[EXPIRED] That password isn't valid any more", "imap.example.org", "password-expired"),
        ("LOGIN failed.", "outlook.office365.com", "no-basic-auth"),
        ("LOGIN failed.", "outlook.office365.com.evil.example", None),
        ("[AUTHENTICATIONFAILED] Invalid credentials", "imap.example.org", None),
    ],
)
def test_a_refused_login_is_told_apart(text: str, host: str, name: str | None) -> None:
    assert next((quirk.name for quirk in LOGINS if quirk.fits(text, host)), None) == name
