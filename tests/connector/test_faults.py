"""A connection that breaks, or drips ends in time, in a named error, and never in a second try."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from cleanup.connector.connection import LOOKING
from cleanup.connector.mailbox import Account, open_mailbox
from cleanup.errors import CannotConnect, CleanupError, ConnectionLost, ServerMisbehaved
from tests.connector.test_contract import a_message, uids_in
from tests.servers.faultproxy import Fault, Kind, fault_proxy
from tests.servers.running import RunningServer


def through(account: Account, port: int, **changes: object) -> Account:
    return replace(account, port=port, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["cut", "reset", "half_close", "drop_answer"])
@pytest.mark.parametrize("in_answer", [True, False])
def test_a_move_that_is_cut_off_says_that_nobody_can_know(embedded: RunningServer, kind: Kind, in_answer: bool) -> None:
    account = embedded.new_account()
    with fault_proxy(embedded.port, Fault(kind, "UID MOVE", in_answer=in_answer)) as proxy:
        with pytest.raises(ConnectionLost), open_mailbox(through(account, proxy.port)) as mailbox:
            uid = mailbox.append("INBOX", a_message(1))
            mailbox.select("INBOX")
            mailbox.move([uid or 0], "Junk")

        assert proxy.commands.count("UID MOVE") == 1
        assert len(proxy.struck) == 1


def test_after_a_broken_connection_every_command_says_so(embedded: RunningServer) -> None:
    with (
        fault_proxy(embedded.port, Fault("cut", "STATUS")) as proxy,
        open_mailbox(through(embedded.new_account(), proxy.port)) as mailbox,
    ):
        mailbox.folders()  # ID goes with it; what dies with several looks on their way is tried once more, one by one
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                mailbox.status("INBOX")
        assert mailbox.dead


def test_a_dripping_server_meets_the_deadline_of_the_command(embedded: RunningServer) -> None:
    drip = Fault("drip", "EXAMINE", seconds=0.2)
    with fault_proxy(embedded.port, drip) as proxy:
        account = through(embedded.new_account(), proxy.port, command_timeout_s=1.0)
        started = time.monotonic()
        with pytest.raises(ConnectionLost, match="too long"), open_mailbox(account) as mailbox:
            mailbox.folders()
            mailbox.examine("INBOX")

    assert time.monotonic() - started < 15  # the whole answer drips for a minute


def test_a_greeting_that_drips_meets_the_deadline_too(embedded: RunningServer) -> None:
    with fault_proxy(embedded.port, Fault("drip", None, seconds=0.5)) as proxy:
        account = through(embedded.new_account(), proxy.port, connect_timeout_s=1.0)
        started = time.monotonic()
        with pytest.raises(CannotConnect), open_mailbox(account):
            pass

    assert time.monotonic() - started < 15  # it drips for half a minute


def test_the_deadline_of_the_run_stops_a_command_that_has_its_own_left(embedded: RunningServer) -> None:
    with fault_proxy(embedded.port, Fault("delay", "EXAMINE", seconds=60)) as proxy:
        account = through(embedded.new_account(), proxy.port, command_timeout_s=60.0)
        started = time.monotonic()
        with pytest.raises(ConnectionLost), open_mailbox(account, run_deadline=started + 3) as mailbox:
            mailbox.examine("INBOX")

    assert time.monotonic() - started < 30


@pytest.mark.parametrize("at_byte", range(0, 900, 75))
@pytest.mark.parametrize("kind", ["cut", "corrupt"])
def test_a_fault_at_any_byte_is_a_named_error_or_does_no_harm(
    embedded: RunningServer, kind: Kind, at_byte: int
) -> None:
    account = embedded.new_account()
    with open_mailbox(account) as mailbox:
        mailbox.append("INBOX", a_message(1))
    with fault_proxy(embedded.port, Fault(kind, None, at_byte=at_byte)) as proxy:
        try:
            with open_mailbox(through(account, proxy.port, command_timeout_s=1.0, connect_timeout_s=1.0)) as mailbox:
                mailbox.folders()
                mailbox.examine("INBOX")
                list(mailbox.pull_bodies("INBOX", uids_in(mailbox, "INBOX")))
        except CleanupError as error:
            assert isinstance(error, CleanupError)
    with open_mailbox(account) as mailbox:
        assert len(uids_in(mailbox, "INBOX")) == 1


def test_a_dry_run_sends_no_changing_command_over_the_wire(embedded: RunningServer) -> None:
    account = embedded.new_account()
    with open_mailbox(account) as mailbox:
        mailbox.append("INBOX", a_message(1))
    with fault_proxy(embedded.port) as proxy:
        with open_mailbox(through(account, proxy.port), read_only=True) as mailbox:
            mailbox.folders()
            uids = [h.ref.uid for chunk in mailbox.pull_headers("INBOX", ("To",)) for h in chunk]
            list(mailbox.pull_bodies("INBOX", uids))

        assert {name.removeprefix("UID ") for name in proxy.commands} <= LOOKING
        assert proxy.commands == list(mailbox.log)
        assert not any(b"BODY[" in line for line in proxy.transcript)  # without PEEK it would set \\Seen


def test_an_answer_that_does_not_end_is_cut_off_by_its_budget(embedded: RunningServer) -> None:
    account = embedded.new_account(max_answer_bytes=20_000)
    with pytest.raises(ServerMisbehaved), open_mailbox(account) as mailbox:
        mailbox.append("INBOX", a_message(1, body="x" * 30_000))
        list(mailbox.pull_bodies("INBOX", uids_in(mailbox, "INBOX")))
