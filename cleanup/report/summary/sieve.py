"""A narrow Sieve rule (RFC 5228) for a forged campaign that is running, tried before it is printed.

It is only ever printed. It ends by itself, needs the empty envelope sender of a bounce, and every fixed part of the
forged subject in the returned message. Strangers wrote that subject: only plain ASCII goes into the rule, quoted.

A rule is tried on whole messages (try_on) or, where there is only the ledger, on stored subjects (try_out). The first
looks where the rule looks. The second does not: a server cannot see through a subject that is encoded or folded, and it
does see the words elsewhere in a message, where the ledger keeps nothing of them.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from cleanup.detector.header import HEADER_END
from cleanup.model import Kind, Verdict
from cleanup.report.summary.frames import Frames
from cleanup.report.text import plural, safe_text

RUNNING = timedelta(hours=24)  # since the last bounce
LIFETIME = timedelta(days=3)
FEWEST = 20  # bounces that make a rule worth its risk
FEWEST_LETTERS = 16  # in the fixed parts together: less is not narrow
SHORTEST_PART, LONGEST_PART = 4, 40  # longer ones are folded over two lines more often
REQUIRE = 'require ["fileinto", "envelope", "body", "date", "relational"];\n\n'
_FIXED = re.compile(r"[ !-~]*[A-Za-z][ !-~]*")
_PUNCTUATION_AT_ENDS = " \t.,:;-"


@dataclass(frozen=True, slots=True)
class Campaign:
    """A forged mailing: the fixed parts of its subject, and how many bounces answered it."""

    key: str
    parts: tuple[str, ...]
    bounces: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rule asks of the body of a message without an envelope sender."""

    parts: tuple[str, ...]
    own_hosts: tuple[str, ...] = ()

    def hold_for(self, raw: bytes) -> bool:
        """Return whether they hold: `body :raw :contains` (RFC 5173) under i;ascii-casemap, so nothing is decoded."""
        body = _body(raw).lower()  # of bytes: ASCII letters alone
        has_all = all(_octets(part) in body for part in self.parts)
        return has_all and not any(_octets(host) in body for host in self.own_hosts)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rule would have caught. `of` are the whole messages it was tried on; None: stored subjects alone."""

    caught: int
    backscatter: int
    genuine: int
    unsure: int
    of: int | None = None

    def in_words(self) -> str:
        """Return "would have caught 4,120 notices, of them 0 genuine and 3 unsure"."""
        caught = plural(self.caught, "notice")
        if self.caught and not self.genuine and not self.unsure:
            return f"would have caught {caught}, none of them genuine or unsure"
        return f"would have caught {caught}, of them {self.genuine:,} genuine and {self.unsure:,} unsure"

    def tried_on(self) -> str:
        """Return "on the 4,210 bounces in the mailbox", or on what else it was tried."""
        return "by the stored subjects" if self.of is None else f"on the {plural(self.of, 'bounce')} in the mailbox"


@dataclass(frozen=True, slots=True)
class SieveRule:
    """A rule and its trial. `text` is a script of it alone, None where the trial forbids it; `refused` says why."""

    campaign: Campaign
    trial: Trial
    text: str | None
    refused: str | None = None


def running_campaigns(frames: Frames, *, now: datetime, within: timedelta = RUNNING) -> tuple[Campaign, ...]:
    """Return the campaigns whose last bounce came `within` this time before `now`, the largest first."""
    running = [campaign for campaign in _campaigns(frames.notices) if now - within <= campaign.last <= now]
    return tuple(sorted(running, key=lambda c: -c.bounces))


def sieve_rule(
    frames: Frames,
    campaign: Campaign,
    *,
    now: datetime,
    folder: str = "Backscatter",
    own_hosts: Sequence[str] = (),
    tried: Trial | None = None,
) -> SieveRule:
    """Return the rule for a campaign after its trial. Notices that name one of `own_hosts` are left alone by it.

    `tried` is its trial on whole messages. A genuine notice that the stored subjects tell of forbids the rule as well:
    the message may have been deleted since.
    """
    stored = try_out(frames, campaign)
    trial = tried or stored
    refused = _why_refused(campaign, trial) or _why_refused(campaign, stored)
    text = None if refused else _text(campaign, trial, now, folder, own_hosts)
    return SieveRule(campaign, trial, text, refused)


def script(rules: Iterable[SieveRule]) -> str:
    """Return one script of all rules that may be used; require stands once, on top (RFC 5228 section 3.2)."""
    texts = [rule.text.removeprefix(REQUIRE) for rule in rules if rule.text is not None]
    return REQUIRE + "\n".join(texts) if texts else ""


def past_rules(frames: Frames) -> tuple[SieveRule, ...]:
    """Return a rule for each campaign of the ledger, as it could have been made at its last bounce, the largest first.

    Own hosts are those that proved bounces came by: all that a ledger knows of them.
    """
    notices = frames.notices
    proved = frames.reasons.loc[frames.reasons["rule"] == "origin.own_host", "finding_id"]
    hosts = notices.loc[notices["finding_id"].isin(proved), "trusted_hop"].dropna().astype(str)
    own = tuple(sorted(hosts.unique()))
    found = sorted(_campaigns(notices), key=lambda campaign: -campaign.bounces)
    return tuple(sieve_rule(frames, one, now=one.last, own_hosts=own) for one in found)


def try_on(
    messages: Iterable[tuple[str, bytes]], frames: Frames, campaigns: Sequence[Campaign], own_hosts: Sequence[str] = ()
) -> tuple[Trial, ...]:
    """Return for each campaign what its rule would have caught of messages without an envelope sender.

    Each message comes with its digest, by which the ledger knows the verdict. One that no run has judged counts as
    unsure.
    """
    verdicts = dict(zip(frames.notices["digest"], frames.notices["verdict"].astype(str), strict=True))
    rules = [Conditions(campaign.parts, tuple(own_hosts)) for campaign in campaigns]
    counts: list[Counter[str]] = [Counter() for _ in campaigns]
    tried = 0
    for digest, raw in messages:
        tried += 1
        for rule, count in zip(rules, counts, strict=True):
            if rule.hold_for(raw):
                count[verdicts.get(digest, Verdict.UNSURE.value)] += 1
    return tuple(_trial(count, tried) for count in counts)


def try_out(frames: Frames, campaign: Campaign) -> Trial:
    """Return what the rule would have caught by the subjects of all notices in the frames, own hosts not looked at."""
    notices = frames.notices
    subjects = notices["original_subject"].astype(pd.StringDtype()).fillna("").str.lower()
    caught = notices["kind"].eq(Kind.NDR.value)
    for part in campaign.parts:
        caught &= subjects.str.contains(part.lower(), regex=False).astype(bool)
    return _trial(Counter(notices.loc[caught, "verdict"].astype(str)))


# --- pieces --------------------------------------------------------------------------------------------------------


def _campaigns(notices: pd.DataFrame) -> list[Campaign]:
    """Return the forged campaigns that are large enough for a rule."""
    forged = notices[(notices["verdict"] == Verdict.BACKSCATTER.value) & notices["campaign"].notna()]
    found = [_campaign(str(key), rows) for key, rows in forged.groupby("campaign", observed=True)]
    return [campaign for campaign in found if campaign.bounces >= FEWEST]


def _trial(count: Mapping[str, int], of: int | None = None) -> Trial:
    by_word = {verdict: count.get(verdict.value, 0) for verdict in Verdict}
    caught = sum(by_word.values())
    return Trial(caught, by_word[Verdict.BACKSCATTER], by_word[Verdict.GENUINE], by_word[Verdict.UNSURE], of)


def _body(raw: bytes) -> bytes:
    end = HEADER_END.search(raw)
    return raw[end.end() :] if end else b""


def _octets(text: str) -> bytes:
    return text.lower().encode("utf-8", "replace")


def _campaign(key: str, rows: pd.DataFrame) -> Campaign:
    return Campaign(
        key=key,
        parts=fixed_parts(key),
        bounces=len(rows),
        first=rows["arrived"].min().to_pydatetime(),
        last=rows["arrived"].max().to_pydatetime(),
    )


def fixed_parts(template: str) -> tuple[str, ...]:
    """Return the parts of a subject template that stay the same: between its numbers ("#"), plain ASCII only."""
    pieces = (found.strip(_PUNCTUATION_AT_ENDS) for part in template.split("#") for found in _FIXED.findall(part))
    return tuple(dict.fromkeys(piece[:LONGEST_PART].rstrip() for piece in pieces if len(piece) >= SHORTEST_PART))


def _why_refused(campaign: Campaign, trial: Trial) -> str | None:
    if sum(len(part) for part in campaign.parts) < FEWEST_LETTERS:
        return "The forged subjects have too little in common for a narrow rule."
    if trial.genuine:
        return (
            f"Tried {trial.tried_on()}, it {trial.in_words()}: a rule that catches one genuine bounce is not offered."
        )
    if trial.of is not None and not trial.backscatter:
        return f"Tried {trial.tried_on()}, it would have caught no backscatter: the words stand there in another form."
    return None


def _text(campaign: Campaign, trial: Trial, now: datetime, folder: str, own_hosts: Sequence[str]) -> str:
    until = f"{now + LIFETIME:%Y-%m-%d}"
    tests = [f'currentdate :zone "+0000" :value "lt" "date" {_quoted(until)}', 'envelope :is "from" ""']
    tests += [f"body :raw :contains {_quoted(part)}" for part in campaign.parts]
    tests += [f"not body :raw :contains {_quoted(host)}" for host in own_hosts]
    joined = ",\n          ".join(tests)
    says = (
        f"Made by mailbox-cleanup on {now:%Y-%m-%d %H:%M} UTC for {plural(campaign.bounces, 'bounce')} since "
        f"{campaign.first:%Y-%m-%d %H:%M} UTC.",
        f"Tried {trial.tried_on()}, it {trial.in_words()}.",
        "(Subjects that are encoded or folded in the returned message are left alone.)",
        f"It ends by itself on {until}. Take it out then.",
    )
    comments = "".join(f"# {line}\n" for sentence in says for line in textwrap.wrap(sentence, 76))
    return f"{REQUIRE}{comments}if allof({joined})\n{{\n    fileinto {_quoted(folder)};\n    stop;\n}}\n"


def _quoted(text: str) -> str:
    """Return a Sieve string (RFC 5228 section 2.4.2): on one line, backslash and quote escaped."""
    safe = safe_text(text, limit=200).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"'
