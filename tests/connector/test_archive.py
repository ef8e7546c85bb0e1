"""Archived mail is read in order, whole, and with what could not be read said."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
from collections.abc import Callable
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


def test_compressed_archives_are_read(tmp_path: Path) -> None:
    for name, pack in (("a.mbox.gz", gzip.compress), ("b.eml.bz2", bz2.compress), ("c.mbox.xz", lzma.compress)):
        (tmp_path / name).write_bytes(pack(MBOX if "mbox" in name else b"Subject: one\n\nx"))

    found = read(tmp_path)

    assert [Path(m.path).name for m in found] == [
        "a.mbox.gz#1",
        "a.mbox.gz#2",
        "b.eml.bz2",
        "c.mbox.xz#1",
        "c.mbox.xz#2",
    ]
    assert found[2].raw == b"Subject: one\n\nx"
    assert [m.raw for m in read(tmp_path / "a.mbox.gz")] == [m.raw for m in found[:2]]


def test_a_zip_is_read_as_the_folder_that_it_was(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("b/two.eml", b"Subject: two\n\nx")
        archive.writestr("a/Inbox.mbox", MBOX)
        archive.writestr("readme.txt", b"no mail")

    found = read(tmp_path / "export.zip")

    names = ["a/Inbox.mbox#1", "a/Inbox.mbox#2", "b/two.eml"]
    assert [m.path for m in found] == [f"{tmp_path / 'export.zip'}/{name}" for name in names]
    assert [m.problem for m in found] == [None, None, None]
    assert [m.path for m in read(tmp_path)] == [m.path for m in found]


def test_a_message_of_apple_mail_is_read_without_what_apple_adds(tmp_path: Path) -> None:
    message = b"Subject: one\n\nhello\n"
    plist = b"<plist><dict><key>date-received</key>\n<integer>1772368200</integer></dict></plist>"
    (tmp_path / "17.emlx").write_bytes(b"%d        \n%s%s" % (len(message), message, plist))

    assert read(tmp_path) == [
        ArchivedMessage(str(tmp_path / "17.emlx"), message, datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    ]


@pytest.mark.parametrize("mark", ["\ufeff", ""], ids=["marked", "unmarked"])
@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_archives_in_utf_16_are_read(tmp_path: Path, order: str, mark: str) -> None:
    (tmp_path / "one.eml").write_bytes(f"{mark}Subject: größe\r\n\r\nhello".encode(order))
    (tmp_path / "two.mbox").write_bytes((mark + MBOX.decode()).encode(order))

    one, *of_mbox = read(tmp_path)

    assert one.raw.removeprefix(b"\xef\xbb\xbf") == "Subject: größe\r\n\r\nhello".encode()
    (tmp_path / "plain.mbox").write_bytes(MBOX)
    assert [m.raw for m in of_mbox] == [m.raw for m in read(tmp_path / "plain.mbox")]


def test_an_mbox_that_is_called_eml_is_an_mbox(tmp_path: Path) -> None:
    (tmp_path / "sent.eml").write_bytes(MBOX)
    (tmp_path / "single.eml").write_bytes(MBOX.partition(b"\nFrom MAILER")[0])

    assert [Path(m.path).name for m in read(tmp_path)] == ["sent.eml#1", "sent.eml#2", "single.eml"]


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("a.pst", b"!BDN"),
        ("a.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("a.eml", b"%PDF-1.7"),
        ("mail.tar.gz", b"\x1f\x8b"),
    ],
)
def test_a_form_that_is_not_read_is_refused_by_name(tmp_path: Path, name: str, begin: bytes) -> None:
    (tmp_path / name).write_bytes(begin + b" and so on")

    with pytest.raises(UsageError, match=name):
        read(tmp_path / name)
    (tmp_path / "good.eml").write_bytes(b"Subject: x\n\n")
    assert {Path(m.path).name: m.problem is None for m in read(tmp_path)} == {name: False, "good.eml": True}


def test_a_folder_of_other_files_is_refused_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    (tmp_path / "letter.docx").write_bytes(b"PK")

    with pytest.raises(UsageError, match=r"letter\.docx"):
        read(tmp_path)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_an_archive_that_is_cut_off_says_so(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"Subject: one\n\n" + os.urandom(50_000))
    (tmp_path / "one.eml.gz").write_bytes(packed[: len(packed) // 2])
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("two.eml", b"x" * 9_000)
    (tmp_path / "two.zip").write_bytes((tmp_path / "two.zip").read_bytes()[:4_000])

    assert all(m.problem for m in read(tmp_path))
