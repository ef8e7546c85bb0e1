"""Archived mail is read in order, whole, and with what could not be read said."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cleanup.connector.archive import ArchivedMessage, read_archive
from cleanup.errors import UsageError


def read(path: Path) -> list[ArchivedMessage]:
    return list(read_archive(path))


def test_eml_files_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.eml", "b/10.EML", "a.eml", "note.txt"):
        (tmp_path / name).write_bytes(name.encode())

    assert [m.path for m in read(tmp_path)] == [str(tmp_path / n) for n in ("a.eml", "b/10.EML", "b/2.eml")]
    assert read(tmp_path)[0].raw == b"a.eml"


def test_one_file_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(b"From: a@b\r\n\r\nhello")

    assert read(tmp_path / "one.eml") == [ArchivedMessage(str(tmp_path / "one.eml"), b"From: a@b\r\n\r\nhello")]


def test_a_file_that_cannot_be_read_is_a_value_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "gone.eml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.eml").mkdir()
    (tmp_path / "good.eml").write_bytes(b"x")

    problems = {Path(m.path).name: m.problem for m in read(tmp_path)}

    assert problems == {"folder.eml": "it is not a file", "gone.eml": "No such file or directory", "good.eml": None}


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_named_pipe_does_not_hang_the_scan(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.eml")

    assert [m.problem for m in read(tmp_path)] == ["it is not a file"]


MBOX = b"""From anna@example.org Sun Mar  1 12:30:00 2026
Subject: one

>From the start
>>From twice
From here on it is text

From MAILER-DAEMON Mon Mar 02 2026 08:00:00 +0100
Subject: no date as it should be

From MAILER-DAEMON  Mon Mar  2 08:00:00 2026 +0100
Subject: two

bye
"""


def test_an_mbox_is_split_at_its_separators_only(tmp_path: Path) -> None:
    (tmp_path / "mbox").write_bytes(MBOX)

    first, second = read(tmp_path / "mbox")

    assert first.path == f"{tmp_path / 'mbox'}#1"
    assert first.arrived == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert first.raw.startswith(b"Subject: one\n\nFrom the start\n>From twice\nFrom here on it is text\n")
    assert second.arrived == datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
    assert second.raw == b"Subject: two\n\nbye\n"


def test_an_mbox_in_a_folder_of_eml_files_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "old.mbox").write_bytes(MBOX)
    (tmp_path / "new.eml").write_bytes(b"x")

    assert [Path(m.path).name for m in read(tmp_path)] == ["new.eml", "old.mbox#1", "old.mbox#2"]


def test_a_maildir_is_read_with_its_subfolders_and_delivery_times(tmp_path: Path) -> None:
    for place in ("cur", "new", "tmp", ".Junk/cur", ".Junk/new"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "cur" / "1772368200.M1P1.host:2,S").write_bytes(b"seen")
    (tmp_path / "new" / "odd-name").write_bytes(b"new")
    (tmp_path / "tmp" / "1.half").write_bytes(b"half delivered")
    (tmp_path / ".Junk" / "cur" / "1772368201.x").write_bytes(b"junk")
    (tmp_path / "dovecot.index").write_bytes(b"not mail")

    found = read(tmp_path)

    assert [m.raw for m in found] == [b"junk", b"seen", b"new"]
    assert [m.arrived for m in found][1:] == [datetime(2026, 3, 1, 12, 30, tzinfo=UTC), None]


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        read_archive(tmp_path / "nowhere")
