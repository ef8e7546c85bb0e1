"""What became of moves, by looking; what was only copied is finished then: the one place where anything is expunged.

A COPY leaves a message in both folders. Only what was seen whole at the target, byte for byte, is removed from the
source, by its UID, and only once it is clear that the server marks and expunges nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cleanup.connector.mailbox import Mailbox
from cleanup.connector.questions import Bodies, Examine, Fingerprints, Question, Select, StillThere, Uids
from cleanup.errors import CommandRefused, FolderNotFound, PermissionMissing
from cleanup.ledger import MoveRecord, MoveState
from cleanup.report.filing.journal import Journal, MoveOutcome
from cleanup.report.filing.verify import DELETED, Connection, has_mark, likeness, look_for
from cleanup.report.text import plural

LARGEST = 1 << 20  # bytes of a message that are compared
MOST_NAMED = 10
NO_MESSAGE = 1000  # so far above the next UID nothing is numbered yet
NONE_GONE: frozenset[int] = frozenset()
MOST_AT_ONCE = 3  # messages that you mark as deleted in the moment in which one is moved


def reconcile(
    records: Sequence[MoveRecord],
    connection: Connection,
    journal: Journal,
    copyuid: Mapping[int, int] | None = None,
    *,
    others_from: int | None = None,
    by_looking_alone: bool = False,
) -> list[MoveOutcome]:
    """Return what became of moves between two folders, by looking; what is in both folders is finished first.

    `copyuid` is what the server said of them: the UID at the target by that at the source (RFC 4315 section 3).
    `others_from`: from which UID on the source's other messages will be looked at next. Looking and finishing may be
    repeated, so a broken connection is renewed. `by_looking_alone`: nothing is finished. Raises the last error where
    that fails; then the lines stay open in the journal.
    """

    def looked_and_finished(mailbox: Mailbox) -> list[MoveOutcome]:
        outcomes = look_for(records, mailbox, journal, copyuid or {})
        both = [one for one in outcomes if one.is_in_both]
        if not both or by_looking_alone:
            return outcomes
        why_not, copies_gone = _finish(both, connection, journal, expected(records, others_from=others_from))
        tried, now = {one.record.move_id for one in both}, list[MoveOutcome]()
        for one in look_for(records, mailbox, journal, copyuid or {}):
            note = None
            if one.is_in_both:
                note = why_not or "in both folders: the server did not remove it"
            elif one.state is MoveState.KEPT and one.record.move_id in tried:  # its copy is gone again
                note = why_not
            left_alone = one.state is MoveState.KEPT and one.record.move_id in copies_gone
            now.append(_left_alone(one) if left_alone else one.with_note(note) if note else one)
        return now

    return connection.reconnecting(looked_and_finished)


def _left_alone(one: MoveOutcome) -> MoveOutcome:
    """Return the outcome for an original that stays, as its copy was gone before it could be removed.

    Taking the copy out of the folder at once is your word on the message, as if you had moved it back.
    """
    intent = one.record.intent
    state = MoveState.RETURNED if intent.undoes is None else MoveState.KEPT
    note = f"its copy in {intent.target} was moved or deleted at the same moment, so it stays in {intent.source}"
    return replace(one, state=state, note=note, copy_gone=True)


def expected(records: Sequence[MoveRecord], *, others_from: int | None = None) -> tuple[Question[Any], ...]:
    """Return what reconcile() will ask, if each message got the next number of the target."""
    first, uids = records[0].intent, [record.intent.uid for record in records]
    arrived = range(first.target_uidnext, first.target_uidnext + len(records))
    return (
        Examine(first.target),
        Uids(first.target, first.target_uidnext),
        Fingerprints(first.target, arrived),
        Examine(first.source),
        StillThere(first.source, uids),
        *(() if others_from is None else (Uids(first.source, others_from),)),
    )


# --- the second half of a COPY -------------------------------------------------------------------------------------


def _finish(
    both: Sequence[MoveOutcome], connection: Connection, journal: Journal, then: Sequence[Question[Any]]
) -> tuple[str | None, frozenset[int]]:
    """Remove from the source what was just seen whole at the target; return why it could not be done.

    And the moves of which the copy was gone again before the original was removed, which therefore stays. UID EXPUNGE
    names exactly these messages: a plain EXPUNGE would take along what you marked as deleted.
    """
    mailbox, first = connection.mailbox, both[0].record.intent
    source = first.source
    if not mailbox.can_uid_expunge:
        return "in both folders, and the server cannot expunge by UID", NONE_GONE
    intents = {one.record.intent.uid: one.record.intent for one in both}
    opening, looks, gone = Select(source), Fingerprints(source, sorted(intents)), NONE_GONE
    mailbox.send_ahead(opening, looks)
    try:  # the source is opened anew even where it is open: only so does the server tell its UIDVALIDITY of now
        if mailbox.ask(opening).uidvalidity != first.source_uidvalidity:
            return f"in both folders, and {source} was renumbered meanwhile", NONE_GONE
        seen = mailbox.ask(looks)
        same = [uid for uid, s in sorted(seen.items()) if uid in intents and s.fingerprint == intents[uid].fingerprint]
        whole = _copied_whole(mailbox, [one for one in both if one.record.intent.uid in same])
        # comparing looked at both folders, so the source is opened for changes once more
        if whole and mailbox.select(source).uidvalidity == first.source_uidvalidity:
            compared = [one for one in both if one.record.intent.uid in whole]
            marked, why_not = _mark_originals(connection, journal, compared)
            if why_not:
                return why_not, NONE_GONE
            gone = frozenset(one.record.move_id for one in compared if one.record.intent.uid not in marked)
            if marked:
                mailbox.uid_expunge(marked, then=then)
        if len(whole) < len(same):
            copies = {one.record.intent.uid: one.target_uid or 0 for one in both}
            odd = ", ".join(str(copies[uid]) for uid in sorted(set(same) - set(whole))[:MOST_NAMED])
            return f"in both folders, and the copy is not the same message (in {first.target}: UID {odd})", gone
    except (CommandRefused, PermissionMissing) as error:
        why = f"in both folders, and the server refuses to remove it from {source}: {error.why or error.what}"
        return why, gone
    return None, gone


def _mark_originals(
    connection: Connection, journal: Journal, whole: Sequence[MoveOutcome]
) -> tuple[list[int], str | None]:
    r"""Mark originals as \Deleted; return those that may be expunged, or why none may, the marks taken off again.

    An original of which the copy is gone by now is the last one there is, as far as we know: it is not among them.
    Where the mark shows at the copy, too, both are one message under two names. Where the server marked more than it
    was told to, it may expunge more, too. Where you have marked others, it is tried first whether it spares them.
    """
    mailbox, first = connection.mailbox, whole[0].record.intent
    copies = {one.record.intent.uid: one.target_uid or 0 for one in whole}
    uids, marked_before = sorted(copies), set(mailbox.deleted(first.source))
    yours = marked_before - set(uids)
    if yours and not connection.expunges_by_name:
        if ours := marked_before - yours:  # a run was killed here
            mailbox.change_flags(sorted(ours), remove=[DELETED])
        if why_not := _try_uid_expunge(mailbox, journal, whole, len(yours)):
            return [], why_not
        connection.expunges_by_name = True
    # A copy that bears the mark already cannot show whether marking the original marks it.
    mailbox.examine(first.target)
    came_marked = [uid for uid, flags in mailbox.flags(sorted(copies.values())).items() if has_mark(flags)]
    if came_marked:  # another machine had marked the original, or a run was killed: no copy keeps that mark
        mailbox.select(first.target)
        mailbox.change_flags(sorted(came_marked), remove=[DELETED])
    if mailbox.select(first.source).uidvalidity != first.source_uidvalidity:
        return [], f"in both folders, and {first.source} was renumbered meanwhile"
    mailbox.mark_deleted(uids)
    # RFC 4315 section 2.1: UID EXPUNGE takes what is both named and marked. A server that marks more than it was told
    # to reads sets wrongly, and would expunge by the same reading.
    more = set(mailbox.deleted(first.source)) - marked_before - set(uids)
    if len(more) > MOST_AT_ONCE:
        mailbox.change_flags(sorted({*more, *uids}), remove=[DELETED])
        return [], (
            f"in both folders: the server was told to mark {len(uids):,} of {first.source} as deleted and marked "
            f"{len(more):,} more, so the marks were taken off again and nothing was expunged"
        )
    shown: Mapping[int, tuple[str, ...]] = {}
    try:
        mailbox.examine(first.target)
        shown = mailbox.flags(sorted(copies.values()))
        amiss = any(has_mark(flags) for flags in shown.values())
        why_not = f"{first.source} and {first.target} show one and the same message, or somebody is deleting it"
    except (CommandRefused, FolderNotFound) as error:
        amiss, why_not = True, f"in both folders, and {first.target} cannot be looked at: {error}"
    if mailbox.select(first.source).uidvalidity != first.source_uidvalidity:
        return [], f"in both folders, and {first.source} was renumbered meanwhile"
    safe = [] if amiss else [uid for uid in uids if copies[uid] in shown]
    if others := sorted(set(uids) - set(safe)):
        mailbox.change_flags(others, remove=[DELETED])
    return safe, why_not if amiss else None


def _try_uid_expunge(mailbox: Mailbox, journal: Journal, whole: Sequence[MoveOutcome], yours: int) -> str | None:
    r"""Return why UID EXPUNGE must not be used in a folder in which you have marked messages; None: it may be.

    A server that ignores its set would take yours along, and that cannot be tried on them. So it is tried at the
    target, on a copy of which the original is still at the source: marked, the copy has to outlast an UID EXPUNGE that
    names a number which nothing has. Left marked by a kill, it gets the mark taken off when the move is finished.
    Where you have marked messages at the target, too, it cannot be tried: then it counts that moves were seen to work.
    """
    first, original, copy = whole[0].record.intent, whole[0].record.intent.uid, whole[0].target_uid or 0
    state = mailbox.select(first.target)
    seen = mailbox.fingerprints(first.target, [copy]).get(copy)
    if seen is None or likeness(seen.fingerprint) != likeness(first.fingerprint):
        return f"in both folders, and {first.target} was renumbered meanwhile"
    if others := set(mailbox.deleted(first.target)) - {one.target_uid for one in whole}:
        if journal.has_moved():
            return None
        return (
            f"in both folders: {plural(yours, 'other message')} in {first.source} and {len(others):,} in "
            f"{first.target} are marked as deleted, so it cannot be tried out whether the server would expunge those, "
            f"too, and nothing was expunged; it can be once nothing in {first.target} bears that mark"
        )
    mailbox.mark_deleted([copy])
    amiss = None
    if copy not in mailbox.deleted(first.target):
        amiss = f"in both folders, and the server does not mark messages in {first.target} as deleted"
    elif original in mailbox.deleted(first.source):
        amiss = f"{first.source} and {first.target} show one and the same message, or somebody is deleting it"
    mailbox.select(first.target)
    if amiss is None:
        with suppress(CommandRefused):  # one that refuses a number that nothing has looks at its set
            mailbox.uid_expunge([max(state.uidnext, copy) + NO_MESSAGE])
        if not mailbox.still_there(first.target, [copy]):  # so your marked messages in the source would go, too
            return (
                f"the server expunged in {first.target} what it was not told to. That was tried out on our own copy, "
                f"as {plural(yours, 'other message')} in {first.source} {'is' if yours == 1 else 'are'} marked as "
                f"deleted; so nothing was expunged from {first.source}"
            )
    mailbox.change_flags([copy], remove=[DELETED])
    return amiss


def _copied_whole(mailbox: Mailbox, both: Sequence[MoveOutcome]) -> list[int]:
    """Return which messages have a copy that holds the same, byte for byte: of a large one, its first MiB.

    Size and header may be an index's word. The source is opened again right behind: little time is left for somebody to
    take the copy away.
    """
    if not both:
        return []
    first = both[0].record.intent
    here = {one.record.intent.uid: one.record.intent.fingerprint.size for one in both}
    there = {one.target_uid or 0: one.record.intent.fingerprint.size for one in both}
    originals = Bodies(first.source, sorted(here), LARGEST, here)
    copies = Bodies(first.target, sorted(there), LARGEST, there)
    mailbox.send_ahead(originals, copies, Select(first.source))
    # digests alone are kept: a batch of large messages would fill the memory twice
    original, copied = (
        {uid: hashlib.sha256(content).digest() for uid, content in mailbox.ask(bodies)}
        for bodies in (originals, copies)
    )
    pairs = [(one.record.intent.uid, one.target_uid or 0) for one in both]
    return sorted(uid for uid, copy in pairs if uid in original and original[uid] == copied.get(copy))
