"""The screens of docs/helpdesk.md are what the program shows."""

from __future__ import annotations

from tests.house import screens


def test_the_screens_of_the_helpdesk_are_what_the_program_shows() -> None:
    text = screens.FILE.read_text(encoding="utf-8")

    made = screens.screens()

    assert screens.shown(text) == made  # python -m tests.house.screens renews them
    assert all(len(line) <= screens.COLUMNS for line in "".join(made.values()).splitlines() if "--host" not in line)
