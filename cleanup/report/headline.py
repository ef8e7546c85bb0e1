"""The sentence on top: hacked or spoofed? Of one mailbox it speaks to its owner, of many to who looks after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from cleanup.detector.account_state import Answer, advice
from cleanup.report.words import plural

NAMED = 3  # mailboxes in a sentence
_SEVERITY = {answer.value: place for place, answer in enumerate(Answer)}
_FORGED = (
    "not hacked, as far as the evidence shows: "
    "{bounces} answered mail that never passed your server and is not in Sent."
)
_ONE_FORGED = "Your address is being forged; your account is " + _FORGED
_OF_MANY: Mapping[Answer, str] = {
    Answer.COMPROMISED: "Somebody is sending through your mail server as the owner of {who}.",
    Answer.REPLAYED: "Somebody is sending mail of {who} again to strangers. No account is needed for that.",
    Answer.LOOP: "A forwarding rule in {who} passes mail on to an address that does not exist.",
    Answer.GAP: "Bounced mail of {who} left by your own server and is not in Sent.",
    Answer.SPOOFED: "Somebody forges the addresses of {who}; the accounts are " + _FORGED,
    Answer.OWN_MAILING: "Nobody is forged: the bounces in {who} answer a mailing of the owner's own.",
    Answer.CANNOT_SAY: "The evidence does not say whether somebody forges {who}.",
    Answer.QUIET: "Nothing points to a hacked or forged address in {who}.",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The most alarming answer of any run, in words, and what to do about it."""

    answer: Answer
    text: str
    to_do: tuple[str, ...] = ()


def headline(runs: pd.DataFrame, backscatter: int, undelivered: int = 0) -> Headline:
    """Return the most alarming answer of any of the runs, and how many bounces of own mail are `undelivered` beside it.

    Of one mailbox in the words of the run that saw the most of it. Of several in words that say how many it holds for
    and name the first of them. `backscatter` counts the notices of all of them that were last judged so.
    """
    if runs.empty:
        return Headline(Answer.QUIET, "No run has looked at a mailbox yet.", _BEGIN)
    said = runs[runs["answer"].notna()]
    if said.empty:
        return Headline(Answer.QUIET, "Nothing new was found.")
    worst = _worst_of_each(said)
    if len(worst) == 1:
        found = _of_one(worst.iloc[0], backscatter)
        return replace(found, text=found.text + _between(found.answer, undelivered, "your own mail that did"))
    answers = {str(mailbox): Answer(answer) for mailbox, answer in zip(worst["mailbox"], worst["answer"], strict=True)}
    forged = said.loc[said["answer"].astype(str) == Answer.SPOOFED.value, "mailbox"].nunique()
    found = of_many(answers, int(forged), backscatter)
    return replace(found, text=found.text + _between(found.answer, undelivered, "their own mail that did"))


def of_many(answers: Mapping[str, Answer], forged: int, backscatter: int) -> Headline:
    """Return what is most alarming in several mailboxes, given the worst answer of each, in the order of naming.

    `forged` of them had a run that found them forged, which another answer does not hide.
    """
    worst = min(answers.values(), key=lambda answer: _SEVERITY[answer.value])
    these = [mailbox for mailbox, answer in answers.items() if answer is worst]
    bounces = plural(backscatter, "bounce")
    text = _OF_MANY[worst].format(who=_who(these, len(answers)), bounces=bounces)
    if forged and worst is not Answer.SPOOFED:
        text += f" Besides, somebody forges the addresses of {_how_many(forged, len(answers))} ({bounces})."
    return Headline(worst, text, _for_each(worst, these))


# --- pieces --------------------------------------------------------------------------------------------------------

_BEGIN = ("Let it look, without changing anything: mailbox-cleanup scan MAILBOX",)
_FOR_ALL = (Answer.SPOOFED, Answer.QUIET)  # advice that needs no name


def _worst_of_each(said: pd.DataFrame) -> pd.DataFrame:
    """Return for each mailbox the run with its most alarming answer that saw the most; who was forged most is first."""
    ranked = said.assign(severity=said["answer"].astype(str).map(_SEVERITY))
    ranked = ranked.sort_values(["severity", "notices", "run_id"], ascending=[True, False, False])
    return ranked.drop_duplicates("mailbox")


def _of_one(run: pd.Series, backscatter: int) -> Headline:
    answer = Answer(str(run["answer"]))
    if answer is Answer.SPOOFED and backscatter:
        return Headline(answer, _ONE_FORGED.format(bounces=plural(backscatter, "bounce")), advice(answer))
    return Headline(answer, str(run["headline"]), advice(answer))


def _between(answer: Answer, undelivered: int, of: str) -> str:
    """Return the sentence on what must not be overlooked in a flood of forged bounces."""
    if answer is not Answer.SPOOFED or not undelivered:
        return ""
    verb = "is" if undelivered == 1 else "are"
    return f" Between them {verb} {plural(undelivered, 'bounce')} of {of} not arrive."


def _who(these: Sequence[str], of: int) -> str:
    """Return "2 of 12 mailboxes (anna@example.org, ben@example.org)"; of all of them just how many they are."""
    names = "" if len(these) == of else f" ({_names(these)})"
    return _how_many(len(these), of) + names


def _how_many(these: int, of: int) -> str:
    if these == of:
        return f"{'both' if of == 2 else f'all {of:,}'} mailboxes"
    return f"{these:,} of {of:,} mailboxes"


def _names(these: Sequence[str]) -> str:
    more = f" and {len(these) - NAMED:,} more" if len(these) > NAMED else ""
    return ", ".join(these[:NAMED]) + more


def _for_each(answer: Answer, these: Sequence[str]) -> tuple[str, ...]:
    if answer in _FOR_ALL:
        return advice(answer)
    return tuple(f"{_names(these)}: {line[0].lower()}{line[1:]}" for line in advice(answer))
