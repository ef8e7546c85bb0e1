"""What a server says is checked before it is believed, and nothing it says makes us crash, hang or tell a secret."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import pytest

from cleanup.connector.credentials import Mechanism, from_text
from cleanup.connector.folders import find_sent
from cleanup.connector.mailbox import Account, open_mailbox
from cleanup.errors import (
    CannotConnect,
    CleanupError,
    CommandUnknown,
    ConnectionLost,
    LoginRefused,
    OverQuota,
    PermissionMissing,
    SentFolderNotFound,
    ServerMisbehaved,
    Throttled,
    TlsFailed,
)
from tests.connector.test_contract import a_message
from tests.servers import lying
from tests.servers.lying import Box, Lie, LyingServer, chatters, floods, lying_server, says
from tests.servers.running import PASSWORD

FULL = b'UID 1 FLAGS () INTERNALDATE "01-Mar-2026 12:00:00 +0000" RFC822.SIZE 9 '


def account(server: LyingServer, **changes: object) -> Account:
    plain = Account("127.0.0.1", "anna", from_text(PASSWORD), port=server.port, security="plain", command_timeout_s=60)
    return replace(plain, **changes)  # type: ignore[arg-type]


def pulled(server: LyingServer) -> list[tuple[int, tuple[str, ...]]]:
    with open_mailbox(account(server)) as mailbox:
        return [(h.ref.uid, h.flags) for chunk in mailbox.pull_headers("INBOX", ("To",)) for h in chunk]


def test_an_honest_one_passes() -> None:
    with lying_server() as server:
        server.folders["INBOX"].add(a_message(1), {"\\Seen"})

        assert pulled(server) == [(1, ("\\Seen",))]


@pytest.mark.parametrize(
    "line",
    [
        b"* 1 FETCH (FLAGS ($Label1))\r\n",  # Dovecot, when another client flags the first message
        b"* 1 FETCH (UID 1 FLAGS ($Label1))\r\n",
        b"* 9 FETCH (FLAGS (\\Deleted) UID 4711)\r\n",
        b"* 4 EXPUNGE\r\n* 99 EXISTS\r\n* OK hello\r\n",
    ],
)
def test_fetch_data_that_nobody_asked_for_change_nothing(line: bytes) -> None:
    with lying_server(chatters("UID FETCH", line)) as server:
        server.folders["INBOX"].add(a_message(1), {"\\Seen"})

        assert pulled(server) == [(1, ("\\Seen",))]


def test_another_message_under_our_uid_is_an_error() -> None:
    other = b"* 1 FETCH (" + FULL + b"BODY[HEADER.FIELDS (TO)] {9}\r\nTo: x@y\r\n)\r\n"
    with lying_server(chatters("UID FETCH", other)) as server:
        server.folders["INBOX"].add(a_message(1))

        with pytest.raises(ServerMisbehaved, match="two different messages"):
            pulled(server)


@pytest.mark.parametrize(
    "lines",
    [
        (b"* 1 FETCH (UID 1 BODY[] {4294967296}\r\nabc",),
        (b"* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\nabc",),
        (b"* 1 FETCH (UID 1 BODY[] {" + b"9" * 5000 + b"}\r\nabc",),
        (b"* 1 FETCH (UID 1 BODY[] {-5}\r\nabc\r\n",),
        (b"* 1 FETCH (UID 1 BODY[] {3}\r\nabcdefgh)\r\n",),
        (b"* 1 FETCH ((((((((\r\n",),
        (b"* 1 FETCH " + b"(" * 5000 + b"\r\n",),
        (b"* 1 FETCH (UID 1 \xff\xfe\r\n",),
        (b"* SEARCH 1 2 x\r\n",),
        (b"* [COPYUID 1 2 3]\r\n",),
        (b"garbage\r\n",),
        (b"no line end",),
        (b"* BYE [UNAVAILABLE] good night\r\n",),
        (b"A0 OK not your tag\r\n",),
        (b"+ go on\r\n",),
        (b"\r\n",),
        (b"\0\0\0\r\n",),
    ],
)
@pytest.mark.parametrize("command", ["LIST", "EXAMINE", "UID SEARCH", "UID FETCH"])
def test_nonsense_is_a_named_error_or_changes_nothing(command: str, lines: tuple[bytes, ...]) -> None:
    with lying_server(says(command, *lines)) as server:
        server.folders["INBOX"].add(a_message(1))
        try:
            with open_mailbox(account(server)) as mailbox:
                mailbox.folders()
                uids = [h.ref.uid for chunk in mailbox.pull_headers("INBOX", ("To",)) for h in chunk]
                assert uids in ([], [1])
        except CleanupError as error:
            assert len(str(error)) < 1000


@pytest.mark.parametrize("line", [b"* OK still here\r\n", b"x" * 1000])
def test_a_flood_ends_with_its_budget_and_not_with_its_time(line: bytes) -> None:
    with lying_server(floods("EXAMINE", line)) as server:
        patient = account(server, max_answer_bytes=2**20)
        with open_mailbox(patient) as mailbox, pytest.raises(ServerMisbehaved) as raised:
            mailbox.examine("INBOX")

    assert "too long to answer" not in str(raised.value)


@pytest.mark.parametrize(
    "code",
    [
        b"COPYUID 7 1:4294967295 1:4294967295",
        b"COPYUID 7 1,2 5",
        b"COPYUID 7 99 5",
        b"COPYUID 7 1,1 5,6",
        b"COPYUID 7 1,2 5,5",
        b"COPYUID x 1 5",
        b"COPYUID 7 1:* 5",
        b"COPYUID",
    ],
)
def test_a_copyuid_that_cannot_be_right_counts_as_none(code: bytes) -> None:
    with lying_server(says("UID MOVE", b"* OK [" + code + b"] moved\r\n")) as server:
        server.folders["INBOX"].add(a_message(1))
        with open_mailbox(account(server)) as mailbox:
            mailbox.select("INBOX")

            assert mailbox.move([1, 2], "Sent").pairs == ()


def test_after_exchange_2013s_malformed_answer_nobody_knows_and_nobody_repeats() -> None:
    with lying_server(lying.moves_and_malforms) as server:
        server.folders["INBOX"].add(a_message(1))
        with pytest.raises(ConnectionLost), open_mailbox(account(server)) as mailbox:
            mailbox.select("INBOX")
            mailbox.move([1], "Sent")

        assert server.commands.count("UID MOVE") == 1
        assert "UID COPY" not in server.commands
        assert len(server.folders["Sent"].mails) == 1


def test_move_is_not_tried_again_where_the_server_does_not_know_it() -> None:
    with lying_server(says("UID MOVE", then=b"BAD Command Error. 12")) as server:
        server.folders["INBOX"].add(a_message(1))
        with open_mailbox(account(server)) as mailbox:
            mailbox.select("INBOX")
            assert mailbox.can_move
            with pytest.raises(CommandUnknown):
                mailbox.move([1], "Sent")

            assert not mailbox.can_move
            assert mailbox.copy([1], "Sent").pairs == ((1, 1),)  # the connection is fine


@pytest.mark.parametrize("validity", [1 << 63, 10**30])
def test_a_uidvalidity_that_cannot_be_one_is_an_error(validity: int) -> None:
    with lying_server() as server:
        server.folders["INBOX"].uidvalidity = validity
        with pytest.raises(ServerMisbehaved, match="UIDVALIDITY"):
            pulled(server)


def test_a_folder_that_is_read_only_after_all_is_not_changed() -> None:
    with lying_server(says("SELECT", b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 2] .\r\n",
                           then=b"OK [READ-ONLY] look only")) as server:  # fmt: skip
        with open_mailbox(account(server)) as mailbox:
            assert not mailbox.select("INBOX").read_write
            with pytest.raises(PermissionMissing):
                mailbox.move([1], "Sent")

        assert "UID MOVE" not in server.commands


@pytest.mark.parametrize(
    ("lie", "error", "told"),
    [
        (
            says("EXAMINE", then=b"NO Request is throttled. Suggested Backoff Time: 299961 milliseconds"),
            Throttled,
            "later",
        ),
        (says("EXAMINE", then=b"BAD User is authenticated but not connected."), Throttled, "may not open this mailbox"),
        (says("EXAMINE", then=b"NO [UNAVAILABLE] backend down"), Throttled, "later"),
        (says("EXAMINE", then=b"NO [OVERQUOTA] Account exceeded command or bandwidth limits."), Throttled, "2,500 MB"),
        (says("EXAMINE", then=b"NO [OVERQUOTA] Quota exceeded"), OverQuota, "full"),
        (says("EXAMINE", then=b"NO [NOPERM] not yours"), PermissionMissing, "right"),
        (says("EXAMINE", b"* BYE Too many simultaneous connections\r\n", then=None), ConnectionLost, "fewer"),
    ],
)
def test_what_providers_say_has_a_name_and_a_next_step(lie: Lie, error: type[CleanupError], told: str) -> None:
    with lying_server(lie) as server, pytest.raises(error, match=told) as raised:
        pulled(server)

    if isinstance(raised.value, Throttled) and "Backoff" in str(raised.value):
        assert raised.value.wait_s == pytest.approx(299.961)


def test_a_short_pause_that_the_server_asks_for_is_kept() -> None:
    told = [b"NO Request is throttled. Suggested Backoff Time: 300 milliseconds"]
    with lying_server(lying.once("UID FETCH", *told)) as server:
        server.folders["INBOX"].add(a_message(1))
        started = time.monotonic()

        assert [uid for uid, _ in pulled(server)] == [1]
        assert time.monotonic() - started >= 0.3


def test_nobody_asks_more_than_three_times() -> None:
    with lying_server(says("UID FETCH", then=b"NO throttled. Suggested Backoff Time: 10 milliseconds")) as server:
        server.folders["INBOX"].add(a_message(1))
        with pytest.raises(Throttled):
            pulled(server)

        assert server.commands.count("UID FETCH") == 3


def test_a_changing_command_is_never_repeated() -> None:
    with lying_server(says("UID MOVE", then=b"NO throttled. Suggested Backoff Time: 10 milliseconds")) as server:
        server.folders["INBOX"].add(a_message(1))
        with open_mailbox(account(server)) as mailbox, pytest.raises(Throttled):
            mailbox.select("INBOX")
            mailbox.move([1], "Sent")

        assert server.commands.count("UID MOVE") == 1


def test_a_server_that_is_busy_at_the_login_is_asked_again() -> None:
    with lying_server(lying.once("LOGIN", b"NO [UNAVAILABLE] try again")) as server:
        assert pulled(server) == []
        assert server.commands.count("LOGIN") == 2


def test_a_server_that_hangs_up_because_it_is_busy_is_asked_again() -> None:
    told: list[str] = []

    def busy_once(session: lying.Session, name: str, _: list[bytes]) -> bool:
        if name == "LOGIN" and not told:
            told.append(name)
            session.say(b"* BYE Temporary problem, please try again later\r\n")  # Courier
            session.hang_up()
        return False

    with lying_server(busy_once) as server:
        assert pulled(server) == []


def test_a_batch_that_is_too_large_for_the_server_is_halved() -> None:
    def at_most_two(session: lying.Session, name: str, args: list[bytes]) -> bool:
        if name != "UID FETCH" or len(lying.uid_set(args[0], session.box)) <= 2:
            return False
        session.done(b"NO [UNAVAILABLE] UID FETCH Server error")  # Yahoo
        return True

    with lying_server(at_most_two) as server:
        for number in range(7):
            server.folders["INBOX"].add(a_message(number))

        assert [uid for uid, _ in pulled(server)] == [1, 2, 3, 4, 5, 6, 7]


# --- login ---------------------------------------------------------------------------------------------------------


def test_the_servers_own_words_do_not_tell_the_password() -> None:
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"').encode()
    for echo in (PASSWORD.encode(), quoted):
        with lying_server(says("LOGIN", then=b"NO you said " + echo)) as server, pytest.raises(LoginRefused) as refused:
            pulled(server)

        assert "[hidden]" in str(refused.value)
        assert "secret" not in str(refused.value)
        assert refused.value.__cause__ is None  # a traceback would show it


@pytest.mark.parametrize("greeting", [b"* BYE go away, ", b"220 not here, ", b"* NO "])
def test_a_later_greeting_does_not_tell_the_password_of_an_earlier_login(greeting: bytes) -> None:
    with lying_server() as server:
        pulled(server)
        server.greeting = greeting + PASSWORD.encode() + b"\r\n"
        with pytest.raises(CannotConnect) as raised, open_mailbox(account(server), run_deadline=time.monotonic() + 1):
            pass

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("command", ["LOGIN", "CAPABILITY"])
@pytest.mark.parametrize(
    "line", [b"* OK {" + b"9" * 5000 + b"}\r\n", b"* CAPABILITY \xff\r\n", b"+ !!!\r\n", b"* CAPABILITY\r\n", b"\0\r\n"]
)
def test_nonsense_at_the_login_is_a_named_error(command: str, line: bytes) -> None:
    with lying_server(says(command, line)) as server:
        with contextlib.suppress(CannotConnect):
            pulled(server)

        assert "UID MOVE" not in server.commands


@pytest.mark.parametrize("greeting", [b"* OK {" + b"9" * 5000 + b"}\r\n", b"+ hello\r\n"])
def test_a_greeting_that_cannot_be_read_is_said_to_make_no_sense(greeting: bytes) -> None:
    with lying_server(greeting=greeting) as server, pytest.raises(CannotConnect, match="makes no sense"):
        pulled(server)


@pytest.mark.parametrize("challenge", [b"+ !!!\r\n", b"+ =\r\n", b"+ \xff\r\n", b"+ e30=\r\n"])
@pytest.mark.parametrize("mechanism", [Mechanism.PASSWORD, Mechanism.XOAUTH2])
def test_a_challenge_that_is_no_base64_is_a_named_error(challenge: bytes, mechanism: Mechanism) -> None:
    credential = from_text("pässwörd", mechanism)
    capabilities = lying.CAPABILITIES + b" AUTH=XOAUTH2"
    with (
        lying_server(says("AUTHENTICATE", challenge, then=b"NO no"), capabilities=capabilities) as server,
        pytest.raises((LoginRefused, CannotConnect)),
        open_mailbox(account(server, credential=credential)),
    ):
        pass


def test_where_login_is_disabled_the_password_is_shown_in_the_way_that_is_offered() -> None:
    with lying_server(says("AUTHENTICATE"), capabilities=lying.CAPABILITIES + b" LOGINDISABLED") as server:
        pulled(server)

        assert "LOGIN" not in server.commands
        assert "AUTHENTICATE" in server.commands


@pytest.mark.parametrize(
    ("offered", "mechanism", "hint"),
    [
        (b"IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2", Mechanism.PASSWORD, "--token-command"),
        (b"IMAP4rev1 LOGINDISABLED", Mechanism.PASSWORD, "none at all"),
        (b"IMAP4rev1 AUTH=PLAIN AUTH=LOGIN", Mechanism.XOAUTH2, "LOGIN, PLAIN only"),
    ],
)
def test_a_secret_is_not_sent_where_it_cannot_be_taken(offered: bytes, mechanism: Mechanism, hint: str) -> None:
    with lying_server(capabilities=offered) as server:
        secret = account(server, credential=from_text("some-secret", mechanism))
        with pytest.raises(LoginRefused, match=hint), open_mailbox(secret):
            pass

        assert not {"LOGIN", "AUTHENTICATE"} & set(server.commands)


def test_a_token_is_shown_in_the_other_way_where_only_that_is_offered() -> None:
    way: list[bytes] = []

    def note(_: lying.Session, name: str, args: list[bytes]) -> bool:
        way.extend(args if name == "AUTHENTICATE" else ())
        return False

    token, capabilities = from_text("a-token", Mechanism.XOAUTH2), lying.CAPABILITIES + b" AUTH=OAUTHBEARER"
    with (
        lying_server(note, says("AUTHENTICATE"), capabilities=capabilities) as server,
        open_mailbox(account(server, credential=token)),
    ):
        pass

    assert way == [b"OAUTHBEARER"]


def test_a_greeting_as_logged_in_is_refused() -> None:
    with lying_server(greeting=b"* PREAUTH welcome\r\n") as server, pytest.raises(TlsFailed, match="logged in already"):
        pulled(server)


def test_without_starttls_no_password_is_sent() -> None:
    with lying_server() as server:
        with pytest.raises(TlsFailed, match="no STARTTLS"), open_mailbox(account(server, security="starttls")):
            pass

        assert server.commands == ["CAPABILITY"]


def test_a_refused_starttls_is_the_end() -> None:
    capabilities = lying.CAPABILITIES + b" STARTTLS"
    with lying_server(says("STARTTLS", then=b"NO not today"), capabilities=capabilities) as server:
        with pytest.raises(TlsFailed, match="refused STARTTLS"), open_mailbox(account(server, security="starttls")):
            pass

        assert "LOGIN" not in server.commands


def test_words_injected_before_tls_are_refused() -> None:
    injected = says("STARTTLS", then=b"OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN")
    with (
        lying_server(injected, capabilities=lying.CAPABILITIES + b" STARTTLS") as server,
        pytest.raises(TlsFailed),
        open_mailbox(account(server, security="starttls")),
    ):
        pass


@pytest.mark.parametrize(
    "greeting", [b"* BYE too busy\r\n", b"220 mail.example ESMTP\r\n", b"\x15\x03\x01\r\n", b"* OK"]
)
def test_a_greeting_that_is_none_is_an_error(greeting: bytes) -> None:
    with lying_server(greeting=greeting) as server:
        impatient = account(server, connect_timeout_s=3)
        with pytest.raises(CannotConnect), open_mailbox(impatient):
            pass


# --- folders -------------------------------------------------------------------------------------------------------


def test_hostile_folder_names_are_compared_exactly_and_shown_escaped() -> None:
    with lying_server() as server:
        server.folders["../../etc/passwd"] = Box()
        server.folders["Sеnt"] = Box()  # a Cyrillic letter
        server.folders["Sent\x1b[31m"] = Box()
        with open_mailbox(account(server)) as mailbox:
            folders = mailbox.folders()
            with pytest.raises(SentFolderNotFound) as raised:
                find_sent(folders, configured=["Sent\x1b[32m"])

            assert [folder.name for folder in find_sent(folders)] == ["Sent"]
            assert "\x1b" not in str(raised.value)


def test_no_sent_folder_is_an_error_and_not_an_empty_answer() -> None:
    with lying_server() as server:
        del server.folders["Sent"]
        with open_mailbox(account(server)) as mailbox, pytest.raises(SentFolderNotFound):
            find_sent(mailbox.folders())
