"""What a mail admin wants to know of a whole domain: who forges it, who sends the backscatter, and what would help.

Everything is counted from backscatter that was judged so, across all mailboxes of the domain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pandas as pd

from cleanup.detector.networks import organisation, read_address
from cleanup.model import Verdict
from cleanup.report.summary.frames import Frames
from cleanup.report.summary.tables import MOST_BARS, Section, campaigns, cut
from cleanup.report.text import plural, safe_text

WORTH_WRITING_TO = 3  # organisations
EXAMPLES = 5  # in a letter
_IPV4_PREFIX, _IPV6_PREFIX = 24, 48
_LISTED = "dnsbl.backscatterer"


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that would help: of `of` bounces it would have kept away `kept_away`; None where nobody can know."""

    name: str
    kept_away: int | None
    of: int
    says: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A text to paste to the postmaster of an organisation that sends backscatter."""

    organisation: str
    to: str
    text: str


@dataclass(frozen=True, slots=True)
class DomainSummary:
    """One domain of the owners', over the time that the frames cover."""

    domain: str
    mailboxes: int
    backscatter: int
    says: str
    sections: tuple[Section, ...]
    measures: tuple[Measure, ...]
    letters: tuple[Letter, ...]


def by_domain(frames: Frames) -> tuple[DomainSummary, ...]:
    """Return a summary of every domain that was forged, the most forged first."""
    notices = _told(frames)
    found = [_summary(str(domain), ours) for domain, ours in notices.groupby("domain", observed=True)]
    return tuple(sorted((one for one in found if one.backscatter), key=lambda one: -one.backscatter))


def _summary(domain: str, notices: pd.DataFrame) -> DomainSummary:
    forged = notices[notices["verdict"] == Verdict.BACKSCATTER.value]
    sections = (campaigns(notices), _reporters(forged), _networks(forged))
    return DomainSummary(
        domain=domain,
        mailboxes=int(notices["mailbox"].nunique()),
        backscatter=len(forged),
        says=_in_words(domain, forged),
        sections=tuple(section for section in sections if len(section.table)),
        measures=(_dmarc(forged), _tagging(notices, forged), _asking(forged)),
        letters=tuple(_letters(domain, forged)),
    )


def _told(frames: Frames) -> pd.DataFrame:
    """Return the notices with what is asked of them here: domain, reporter, network, saw_fail, listed, own_way."""
    notices = frames.notices
    return notices.assign(
        domain=notices["mailbox"].astype(str).str.rpartition("@")[2] if len(notices) else "",
        reporter=_mapped(notices["reporting_mta"], lambda host: safe_text(organisation(host) or host, limit=80)),
        network=_mapped(notices["trusted_hop"], network_of),
        saw_fail=_spoke(frames, notices, "auth.inner_fail"),
        listed=_spoke(frames, notices, _LISTED),
        own_way=_spoke(frames, notices, "origin.own_host"),
    )


def network_of(host: str) -> str:
    """Return the network of an address (IPv4 /24, IPv6 /48), or the organisation of a host name."""
    address = read_address(host)
    if address is None:
        return safe_text(organisation(host) or host, limit=80)
    prefix = _IPV4_PREFIX if address.version == 4 else _IPV6_PREFIX
    return str(ip_network(f"{address}/{prefix}", strict=False))


def _mapped(column: pd.Series, name: Callable[[str], str]) -> pd.Series:
    words = column.astype(pd.StringDtype())
    names = {word: name(str(word)) for word in words.dropna().unique()}
    return words.map(names).astype(pd.StringDtype())


def _spoke(frames: Frames, notices: pd.DataFrame, rule: str) -> pd.Series:
    return notices["finding_id"].isin(frames.reasons.loc[frames.reasons["rule"] == rule, "finding_id"])


# --- who and where -------------------------------------------------------------------------------------------------


def _reporters(forged: pd.DataFrame) -> Section:
    """Return the organisations that send backscatter, and whether their own servers saw SPF or DMARC fail."""
    grouped = forged.groupby("reporter")
    table = pd.DataFrame(
        {
            "Bounces": grouped.size(),
            "Servers": grouped["reporting_mta"].nunique(),
            "Saw SPF or DMARC fail": grouped["saw_fail"].mean(),
            "Last": grouped["arrived"].max(),
        }
    )
    if forged["listed"].any():
        table["Listed at Backscatterer.org"] = grouped["listed"].any()
    ordered = table.sort_values("Bounces", ascending=False).rename_axis("Organisation").reset_index()
    says = "They took mail for people that do not exist, and told you instead of the sending host."
    says += _not_shown(forged["reporter"], "did not say who sent it")
    return cut("reporters", "Who sends the backscatter", says, ordered, most=MOST_BARS)


def _networks(forged: pd.DataFrame) -> Section:
    grouped = forged.groupby("network")
    table = pd.DataFrame({"Bounces": grouped.size(), "Hosts": grouped["trusted_hop"].nunique()})
    ordered = table.sort_values("Bounces", ascending=False).rename_axis("Network").reset_index()
    says = "The last host that the reporting side itself saw: this line the forger cannot forge."
    says += _not_shown(forged["network"], "did not show that line")
    return cut("networks", "Where the forged mail came from", says, ordered, most=MOST_BARS)


def _not_shown(column: pd.Series, what: str) -> str:
    missing = int(column.isna().sum())
    return f" {plural(missing, 'bounce')} {what}." if missing else ""


