"""What every database must do with the memory of a mailbox; run on SQLite and on PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from cleanup.detector.sent import InboxClue, MemorySentIndex
from cleanup.ledger import Ledger, MoveState, schema
from cleanup.ledger.migrations import STEPS
from cleanup.ledger.sync_state import Memory
from cleanup.ledger.values import InboxRow, KeptNotice, Remembered, SentQuery, Stretches
from cleanup.model import SentMessage, Verdict
from tests.ledger.some import MAILBOX, NOON, a_fingerprint, a_judged, an_intent

DAY = timedelta(days=1)


def sent(uid: int, to: str = "bob@far.test", **changes: object) -> SentMessage:
    values: dict[str, object] = {
        "message_id": f"{uid}@example.org",
        "from_address": MAILBOX,
        "from_name": "Anna\0 \udcff",
        "recipients": (to,),
        "subject": f"Re: the harvest {uid}",
        "date": NOON - (100 - uid) * DAY,
    }
    return SentMessage("Sent", uid, **{**values, **changes})  # type: ignore[arg-type]


def filled(ledger: Ledger, messages: int = 40) -> Memory:
    memory = ledger.memory(MAILBOX)
    memory.add_sent(memory.begin("Sent", 7, is_sent=True), [sent(uid) for uid in range(1, messages + 1)], messages + 1)
    return memory


def places(memory: Memory, **asked: object) -> list[int]:
    return sorted(uid for uids in memory.answers(SentQuery(**asked)).there.values() for uid in uids)  # type: ignore[arg-type]


def check_that_cursors_and_rules_come_back(ledger: Ledger) -> None:
    memory = filled(ledger)
    memory.remember(Remembered("reader", "rules", 3, {"unsure": 2}))

    again = ledger.memory(MAILBOX)

    assert again.remembered() == Remembered("reader", "rules", 3, {"unsure": 2})
    assert (again.cursors()["Sent"].uidnext, again.cursors()["Sent"].held) == (41, 40)
    assert again.profile().messages == 40
    assert ledger.memory("other@example.org").remembered() is None


def check_that_sent_mail_is_found(ledger: Ledger) -> None:
    memory = filled(ledger)
    bob = Stretches({(NOON - 95 * DAY, NOON - 90 * DAY)}, {(NOON - 81 * DAY, NOON - 79 * DAY)})

    assert places(memory, ids=frozenset({"9@example.org", "9@elsewhere.test"})) == [9]
    assert places(memory, people={"bob@far.test": bob}) == [5, 19, 20, 21, 40]
    assert places(memory, people={"eve@far.test": bob}) == []


def check_that_what_was_read_of_a_notice_is_kept_for_its_reader(ledger: Ledger) -> None:
    memory = ledger.memory(MAILBOX)
    inbox = memory.begin("INBOX", 3, is_sent=False)
    odd = replace(a_judged(8).notice, subject="\0 \udcff \u2028 Zurück", date=NOON.replace(tzinfo=None))
    odd = replace(odd, returned=(replace(odd.returned[0], raw=b"bytes", headers=(("To", "a"), ("X", "\udc80"))),))
    one, other = (KeptNotice(uid, a_fingerprint(uid), ("\\Seen",), False, odd) for uid in (7, 8))
    memory.keep_notices(inbox, "this reader", [one, other])

    again = ledger.memory(MAILBOX)

    kept = again.kept_notices(inbox, "this reader")
    lean = replace(odd, returned=(replace(odd.returned[0], raw=None),))
    assert kept == {7: replace(one, notice=lean), 8: replace(other, notice=lean)}
    assert again.kept_notices(inbox, "another reader") == {}
    again.vanished(inbox, [7])
    assert list(again.kept_notices(inbox, "this reader")) == [8]
    again.retire(["INBOX"])
    assert again.kept_notices(inbox, "this reader") == {}


def check_that_what_was_read_of_sent_mail_is_kept_while_it_is_asked_about(ledger: Ledger) -> None:
    memory = filled(ledger)
    memory.keep_sent([sent(uid) for uid in (3, 9, 30)], "reader")

    assert memory.kept_sent({"Sent": [3, 9, 10]}, "reader") == [sent(3), sent(9)]
    assert memory.kept_sent({"Sent": [3, 9, 30]}, "reader") == [sent(3), sent(9)]
    memory.keep_sent([sent(3, message_id="other@example.org")], "reader")
    assert memory.kept_sent({"Sent": [3, 9]}, "reader") == []
    memory.keep_sent([sent(9)], "reader")
    memory.vanished(memory.cursors()["Sent"], [9])
    assert memory.kept_sent({"Sent": [9]}, "reader") == []


def check_that_of_a_common_subject_those_to_the_recipient_are_found(ledger: Ledger) -> None:
    memory = ledger.memory(MAILBOX)
    hello = [sent(uid, "eve@far.test" if uid in (33, 44) else "bob@far.test", subject="Hello") for uid in range(1, 61)]
    memory.add_sent(memory.begin("Sent", 7, is_sent=True), hello, 61)

    found = places(memory, subjects=frozenset({"hello"}), people={"eve@far.test": Stretches()})

    assert found == [*range(1, 21), 33, 44]


def check_that_the_gone_are_found_for_a_while(ledger: Ledger) -> None:
    memory = filled(ledger)
    memory.vanished(memory.cursors()["Sent"], [9, 30])

    answer = memory.answers(SentQuery(ids=frozenset({"9@example.org"}), people={"bob@far.test": Stretches()}))

    assert [(one.message_id, one.recipients) for one in answer.gone] == [("9@example.org", ("bob@far.test",))]
    assert memory.cursors()["Sent"].held == 38
    memory.forget_the_gone(NOON - 80 * DAY)
    assert not memory.answers(SentQuery(ids=frozenset({"9@example.org"}))).gone
    assert memory.answers(SentQuery(ids=frozenset({"30@example.org"}))).gone


def check_that_a_folder_read_anew_leaves_nothing_double(ledger: Ledger) -> None:
    memory = filled(ledger)
    again = memory.begin("Sent", 8, is_sent=True)
    memory.add_sent(again, [sent(uid) for uid in range(1, 31)], 31)

    memory.forget_the_gone(NOON - 200 * DAY)

    found = memory.answers(SentQuery(ids=frozenset(f"{uid}@example.org" for uid in range(1, 41))))
    assert (len(found.there["Sent"]), len(found.gone)) == (30, 10)


def check_that_completeness_is_measured_as_the_detector_does(ledger: Ledger) -> None:
    memory = filled(ledger)
    clues = [
        InboxClue(f"r{n}@far.test", (f"{n}@example.org",), "bob@far.test", (MAILBOX,), NOON - DAY)
        for n in range(30, 50)
    ]
    clues += [InboxClue("41@example.org", (), "bob@far.test", (MAILBOX,)), InboxClue("3@example.org", (), MAILBOX, ())]
    clues += [clues[0], InboxClue(None, ("45@example.org",), "bob@far.test", (MAILBOX, "c@d.test"))]
    inbox = memory.begin("INBOX", 1, is_sent=False)
    memory.add_inbox(inbox, [InboxRow(uid, False, clue) for uid, clue in enumerate(clues, 1)], 100)

    index = MemorySentIndex.build([sent(uid) for uid in range(1, 41)], (), now=NOON, inbox=clues)

    proofs = memory.proofs(inbox, memory.profile())
    assert index.coverage.with_proofs(()).proofs == type(index.coverage)().with_proofs(proofs).proofs != ()
    assert memory.last_mail(inbox, NOON) == NOON - DAY
    assert memory.profile() == index.profile


def check_that_who_is_forgotten_is_forgotten_here_too(ledger: Ledger) -> None:
    from cleanup.ledger.retention import forget

    memory = filled(ledger)
    forget(ledger, MAILBOX)

    assert memory.cursors() == {}
    assert places(memory, ids=frozenset({"9@example.org"})) == []


def check_that_a_copy_holds_what_a_dry_run_asks_for_and_leaves_the_ledger_alone(ledger: Ledger) -> None:
    dora = "dora@example.org"
    run = ledger.start_run(dora, "run", options={"x": 1})
    told = a_judged(7)
    mailing = replace(told.notice.returned[0], subject="Your parcel waits for you at the depot today")
    ledger.record_findings(run, [replace(told, notice=replace(told.notice, returned=(mailing,))), a_judged(8)])
    moves = ledger.intend(run, [an_intent(7), an_intent(9)])
    ledger.label(dora, a_judged(7).fingerprint.digest, Verdict.GENUINE, said_by="review")
    ledger.memory(dora).begin("INBOX", 11, is_sent=False)
    words = ledger.labels(dora)

    with closing(ledger.copied("Dora@Example.org")) as copy:
        assert len(words) == 2  # of the message, and of its mailing, which the findings tell
        assert (copy.labels(dora), copy.open_moves(dora), copy.mailboxes()) == (words, moves, [dora])
        assert copy.memory(dora).cursors() == ledger.memory(dora).cursors()
        copy.advance([(one.move_id, MoveState.KEPT, None, None) for one in moves])
        assert copy.open_moves(dora) == []
    assert ledger.open_moves(dora) == moves


def check_that_a_mailbox_of_two_spellings_becomes_one(ledger: Ledger) -> None:
    run = ledger.start_run("emil@example.org", "run")
    for name in ("emil@example.org", "emily@example.org"):
        ledger.label(name, "d1", Verdict.UNSURE, said_by="undo")
        memory = ledger.memory(name)
        memory.add_sent(memory.begin("Sent", len(name), is_sent=True), [sent(len(name))], 60)
        memory.remember(Remembered("reader", "rules", len(name), {}))
    with ledger.engine.begin() as connection:
        for table in (schema.labels, schema.memories, schema.cursors):
            upper = update(table).where(table.c.mailbox == "emily@example.org").values(mailbox="EMIL@example.org")
            connection.execute(upper)
    assert {"EMIL@example.org", "emil@example.org"} <= set(ledger.mailboxes())

    with ledger.engine.begin() as connection:
        STEPS[4](connection)

    memory = ledger.memory("Emil@example.org")
    assert "EMIL@example.org" not in ledger.mailboxes()
    assert [one.run_id for one in ledger.runs("EMIL@example.org")] == [run]
    assert memory.remembered() == Remembered("reader", None, 17, {})
    assert memory.cursors()["Sent"].uidvalidity == 17
    assert [one.uid for one in memory.answers(SentQuery(frozenset({"16@example.org"}))).gone] == [16]
    assert places(memory, ids=frozenset({"17@example.org"})) == [17]


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_that")]
