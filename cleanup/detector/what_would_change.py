"""What would change a verdict, in plain words: for `explain`."""

from __future__ import annotations

from cleanup.model import Finding, Strength, Verdict

_BY_ROW = {
    "a-person-said-so": (
        "Another word of a person: `mailbox-cleanup labels import FILE`.",
        "Where an undo put it back: `mailbox-cleanup run MAILBOX --again` files it, if the evidence says so.",
    ),
    "no-sent-given": ("The sent mail: name where it is (--sent, or --sent-folder on a server).",),
    "id-was-stolen": ("A recipient, or subject and Date, that agree with the sent message of that id.",),
    "proved-genuine": ("Nothing short of a person's label.",),
    "sent-cannot-vouch": (
        "A Sent folder that is read whole, has no hole and reaches back to the time of the message.",
        "Your word on how far Sent is complete (--sent-complete-since).",
    ),
    "nothing-to-compare": ("A notice that returns an id, a header or a Date; you may label this one.",),
    "disproved-twice": (
        "A message in Sent, or in another folder of sent mail, with this id or this recipient, subject and Date.",
        "Naming the host that handed it over as one of yours (--outbound-host).",
    ),
    "disproved-once": ("A second hard disproof, such as a foreign path; `--policy storm` files it as it is.",),
    "in-a-storm": ("A person's word on the whole campaign; `--policy storm` files it as it is.",),
    "one-family-against": (
        "A disproof from a second family. If your outbound hosts are not known, name them (--outbound-host).",
    ),
    "not-enough-evidence": ("Knowing your outbound hosts (--outbound-host) and a Sent folder that can vouch.",),
    "a-person-denied-its-sender": ("Your word that the host which sent it is a service of yours.",),
    "address-never-used": ("A message in Sent that was written as this address, or an alias that leads to it.",),
    "too-hostile-to-read": ("Nothing; look at it with care.",),
    "follows-the-failed-one": ("Whatever changes the failure report of the same message.",),
}


def what_would_change(finding: Finding) -> tuple[str, ...]:
    """Return, a sentence each, what would lead to another verdict on this notice."""
    if finding.row == "hint-of-the-contrary":
        return tuple(f"Without this it might be decided: {says}" for says in _what_spares(finding))
    return _BY_ROW.get(finding.row, ("A person's label.",))


def _what_spares(finding: Finding) -> list[str]:
    counting = [r for r in finding.reasons if r.strength is not Strength.NOTE]
    silent = ("sent.unusable", "sent.cannot_vouch")
    return [r.says for r in counting if r.points_to is not Verdict.BACKSCATTER and r.rule not in silent]
