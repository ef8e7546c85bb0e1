"""Which folders hold sent mail, and where backscatter goes, on every kind of server."""

from __future__ import annotations

import pytest

from cleanup.connector.folders import Folder, backscatter_folder_name, find_sent, quoted, read_list, sent_names
from cleanup.connector.redact import remember
from cleanup.errors import SentFolderNotFound, UsageError


def some(*names: str, delimiter: str = "/") -> list[Folder]:
    return [Folder(name, delimiter) for name in names]


def names_of_sent(folders: list[Folder], configured: tuple[str, ...] = ()) -> list[str]:
    return [folder.name for folder in find_sent(folders, configured)]


@pytest.mark.parametrize("attribute", ["\\sent", "\\Sent", "\\SENT"])
def test_special_use_counts_in_any_letter_case(attribute: str) -> None:
    folders = read_list([b'(\\HasNoChildren %s) "/" Abgang' % attribute.encode(), b'() "/" INBOX'])

    assert names_of_sent(list(folders)) == ["Abgang"]


@pytest.mark.parametrize("name", [name for names in sent_names().values() for name in names])
def test_localised_names_count_with_and_without_a_prefix(name: str) -> None:
    assert names_of_sent(some("INBOX", name)) == [name]
    assert names_of_sent(some("INBOX", f"INBOX.{name}", delimiter=".")) == [f"INBOX.{name}"]


def test_there_are_names_in_many_languages() -> None:
    assert len(sent_names()) >= 25
    assert sum(map(len, sent_names().values())) >= 40


def test_all_sent_folders_are_found_and_their_years() -> None:
    folders = [
        *some("INBOX", "Sent", "Sent Items", "Sent/2024", "Archive/Gesendet", "Presents"),
        Folder("Out", "/", frozenset({"\\sent"})),
    ]

    assert names_of_sent(folders) == ["Sent", "Sent Items", "Sent/2024", "Archive/Gesendet", "Out"]


def test_gmails_all_mail_is_not_sent_mail() -> None:
    folders = [
        Folder("INBOX", "/"),
        Folder("[Gmail]", "/", frozenset({"\\noselect"})),
        Folder("[Gmail]/All Mail", "/", frozenset({"\\all"})),
        Folder("[Gmail]/Gesendet", "/", frozenset({"\\sent"})),
        Folder("[Gmail]/Trash", "/", frozenset({"\\trash"})),
    ]

    assert names_of_sent(folders) == ["[Gmail]/Gesendet"]


def test_a_configured_folder_is_added_to_those_that_are_known() -> None:
    assert names_of_sent(some("INBOX", "Sent", "Ausgang 2"), ("Ausgang 2",)) == ["Sent", "Ausgang 2"]


def test_a_configured_folder_that_is_missing_is_an_error() -> None:
    with pytest.raises(SentFolderNotFound, match="sent"):
        find_sent(some("INBOX", "Sent"), ("sent",))


def test_no_sent_folder_is_an_error() -> None:
    with pytest.raises(SentFolderNotFound, match="--sent-folder"):
        find_sent(some("INBOX", "Archive"))


def test_a_container_that_holds_no_mail_is_not_read() -> None:
    folders = [Folder("Sent", "/", frozenset({"\\noselect"})), *some("Sent/2025")]

    assert names_of_sent(folders) == ["Sent/2025"]


@pytest.mark.parametrize(
    ("folders", "wanted", "name"),
    [
        (some("INBOX", "Sent"), "Backscatter", "Backscatter"),
        (some("INBOX", "INBOX.Sent", delimiter="."), "Backscatter", "INBOX.Backscatter"),
        (some("INBOX", "INBOX.Sent", delimiter="."), "INBOX.Backscatter", "INBOX.Backscatter"),
        (some("INBOX", "INBOX.Sent", "INBOX.Backscatter", "Shared", delimiter="."), "Backscatter", "INBOX.Backscatter"),
        (some("INBOX", "Sent", delimiter="."), "Junk/Backscatter", "Junk.Backscatter"),
        (some("INBOX", "backscatter"), "Backscatter", "Backscatter"),
        (some("INBOX"), "Backscatter", "Backscatter"),
        (some("INBOX", delimiter="."), "Backscatter", "INBOX.Backscatter"),  # a new mailbox on Courier
    ],
)
def test_the_target_is_named_as_the_server_names_folders(folders: list[Folder], wanted: str, name: str) -> None:
    assert backscatter_folder_name(folders, wanted) == name


def test_names_are_written_in_modified_utf7_and_quoted() -> None:
    assert quoted("Rückläufer & Co") == b'"R&APw-ckl&AOQ-ufer &- Co"'
    assert quoted('a"b\\c') == b'"a\\"b\\\\c"'


def test_list_is_read_in_all_its_shapes() -> None:
    folders = read_list([
        b'(\\Noselect) NIL ""',
        b'(\\HasNoChildren) "\\\\" "a \\"b\\" \\\\ c"',
        b'() "/" inbox',
        b'() "." R&APw-ckl&AOQ-ufer',
        b'() "/" "caf\xc3\xa9" ("CHILDINFO" ("SUBSCRIBED"))',
        (b'() "/" {4}', b'a"(b'), b"",
    ])  # fmt: skip

    by_name = {folder.name: folder for folder in folders}
    assert set(by_name) == {"", 'a "b" \\ c', "INBOX", "Rückläufer", "café", 'a"(b'}
    assert by_name[""].delimiter is None
    assert by_name['a "b" \\ c'].delimiter == "\\"
    assert by_name["café"].raw == b"caf\xc3\xa9"


@pytest.mark.parametrize("wanted", ["INBOX", "inbox", "Inbox"])
def test_the_inbox_is_the_inbox_in_whatever_letters(wanted: str) -> None:
    assert backscatter_folder_name(some("INBOX", "Sent"), wanted) == "INBOX"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("", "cannot be a folder's name"),
        ("a\r\nb", "cannot be a folder's name"),
        ("*", "cannot be a folder's name"),
        ("Backscatter/", "cannot be a folder's name"),
        ("a//b", "cannot be a folder's name"),
        ("Sent", "for sent mail"),
        ("sent", "for sent mail"),
        ("Gesendet", "for sent mail"),
        ("Sent/Backscatter", "for sent mail"),
        ("Abgang", "for sent mail"),
        ("All", "only shows what is in other folders"),
    ],
)
def test_what_cannot_take_backscatter_is_refused_by_name(wanted: str, says: str) -> None:
    marked = [Folder("Abgang", "/", frozenset({"\\sent"})), Folder("All", "/", frozenset({"\\all"}))]

    with pytest.raises(UsageError, match=says):
        backscatter_folder_name([*some("INBOX", "Sent"), *marked], wanted)


def test_a_folder_whose_name_tells_a_password_is_none() -> None:
    remember("Gesendet")  # a poor password, and a usual name
    remember("hunter-22")

    folders = read_list(
        [b'(\\Sent) "/" "Post hunter-22"', b'() "/" Gesendet', b'() "/" INBOX', b'() "/" HUNTER-22/Old']
    )

    assert [folder.name for folder in folders] == ["Gesendet", "INBOX"]
