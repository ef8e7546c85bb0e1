"""Servers that are odd and real: what they say is read, told by its name, or passed over, and never taken for less."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cleanup.connector.folders import backscatter_folder_name, placed, read_list, read_namespaces
from cleanup.connector.mailbox import open_mailbox
from cleanup.errors import CommandRefused, FolderNotFound, PermissionMissing, ServerMisbehaved
from tests.connector.test_contract import a_message
from tests.connector.test_lies import account
from tests.servers import lying
from tests.servers.lying import Box, Lie, Session, lying_server, says

# --- numbers that cannot be ------------------------------------------------------------------------------------------


def _opens_with(*lines: bytes) -> Lie:
    return says("EXAMINE", *lines, then=b"OK [READ-ONLY] open")


@pytest.mark.parametrize("exists", [b"18446744073709551615", b"4294967296", b"99999999999999999999999"])
def test_a_number_of_messages_that_cannot_be_is_no_empty_folder(exists: bytes) -> None:
    numbers = b"* %b EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 2] .\r\n" % exists
    with (
        lying_server(_opens_with(numbers)) as server,
        open_mailbox(account(server)) as mailbox,
        pytest.raises(ServerMisbehaved, match='EXISTS of "INBOX"'),
    ):
        mailbox.examine("INBOX")


@pytest.mark.parametrize("name", ["UIDNEXT", "UIDVALIDITY"])
def test_a_numbering_that_cannot_be_names_its_folder(name: str) -> None:
    numbers = {"UIDNEXT": b"2", "UIDVALIDITY": b"7", name: b"18446744073709551615"}
    told = b"* 1 EXISTS\r\n" + b"".join(b"* OK [%b %b] .\r\n" % (k.encode(), v) for k, v in numbers.items())
    with (
        lying_server(_opens_with(told)) as server,
        open_mailbox(account(server)) as mailbox,
        pytest.raises(ServerMisbehaved, match=f'{name} of "INBOX"'),
    ):
        mailbox.examine("INBOX")


def test_where_opening_tells_no_number_of_messages_status_does() -> None:
    with lying_server(_opens_with(b"* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 2] .\r\n")) as server:
        server.folders["INBOX"].add(a_message(1))
        with open_mailbox(account(server)) as mailbox:
            assert mailbox.examine("INBOX").exists == 1


# --- namespaces ----------------------------------------------------------------------------------------------------

COURIER = b'(("INBOX." ".")) NIL (("#shared." ".")("shared." "."))'
DOVECOT_PUBLIC = b'(("INBOX." ".")) NIL (("Public." "."))'
CYRUS = b'(("INBOX." ".")) (("user." ".")) (("" "."))'
CYRUS_ALT = b'(("" "/")) (("Other Users/" "/")) (("Shared Folders/" "/"))'


@pytest.mark.parametrize(
    ("told", "names", "wanted", "target"),
    [
        (COURIER, ("INBOX", "INBOX.Sent", "#shared.all.news"), "Backscatter", "INBOX.Backscatter"),
        (DOVECOT_PUBLIC, ("INBOX", "INBOX.Sent", "Public.Team"), "Backscatter", "INBOX.Backscatter"),
        (DOVECOT_PUBLIC, ("INBOX", "Public.Team"), "INBOX.Bounces", "INBOX.Bounces"),
        (DOVECOT_PUBLIC, ("INBOX", "Public.Team"), "Public.Team", "Public.Team"),  # by its whole name
        (DOVECOT_PUBLIC, ("INBOX", "Public.Backscatter"), "Backscatter", "INBOX.Backscatter"),
        (DOVECOT_PUBLIC, ("INBOX", "INBOX.A", "Public.B"), "A/Bounces", "INBOX.A.Bounces"),
        (CYRUS, ("INBOX", "INBOX.Sent", "Backscatter", "user.ben"), "Backscatter", "INBOX.Backscatter"),
        (CYRUS_ALT, ("INBOX", "Sent", "Other Users/ben"), "Backscatter", "Backscatter"),
        (CYRUS_ALT, ("INBOX", "INBOX/Backscatter"), "Backscatter", "INBOX/Backscatter"),
        (b'(("INBOX" ".")) NIL NIL', ("INBOX", "Shared"), "Backscatter", "INBOX.Backscatter"),  # prefix without its end
        (b'(("" NIL)) NIL NIL', ("INBOX", "Sent"), "Backscatter", "Backscatter"),
        (b"NIL NIL NIL", ("INBOX", "INBOX.Sent"), "Backscatter", "INBOX.Backscatter"),  # tells nothing: as without
        (b"((((", ("INBOX", "INBOX.Sent"), "Backscatter", "INBOX.Backscatter"),
        (b'(("" "/" "X-PARAM" ("FLAG1" "FLAG2"))) NIL NIL', ("INBOX",), "Backscatter", "Backscatter"),
    ],
)
def test_the_target_lies_in_the_personal_namespace(told: bytes, names: Sequence[str], wanted: str, target: str) -> None:
    between = "/" if b'"/"' in told else "."
    listed = read_list([f'() "{between}" "{name}"'.encode() for name in names])

    assert backscatter_folder_name(placed(listed, read_namespaces([told])), wanted) == target


def test_namespaces_are_asked_for_once_and_in_no_round_trip_of_their_own() -> None:
    namespace = says("NAMESPACE", b"* NAMESPACE " + DOVECOT_PUBLIC + b"\r\n")
    with lying_server(namespace, capabilities=lying.CAPABILITIES + b" NAMESPACE") as server:
        server.folders |= {"INBOX.Sent": Box(), "Public.Team": Box()}
        with open_mailbox(account(server)) as mailbox:
            before = mailbox.round_trips
            folders = mailbox.folders()
            assert mailbox.round_trips == before + 1
            mailbox.folders()

        assert server.commands.count("NAMESPACE") == 1
        assert {folder.name: folder.namespace.prefix for folder in folders if folder.namespace} == {
            "INBOX": "INBOX.", "INBOX.Sent": "INBOX.", "Public.Team": "Public."
        }  # fmt: skip


def test_a_server_that_offers_namespace_and_refuses_it_is_asked_without() -> None:
    refuses = says("NAMESPACE", then=b"NO not today")
    offered = lying.CAPABILITIES + b" NAMESPACE"
    with lying_server(refuses, capabilities=offered) as server, open_mailbox(account(server)) as mailbox:
        assert backscatter_folder_name(mailbox.folders()) == "Backscatter"


# --- whether a folder is there ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [b"NO no idea what you mean", b"BAD Folder could not be found.", b"NO [CANNOT] hm"])
@pytest.mark.parametrize("command", ["STATUS", "EXAMINE", "SELECT"])
def test_a_folder_that_list_does_not_show_is_missing_whatever_the_refusal_says(command: str, words: bytes) -> None:
    with (
        lying_server(says(command, then=words)) as server,
        open_mailbox(account(server)) as mailbox,
        pytest.raises(FolderNotFound, match='no folder "Nowhere"'),
    ):
        getattr(mailbox, command.lower())("Nowhere")


@pytest.mark.parametrize("words", [b"NO [NONEXISTENT] gone", b"NO Mailbox does not exist", b"NO [NOPERM] not yours"])
@pytest.mark.parametrize("command", ["STATUS", "EXAMINE", "SELECT"])
def test_a_folder_that_list_shows_is_refused_and_not_missing(command: str, words: bytes) -> None:
    with lying_server(says(command, then=words)) as server, open_mailbox(account(server)) as mailbox:
        with pytest.raises(PermissionMissing, match='"Sent"') as raised:
            getattr(mailbox, command.lower())("Sent")

        assert words[3:].decode() in str(raised.value)


def test_a_target_that_takes_nothing_is_not_missing() -> None:
    with lying_server(says("UID MOVE", then=b"NO [TRYCREATE] no")) as server:
        server.folders["INBOX"].add(a_message(1))
        with open_mailbox(account(server)) as mailbox:
            mailbox.select("INBOX")
            with pytest.raises(PermissionMissing, match='"Sent"'):
                mailbox.move([1], "Sent")
            with pytest.raises(FolderNotFound, match='"Nowhere"'):
                mailbox.move([1], "Nowhere")


# --- every refusal names its folder --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["UID FETCH", "UID SEARCH", "UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE",
                                     "STATUS", "EXAMINE", "SELECT", "CREATE", "APPEND"])  # fmt: skip
def test_every_permission_error_names_its_folder(command: str) -> None:
    def refuses(session: Session, name: str, _: list[bytes]) -> bool:
        if name == command:
            session.done(b"NO [NOPERM] not yours")
        return name == command

    steps = {
        "STATUS": lambda m: m.status("Sénd"),
        "EXAMINE": lambda m: m.examine("Sénd"),
        "SELECT": lambda m: m.select("Sénd"),
        "CREATE": lambda m: m.create_folder("Sénd"),
        "APPEND": lambda m: m.append("Sénd", b"x"),
        "UID FETCH": lambda m: m.fingerprints("Sénd", [1]),
        "UID SEARCH": lambda m: m.uids("Sénd"),
        "UID MOVE": lambda m: m.move([1], "Sent"),
        "UID COPY": lambda m: m.copy([1], "Sent"),
        "UID STORE": lambda m: m.mark_deleted([1]),
        "UID EXPUNGE": lambda m: m.uid_expunge([1]),
    }
    with lying_server(refuses) as server:
        server.folders["S&AOk-nd"] = Box()
        server.folders["S&AOk-nd"].add(a_message(1))
        with open_mailbox(account(server)) as mailbox:
            if command.startswith("UID"):
                mailbox.select("Sénd")
            if command == "CREATE":
                del server.folders["S&AOk-nd"]
            with pytest.raises((PermissionMissing, CommandRefused), match='"Sénd"'):
                steps[command](mailbox)


# --- one bad message -------------------------------------------------------------------------------------------------

DATED = b'INTERNALDATE "01-Mar-2026 12:00:00 +0000"'
BAD = {
    "a size beyond 64 bits": b"UID 2 FLAGS () " + DATED + b" RFC822.SIZE 99999999999999999999999",
    "a negative size": b"UID 2 FLAGS () " + DATED + b" RFC822.SIZE -1",
    "no size": b"UID 2 FLAGS () " + DATED + b" RFC822.SIZE NIL",
    "flags that are NIL": b"UID 2 FLAGS NIL " + DATED + b" RFC822.SIZE 9",
    "flags in flags": b"UID 2 FLAGS (\\Seen (a)) " + DATED + b" RFC822.SIZE 9",
    "a date that is a number": b"UID 2 FLAGS () INTERNALDATE 12 RFC822.SIZE 9",
}
ODD_FLAGS = [b"(1 2 3)", b"(\\Seen \xff\xfe)", b"($MDNSent Junk-\xc3\xa9)", b'("\\Seen")', b"(18446744073709551616)"]


def _answers(told: dict[int, bytes]) -> Lie:
    """Answer a FETCH of header fields for some messages in these words."""

    def lie(session: Session, name: str, args: list[bytes]) -> bool:
        if name != "UID FETCH" or b"HEADER" not in b" ".join(args).upper():
            return False
        for number, mail in enumerate(session.box.named(lying.uid_set(args[0], session.box)), start=1):
            if mail.uid in told:
                text = b"From: x@y.example\r\n\r\n"
                session.say(b"* %d FETCH (%b BODY[HEADER] {%d}\r\n%b)\r\n" % (number, told[mail.uid], len(text), text))
            else:
                session.say(session.fetch_data(number, mail, b" ".join(args[1:]).upper()))
        session.done()
        return True

    return lie


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_bad_message_is_passed_over_with_its_reason(bad: bytes) -> None:
    with lying_server(_answers({2: bad})) as server:
        for number in range(3):
            server.folders["INBOX"].add(a_message(number))
        with open_mailbox(account(server)) as mailbox:
            uids = [h.ref.uid for chunk in mailbox.pull_headers("INBOX", ("To",)) for h in chunk]

            assert uids == [1, 3]
            assert list(mailbox.passed_over("INBOX")) == [2]
            assert list(mailbox.fingerprints("INBOX", [1, 2, 3])) == [1, 3]


@pytest.mark.parametrize("flags", ODD_FLAGS)
def test_odd_flags_are_flags_and_can_be_sent_back(flags: bytes) -> None:
    odd = b"UID 2 FLAGS " + flags + b" " + DATED + b" RFC822.SIZE 9"
    with lying_server(_answers({2: odd})) as server:
        for number in range(3):
            server.folders["INBOX"].add(a_message(number))
        with open_mailbox(account(server)) as mailbox:
            seen = mailbox.fingerprints("INBOX", [1, 2, 3])
            assert list(seen) == [1, 2, 3]
            mailbox.select("INBOX")
            mailbox.change_flags([2], add=seen[2].flags)
            mailbox.append("INBOX", a_message(4), seen[2].flags)


# --- header fields in another form -----------------------------------------------------------------------------------


def _section(session: Session, mail: lying.Mail, number: int, name: bytes, text: bytes) -> None:
    known = b"UID %d FLAGS () %b RFC822.SIZE %d" % (mail.uid, DATED, len(mail.raw))
    session.say(b"* %d FETCH (%b %b {%d}\r\n%b)\r\n" % (number, known, name, len(text), text))


def _headers_as(fields: bytes | None, whole: bytes | None, *, bad: bool = False) -> Lie:
    """Answer header fields, and whole headers, in another form; None: with an empty block."""

    def lie(session: Session, name: str, args: list[bytes]) -> bool:
        items = b" ".join(args[1:]).upper()
        if name != "UID FETCH" or b"HEADER" not in items:
            return False
        by_fields = b"HEADER.FIELDS" in items
        if by_fields and bad:
            session.done(b"BAD what is that")
            return True
        for number, mail in enumerate(session.box.named(lying.uid_set(args[0], session.box)), start=1):
            header = mail.raw.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
            form = fields if by_fields else whole
            _section(session, mail, number, form or b"BODY[HEADER.FIELDS (FROM)]", header if form else b"\r\n")
        session.done()
        return True

    return lie


FORMS = {
    "BODY[HEADER]": _headers_as(b"BODY[HEADER]", b"BODY[HEADER]"),
    "quoted names": _headers_as(b'BODY[HEADER.FIELDS ("FROM" "TO")]', b"BODY[HEADER]"),
    "lower case": _headers_as(b"body[header.fields (from to)]<0>", b"body[header]"),
    "RFC822.HEADER": _headers_as(b"RFC822.HEADER", b"RFC822.HEADER"),
    "empty, and the whole header": _headers_as(None, b"BODY[HEADER]<0>"),
    "BAD, and the whole header": _headers_as(None, b"BODY[HEADER]", bad=True),
    "empty, and the message only": _headers_as(None, None),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_header_fields_are_read_in_whatever_form_they_come(form: Lie) -> None:
    messages = [a_message(number) for number in range(5)]
    with lying_server() as server:
        for raw in messages:
            server.folders["INBOX"].add(raw)
        with open_mailbox(account(server)) as mailbox:
            plain = mailbox.fingerprints("INBOX", [1, 2, 3, 4, 5])
        server.lies.append(form)
        with open_mailbox(account(server)) as mailbox:
            chunks = list(mailbox.pull_headers("INBOX", ("To",)))

            assert [h.ref.uid for chunk in chunks for h in chunk if h.fields.strip()] == [1, 2, 3, 4, 5]
            assert {uid: one.fingerprint for uid, one in mailbox.fingerprints("INBOX", list(plain)).items()} == {
                uid: one.fingerprint for uid, one in plain.items()
            }


def test_a_message_that_has_no_header_is_no_message_that_is_not_shown() -> None:
    with lying_server() as server:
        server.folders["INBOX"].add(b"\r\n" + b"text and nothing else\r\n" * 20)
        server.folders["INBOX"].add(b"\r\n" * 400)
        server.folders["INBOX"].add(a_message(1))

        with open_mailbox(account(server)) as mailbox:
            assert [h.ref.uid for chunk in mailbox.pull_headers("INBOX", ()) for h in chunk] == [1, 2, 3]
            assert mailbox.passed_over("INBOX") == {}


def test_what_shows_no_header_in_any_form_is_passed_over() -> None:
    def shows_nothing(session: Session, name: str, args: list[bytes]) -> bool:
        if name == "UID FETCH" and b"BODY" in b" ".join(args).upper():
            for number, mail in enumerate(session.box.named(lying.uid_set(args[0], session.box)), start=1):
                _section(session, mail, number, b"BODY[]<0>", b"")
            session.done()
            return True
        return False

    with lying_server(shows_nothing) as server:
        for number in range(3):
            server.folders["INBOX"].add(a_message(number))
        with open_mailbox(account(server)) as mailbox:
            assert [h for chunk in mailbox.pull_headers("INBOX", ()) for h in chunk] == []
            assert list(mailbox.passed_over("INBOX")) == [1, 2, 3]


# --- IMAP4rev2 alone -------------------------------------------------------------------------------------------------


def _only_rev2(session: Session, name: str, args: list[bytes]) -> bool:
    """Answer SEARCH and SELECT as RFC 9051 has it."""
    if name == "UID SEARCH":
        uids = sorted(lying.uid_set(args[1], session.box))
        found = b" ALL %d:%d" % (uids[0], uids[-1]) if uids else b""
        session.say(b'* ESEARCH (TAG "%b") UID%b\r\n' % (session.tag, found))
        session.done()
        return True
    if name in ("SELECT", "EXAMINE"):
        session.say(b'* LIST () "/" "%b"\r\n' % args[0])
    return False


def test_a_server_that_speaks_imap4rev2_only_is_understood() -> None:
    with lying_server(_only_rev2, capabilities=b"IMAP4rev2 AUTH=PLAIN") as server:
        server.folders["Réception & Co"] = Box()
        for number in range(3):
            server.folders["INBOX"].add(a_message(number))
        with open_mailbox(account(server)) as mailbox:
            names = {folder.name for folder in mailbox.folders()}
            assert [h.ref.uid for chunk in mailbox.pull_headers("INBOX", ("To",)) for h in chunk] == [1, 2, 3]
            assert mailbox.uids("INBOX", first=4) == []
            assert mailbox.uids("Réception & Co") == []
            mailbox.create_folder("Rückläufer")
            mailbox.select("INBOX")
            mailbox.move([1], "Rückläufer")

        assert names == {"INBOX", "Sent", "Réception & Co"}
        assert len(server.folders["Rückläufer"].mails) == 1


# --- how folders are listed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name", "delimiter"),
    [
        (b'(\\HasNoChildren) "/" "Sent"', "Sent", "/"),
        (b"() NIL Sent", "Sent", None),  # flat
        (b'() "" "Sent"', "Sent", None),  # flat, in other words
        (b"() / Sent/2024", "Sent/2024", "/"),  # no quotes
        (b'() "\\\\" "Sent\\\\2024"', "Sent\\2024", "\\"),  # Domino
        (b'() "." "INBOX.say \\"cheese\\""', 'INBOX.say "cheese"', "."),
        (b'(\\Sent) "/" "Entw&APw-rfe" ("CHILDINFO" ("SUBSCRIBED"))', "Entwürfe", "/"),
        (b'() "/" "Entw\xc3\xbcrfe"', "Entwürfe", "/"),  # UTF-8 as it is
        (b'() "/" "R&D"', "R&D", "/"),  # no modified UTF-7
        (b'() "/" "Sent (old) {5}"', "Sent (old) {5}", "/"),
    ],
)
def test_folders_are_listed_in_many_forms(line: bytes, name: str, delimiter: str | None) -> None:
    [folder] = read_list([line])

    assert (folder.name, folder.delimiter) == (name, delimiter)


def test_an_inbox_that_is_not_listed_is_there() -> None:
    with (
        lying_server(says("LIST", b'* LIST (\\Sent) "/" "Sent"\r\n')) as server,
        open_mailbox(account(server)) as mailbox,
    ):
        assert [folder.name for folder in mailbox.folders()] == ["INBOX", "Sent"]


def test_a_line_that_names_no_folder_is_shown_and_not_passed_over() -> None:
    with pytest.raises(ServerMisbehaved, match="Gesendet"):
        read_list([b'() "/" "INBOX"', b'\\Sent "/" "Gesendet"'])
