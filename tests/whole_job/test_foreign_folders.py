"""Folders of others beside the owner's own: what is filed lies in the owner's namespace; nothing blocks for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanup.access import account_of
from cleanup.config import MailboxSettings
from cleanup.demo import LAST_DAY
from cleanup.jobs import doctor, rescue
from cleanup.jobs.run import run_mailbox
from tests.servers import lying
from tests.servers.lying import Box, Lie, LyingServer, Session, lying_server, says
from tests.servers.running import PASSWORD
from tests.whole_job.anna_lies import fill, run, settings_for

WITH_ACL = lying.CAPABILITIES + b" NAMESPACE ACL"
OTHERS = "Other Users/ben/Sent"


def _below_inbox(server: LyingServer) -> None:
    """Keep Anna's folders below INBOX, with a public folder beside it; nothing can be made elsewhere."""

    def only_below_inbox(session: Session, name: str, args: list[bytes]) -> bool:
        refused = name == "CREATE" and not args[0].startswith(b"INBOX.")
        if refused:
            session.done(b"NO Client tried to access nonexistent namespace.")
        return refused

    fill(server)
    server.folders["INBOX.Sent"] = server.folders.pop("Sent")
    server.folders["Public.Team"] = Box()
    server.lies += [only_below_inbox, says("NAMESPACE", b'* NAMESPACE (("INBOX." ".")) NIL (("Public." "."))\r\n')]
    server.alter = lambda said: said.replace(b') "/" "', b') "." "') if said.startswith(b"* LIST") else said


def _stages(settings: MailboxSettings) -> dict[str, doctor.Check]:
    checks = doctor.examine(lambda: settings, ask=lambda _: PASSWORD, now=LAST_DAY)
    return {check.stage: check for check in checks}


def test_beside_a_public_namespace_the_target_is_made_in_the_owners_own(tmp_path: Path) -> None:
    with lying_server(capabilities=lying.CAPABILITIES + b" NAMESPACE") as server:
        _below_inbox(server)
        promised = _stages(settings_for(server, tmp_path))["folders"].says
        ended = run(server, tmp_path)

        assert ended.error is None
        assert "backscatter goes to INBOX.Backscatter, which the first run makes" in promised
        assert len(server.folders["INBOX.Backscatter"].mails) > 50


def _others(server: LyingServer) -> None:
    fill(server)
    server.folders[OTHERS] = Box()

    def is_bens(session: Session, name: str, args: list[bytes]) -> bool:
        refused = name in ("EXAMINE", "SELECT", "STATUS") and args[0] == OTHERS.encode()
        if refused:
            session.done(b"NO [NOPERM] Permission denied")
        return refused

    server.lies.append(is_bens)


def test_a_sent_folder_that_cannot_be_opened_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    with lying_server() as server:
        _others(server)
        blocked = run(server, tmp_path)
        settings = settings_for(server, tmp_path, {"not_sent_folders": (OTHERS,)})
        looked = _stages(settings_for(server, tmp_path))
        account = account_of(settings, ask=lambda _: PASSWORD)
        freed = run_mailbox(account, settings, now=LAST_DAY, agreed=lambda _: True, progress=lambda *_: None)
        again = run_mailbox(account, settings, now=LAST_DAY, agreed=lambda _: True, progress=lambda *_: None)

        assert blocked.done
        assert blocked.done.moved == 0
        assert OTHERS in blocked.done.in_words()
        assert f"--not-sent-folder '{OTHERS}'" in blocked.done.in_words()
        assert f"--not-sent-folder '{OTHERS}'" in (looked["folders"].warning or "")
        assert freed.moved > 50
        assert again.look.resting


def test_a_sent_folder_that_cannot_be_opened_any_more_does_not_end_the_night(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        server.folders[OTHERS] = Box()
        run(server, tmp_path)
        server.lies.append(says("STATUS", then=b"NO [NOPERM] Permission denied"))

        assert run(server, tmp_path).error is None


def test_rescue_leaves_the_junk_of_others_alone(tmp_path: Path) -> None:
    told = b'* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL\r\n'
    with lying_server(says("NAMESPACE", told), capabilities=lying.CAPABILITIES + b" NAMESPACE") as server:
        fill(server)
        settings = settings_for(server, tmp_path)
        account = account_of(settings, ask=lambda _: PASSWORD)
        server.folders["Other Users/ben/Junk"] = server.folders["INBOX"]
        assert rescue.offer(account, settings, now=LAST_DAY, progress=lambda *_: None) == ()
        server.folders["Junk"] = server.folders["INBOX"]
        offered = rescue.offer(account, settings, now=LAST_DAY, progress=lambda *_: None)

        assert {one.judged.ref.folder for one in offered} == {"Junk"}


def _rights(**of: str) -> Lie:
    def lie(session: Session, name: str, args: list[bytes]) -> bool:
        if name != "MYRIGHTS":
            return False
        folder = args[0].decode()
        session.say(b'* MYRIGHTS "%b" %b\r\n' % (args[0], of.get(folder, "lrswipkxtea").encode()))
        session.done()
        return True

    return lie


@pytest.mark.parametrize(
    ("rights", "says_so"),
    [
        ({}, None),
        ({"INBOX": "acdilrsw"}, None),  # RFC 2086
        ({"INBOX": "lrswi"}, "take messages out of INBOX"),
        ({"Backscatter": "lr"}, "put messages into Backscatter"),
    ],
)
def test_doctor_asks_for_the_rights_that_a_run_needs(
    rights: dict[str, str], says_so: str | None, tmp_path: Path
) -> None:
    with lying_server(_rights(**rights), capabilities=WITH_ACL) as server:
        fill(server)
        server.folders["Backscatter"] = Box()
        failed = _stages(settings_for(server, tmp_path))["folders"].error

        assert (failed is None) is (says_so is None)
        assert says_so is None or (
            says_so in str(failed) and failed is not None and failed.code == "permission-missing"
        )


def test_doctor_asks_whether_the_target_can_be_made(tmp_path: Path) -> None:
    with lying_server(capabilities=WITH_ACL) as server:
        _below_inbox(server)
        server.lies.insert(0, _rights(INBOX="lrswite"))
        failed = _stages(settings_for(server, tmp_path))["folders"].error

        assert "make a folder in INBOX" in str(failed)
