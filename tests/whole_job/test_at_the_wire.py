"""What the commands send, recorded between them and the server."""

from __future__ import annotations

from tests.cli.command import Ended
from tests.servers.faultproxy import fault_proxy
from tests.whole_job.job import BACKSCATTER, CHANGING, Job

LOOKING = {"CAPABILITY", "LOGIN", "ID", "NAMESPACE", "LIST", "STATUS", "EXAMINE", "UID SEARCH", "UID FETCH", "LOGOUT"}
ON_THE_SIDE = {"ENABLE", "FETCH", "MYRIGHTS"}  # by a run which moves: most of it over its second connection


def sent_by(job: Job, command: str, *options: object) -> tuple[Ended, list[bytes]]:
    """Run a command through a recording proxy; return how it ended and every line that it sent."""
    with fault_proxy(job.account.real_port) as proxy:
        ended: Ended = getattr(job, command)(*options, port=proxy.port)
        assert set(proxy.commands) <= LOOKING | ON_THE_SIDE | CHANGING
        return ended, list(proxy.transcript)


def names(lines: list[bytes]) -> set[str]:
    words = [line.split() for line in lines]
    return {" ".join(w.decode() for w in some[1 : 3 if some[1] == b"UID" else 2]) for some in words if len(some) > 1}


def test_looking_sends_nothing_that_could_change_anything(job: Job) -> None:
    before = job.mailbox()
    for command, options in (("scan", ()), ("scan", ("--format", "jsonl")), ("run", ("--dry-run",))):
        ended, lines = sent_by(job, command, *options)

        assert ended.code == 0
        assert names(lines) <= LOOKING
        fetched = [line for line in lines if b"BODY" in line]
        assert fetched
        assert all(b"BODY.PEEK[" in line and b"BODY[" not in line for line in fetched)
    assert job.mailbox() == before
    assert not job.ledger.exists()


def test_a_second_run_sends_nothing_that_could_change_anything(job: Job) -> None:
    _, first = sent_by(job, "run")
    assert "UID MOVE" in names(first)
    after = job.mailbox()

    ended, second = sent_by(job, "run")

    assert ended.code == 0
    assert f"{BACKSCATTER} filed" not in ended.err
    assert names(second) <= LOOKING
    assert job.mailbox() == after
    assert job.digests() == 1


def test_undo_leaves_every_byte_flag_and_date_as_before(job: Job) -> None:
    before = job.mailbox()
    job.run()
    assert job.mailbox() != before

    assert job.undo().code == 0
    assert job.mailbox() == before


def test_a_second_undo_sends_nothing(job: Job) -> None:
    job.run()
    job.undo()

    ended, lines = sent_by(job, "undo")

    assert "no run to undo" in ended.err
    assert lines == []


def test_the_password_travels_in_the_login_and_nowhere_else(job: Job) -> None:
    secret = job.account.credential.read().encode()
    _, lines = sent_by(job, "run")

    assert all(secret not in line for line in lines if b" LOGIN " not in line)
    assert job.ledger.exists()
    for file in job.ledger.parent.iterdir():
        assert secret not in file.read_bytes(), file


def test_a_refused_run_sends_nothing_that_could_change_anything(job: Job) -> None:
    ended, lines = sent_by(job, "run", "--max-moves", 1)

    assert ended.code == 20
    assert names(lines) <= LOOKING


def test_a_part_of_a_run_is_undone_by_a_condition(job: Job) -> None:
    before = job.mailbox()
    job.run()
    whole = len(job.mailbox()["Backscatter"])

    part = job.undo("--where", 'format == "postfix" or status == "5.1.1"')
    left = len(job.mailbox()["Backscatter"])
    nothing = job.undo("--where", 'format == "no such reader"')
    nonsense = job.undo("--where", "subject +")

    assert part.code == 0
    assert 0 < left < whole
    assert (nothing.code, nonsense.code) == (2, 2)
    assert "holds for no message" in nothing.err
    assert len(job.mailbox()["Backscatter"]) == left
    assert job.undo().code == 0
    assert job.mailbox() == before