# --- what would help -----------------------------------------------------------------------------------------------


def _dmarc(forged: pd.DataFrame) -> Measure:
    seen = int(forged["saw_fail"].sum())
    reporters = forged["reporter"].nunique()
    among = forged.loc[forged["saw_fail"], "reporter"].nunique()
    if not among:
        says = (
            f"Nobody who reported ({plural(reporters, 'organisation')}) wrote down that SPF or DMARC failed, so "
            "we can't tell what DMARC p=reject would stop."
        )
        return Measure("DMARC p=reject", seen, len(forged), says)
    says = (
        f"{among} of {plural(reporters, 'reporting organisation')} wrote down that SPF or DMARC failed, for {seen:,} "
        f"of {plural(len(forged), 'bounce')} ({_percent(seen, len(forged))}): they would have refused this mail under "
        "DMARC p=reject. The others do not say what they saw."
    )
    return Measure("DMARC p=reject", seen, len(forged), says)


def _tagging(notices: pd.DataFrame, forged: pd.DataFrame) -> Measure:
    genuine = notices[notices["verdict"] == Verdict.GENUINE.value]
    elsewhere = int((~genuine["own_way"]).sum())
    lost = "is not known to have left through your own servers; bounces of what leaves elsewhere would be lost."
    if elsewhere and len(genuine) == 1:
        risk = f" The mail that the one genuine bounce answers {lost}"
    elif elsewhere == len(genuine) > 0:
        risk = f" Of {len(genuine):,} genuine bounces, each answers mail that {lost}"
    elif elsewhere:
        risk = f" Of {len(genuine):,} genuine bounces, {elsewhere:,} answer{'s' * (elsewhere == 1)} mail that {lost}"
    elif len(genuine) == 1:
        risk = " The one genuine bounce left through your own servers."
    else:
        risk = f" All {len(genuine):,} genuine bounces left through your own servers." if len(genuine) else ""
    says = (
        "The gateway signs every outgoing envelope sender (BATV) and refuses bounces to unsigned ones before they "
        f"reach a mailbox: all {plural(len(forged), 'bounce')}, as long as all mail leaves through it.{risk}"
    )
    return Measure("Tagged senders (BATV) at the gateway", len(forged), len(forged), says)


def _asking(forged: pd.DataFrame) -> Measure:
    largest = forged["reporter"].value_counts().head(WORTH_WRITING_TO)
    share = int(largest.sum())
    names = ", ".join(str(name) for name in largest.index)
    says = (
        f"{names} sent {share:,} of {plural(len(forged), 'bounce')} ({_percent(share, len(forged))}). Servers that "
        "refuse unknown recipients during the SMTP dialogue send no backscatter; there is a letter for each."
    )
    return Measure("Writing to the postmasters", share if names else None, len(forged), says)


# --- the letters ---------------------------------------------------------------------------------------------------


def _letters(domain: str, forged: pd.DataFrame) -> list[Letter]:
    largest = forged["reporter"].value_counts().head(WORTH_WRITING_TO).index
    return [_letter(domain, str(name), forged[forged["reporter"] == name]) for name in largest]


def _letter(domain: str, name: str, theirs: pd.DataFrame) -> Letter:
    first, last = theirs["arrived"].min(), theirs["arrived"].max()
    examples = "\n".join(
        f"  {row.arrived:%Y-%m-%d %H:%M:%S} UTC  from {_plain(row.reporting_mta)}  for {_plain(row.recipient)}"
        for row in theirs.sort_values("arrived").tail(EXAMPLES).itertuples()
    )
    saw = int(theirs["saw_fail"].sum())
    own_words = (
        f"In {saw:,} of them your own servers had written down that SPF or DMARC failed for {domain}.\n" if saw else ""
    )
    text = (
        f"Subject: Backscatter from your mail servers to {domain}\n\n"
        f"Dear postmaster of {name},\n\n"
        f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC your servers sent\n"
        f"{plural(len(theirs), 'delivery report')} to addresses at {domain}, about mail that we never sent: the\n"
        "sender was forged. The latest were:\n\n"
        f"{examples}\n\n{own_words}"
        "Please have the servers that take mail from the Internet refuse unknown recipients during the SMTP dialogue\n"
        "(a 550 to RCPT TO), rather than accept the mail and report later, and act on DMARC. RFC 5321, section 6.1\n"
        "and 6.2, says why: reports about forged mail reach people who have nothing to do with it.\n\n"
        f"Kind regards\nThe postmaster of {domain}\n"
    )
    return Letter(name, f"postmaster@{name}", text)


def _plain(text: Any) -> str:
    return "-" if pd.isna(text) else safe_text(str(text), limit=120)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "0%"


def _in_words(domain: str, forged: pd.DataFrame) -> str:
    if forged.empty:
        return f"Nobody forged {domain}, as far as the evidence shows."
    people = plural(int(forged["mailbox"].nunique()), "mailbox", "mailboxes")
    first, last = (f"{moment:%Y-%m-%d}" for moment in (forged["arrived"].min(), forged["arrived"].max()))
    span = f"on {first}" if first == last else f"from {first} to {last}"
    servers = plural(int(forged["reporter"].nunique()), "organisation")
    return f"{plural(len(forged), 'forged bounce')} to {people} at {domain} {span}, sent by the servers of {servers}."
