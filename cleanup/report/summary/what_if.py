"""What other settings would have decided: stored reasons judged again by the detector's own POLICY, without any mail.

A family that is switched off loses its reasons; `without` drops single rules. What the ledger does not hold stays as it
was found: thresholds that rules apply when they look (dates, completeness), storms and campaigns, and which failure
report a delay notice follows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from cleanup.detector.coverage import Coverage
from cleanup.detector.evidence.question import Known, Question
from cleanup.detector.owner import know_owner
from cleanup.detector.policy import Evidence, decide
from cleanup.detector.sent import Profile, SentRows
from cleanup.model import (
    Extent,
    Family,
    Finding,
    Fingerprint,
    Identity,
    Judged,
    Kind,
    MessageRef,
    Notice,
    Policy,
    Reason,
    Returned,
    SentSource,
    Strength,
    Verdict,
)
from cleanup.report.filing.plan import why_not_filed
from cleanup.report.summary.frames import judgements, last_words_on
from cleanup.report.text import plural

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FOLLOWS = "follows-the-failed-one"
_NO_SENT = "no-sent-given"
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_MOST_GENUINE = (Verdict.GENUINE.value, Verdict.UNSURE.value, Verdict.BACKSCATTER.value)
# What of a stored notice the rows of POLICY ask for.
_ASKED = ["kind", "returned", "dated", "named", "hostile", "no_sent"]


@dataclass(frozen=True, slots=True)
class Score:
    """Filing compared with people's labels. Shares are None where nothing is there to be divided.

    precision   of what would be filed and is labelled, the share that is backscatter
    recall      of what is labelled backscatter, the share that would be filed
    """

    labelled: int
    filed: int  # of all notices, labelled or not
    wrongly_filed: int  # labelled genuine or unsure, and yet filed
    precision: float | None
    recall: float | None

    def in_words(self) -> str:
        """Return the figures in a sentence."""
        if not self.labelled:
            return f"{plural(self.filed, 'notice')} would be filed; no label says whether that is right."
        precision, recall = (f"{s:.1%}" if s is not None else "-" for s in (self.precision, self.recall))
        return (
            f"{plural(self.filed, 'notice')} would be filed. Against {plural(self.labelled, 'label')}: "
            f"precision {precision}, recall {recall}, wrongly filed {self.wrongly_filed}."
        )


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a policy would have decided. `verdicts` has one row a notice: finding_id, before, after, row, files, said.

    `said` is a person's latest judgement, missing where there is none.
    """

    policy: Policy
    verdicts: pd.DataFrame
    score: Score

    @property
    def changed(self) -> pd.DataFrame:
        """How many notices go from which verdict to which."""
        return pd.crosstab(self.verdicts["before"], self.verdicts["after"])

    @property
    def against_labels(self) -> pd.DataFrame:
        """How often a person said what (`said`) of what the evidence alone says (`after`): said, after, notices."""
        said = self.verdicts[self.verdicts["said"].notna()]
        return said.groupby(["said", "after"], observed=True).size().rename("notices").reset_index()


def what_if(
    bounces: pd.DataFrame,
    reasons: pd.DataFrame,
    policy: Policy,
    *,
    labels: pd.DataFrame | None = None,
    without: Collection[str] = (),
) -> WhatIf:
    """Return what `policy` would have decided of the latest finding of each message, compared with labels if given."""
    notices = _notices(bounces)
    kept = reasons[
        ~reasons["rule"].isin(list(without)) & ~reasons["family"].isin([f.value for f in policy.switched_off])
    ]
    decided = _decide_all(_with_signatures(notices, kept), policy)
    verdicts = pd.DataFrame(
        {
            "finding_id": notices["finding_id"],
            "before": notices["verdict"].astype(str),
            "after": _following(notices, decided["verdict"]),
            "row": decided["row"],
            "files": decided["files"],
            "said": _said(notices, labels),
        }
    )
    verdicts["files"] &= verdicts["after"].ne(Verdict.GENUINE.value)
    return WhatIf(policy, verdicts, _score(notices, verdicts["files"], labels))


def ablation(
    bounces: pd.DataFrame, reasons: pd.DataFrame, policy: Policy, *, labels: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return what each family and each rule is worth: a row a thing that is left out, with what would then be filed."""
    families = [Family(name) for name in reasons["family"].astype(str).unique()]
    counted = reasons[reasons["strength"] != Strength.NOTE.value]
    rules = sorted(counted["rule"].astype(str).unique())
    variants: list[tuple[str, Policy, tuple[str, ...]]] = [("nothing", policy, ())]
    variants += [(f"family {f.value}", replace(policy, switched_off=policy.switched_off | {f}), ()) for f in families]
    variants += [(rule, policy, (rule,)) for rule in rules]
    rows = [
        {"left_out": name, **_as_row(what_if(bounces, reasons, variant, labels=labels, without=without).score)}
        for name, variant, without in variants
    ]
    return pd.DataFrame(rows)


def threshold_curve(bounces: pd.DataFrame, reasons: pd.DataFrame, labels: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what a plain count of witnesses would do: a row for each number of families that must speak against.

    One of them must be hard, and nothing may speak for the notice. It shows why POLICY asks for two.
    """
    notices = _notices(bounces)
    counted = reasons[reasons["strength"] != Strength.NOTE.value]
    against = counted[counted["points_to"] == Verdict.BACKSCATTER.value]
    spared = counted.loc[counted["points_to"] != Verdict.BACKSCATTER.value, "finding_id"]
    witnesses = against.groupby("finding_id")["family"].nunique()
    accused = against.loc[against["strength"] == Strength.HARD.value, "finding_id"]
    possible = notices["finding_id"].isin(accused) & ~notices["finding_id"].isin(spared)
    seen = notices["finding_id"].map(witnesses).fillna(0)
    scores = [(n, _score(notices, possible & (seen >= n), labels)) for n in range(1, int(max(seen, default=0)) + 1)]
    rows = [{"families": n, **_as_row(score)} for n, score in scores]
    return pd.DataFrame(rows, columns=["families", "filed", "wrongly_filed", "precision", "recall"])


def policy_snippet(policy: Policy, mailbox: str = "NAME") -> str:
    """Return the lines for the configuration file that make this policy a mailbox's.

    What no configuration can say (Policy's other fields) keeps its default; the name follows from what is filed.
    """
    key = mailbox if _BARE_KEY.fullmatch(mailbox) else json.dumps(mailbox)  # of TOML
    usual, name = Policy(), "cautious" if policy.name == "cautious" else "balanced"
    lines = [f"[mailboxes.{key}.policy]", f'name = "{"storm" if policy.file_leaning else name}"']
    if policy.switched_off:
        off = ", ".join(f'"{family.value}"' for family in sorted(policy.switched_off))
        lines.append(f"switched_off = [{off}]")
    if policy.file_other_notices:
        lines.append("file_other_notices = true")
    if policy.queue_lifetime != usual.queue_lifetime:
        lines.append(f"queue_lifetime_days = {policy.queue_lifetime.total_seconds() / 86_400:g}")
    if policy.min_completeness != usual.min_completeness:
        lines.append(f"min_completeness = {policy.min_completeness}")
    lines += [f"max_moves = {policy.max_moves}", f"max_share = {policy.max_share}"]
    return "\n".join(lines) + "\n"


# --- judging again -------------------------------------------------------------------------------------------------


def _notices(bounces: pd.DataFrame) -> pd.DataFrame:
    latest = bounces[bounces["latest"]].drop_duplicates("finding_id").reset_index(drop=True)
    return latest.assign(
        dated=latest["original_date"].notna(),
        named=latest["original_id"].notna(),
        hostile=latest["flags"].astype(str).str.contains("too_hostile"),
        no_sent=latest["decided_by"] == _NO_SENT,
    )


def _with_signatures(notices: pd.DataFrame, reasons: pd.DataFrame) -> pd.DataFrame:
    """Return what POLICY asks of each notice, its reasons as a tuple of codes. What is the same is judged once."""
    ours = reasons[reasons["finding_id"].isin(notices["finding_id"])]
    columns = ["rule", "family", "points_to", "strength"]
    codes = ours.groupby(columns, observed=True, sort=False).ngroup()
    what = dict(zip(codes, ours[columns].astype(str).itertuples(index=False, name=None), strict=True))
    told = pd.DataFrame({"finding_id": ours["finding_id"], "code": codes}).drop_duplicates().sort_values("code")
    sets = told.groupby("finding_id")["code"].agg(tuple)
    asked = notices[_ASKED].astype({"kind": str, "returned": str})
    asked["reasons"] = notices["finding_id"].map(sets)
    asked["reasons"] = asked["reasons"].where(asked["reasons"].notna(), None)
    asked.attrs["what"] = what
    return asked


def _decide_all(asked: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    what = asked.attrs["what"]
    seen: dict[Any, tuple[str, str, bool]] = {}
    rows = []
    for kind, returned, dated, named, hostile, no_sent, codes in asked.itertuples(index=False, name=None):
        key = (kind, returned, dated, named, hostile, no_sent, codes)
        if key not in seen:
            # a notice that answers what POLICY asks of it as the stored one did
            original = Returned(
                Extent(returned), message_id="x@y" if named else None, date=_SOME_DAY if dated else None
            )
            notice = Notice(Kind(kind), "stored", returned=(original,), too_hostile="too hostile" if hostile else None)
            finding = _decide(notice, tuple(_reasons(what[code] for code in codes or ())), no_sent, policy)
            seen[key] = (finding.verdict.value, finding.row, _files(notice, finding, policy))
        rows.append(seen[key])
    return pd.DataFrame(rows, columns=["verdict", "row", "files"], index=asked.index)


def _decide(notice: Notice, reasons: tuple[Reason, ...], no_sent: bool, policy: Policy) -> Finding:
    problem = "It could not be read." if any(r.rule == "sent.unusable" for r in reasons) else None
    coverage = Coverage() if no_sent else Coverage(sources=(SentSource("Sent", 1, 1, problem),), messages=1)
    owner = know_owner(Identity(), Profile())
    known = Known(SentRows(()), coverage, Profile(), Identity(), owner, policy)
    return decide(Evidence.of(Question(notice, notice.returned[0], None, known), reasons))


def _reasons(told: Iterable[tuple[str, str, str, str]]) -> Iterator[Reason]:
    for rule, family, points_to, strength in told:
        yield Reason(rule, Family(family), Verdict(points_to), Strength(strength), "")


def _files(notice: Notice, finding: Finding, policy: Policy) -> bool:
    one = Judged(MessageRef("", 0, 0), Fingerprint(0, _SOME_DAY, ""), (), notice, finding)
    return why_not_filed(one, policy) is None


def _following(notices: pd.DataFrame, verdicts: pd.Series) -> pd.Series:
    """Return the verdicts; a delay notice that followed the failure of the same message follows it again."""
    follows = notices["decided_by"] == _FOLLOWS
    ranks = verdicts.map(_MOST_GENUINE.index).where(~follows)
    keys = [notices["mailbox"], notices["original_id"]]
    leaders = ranks.groupby(keys, observed=True).transform("min").map(dict(enumerate(_MOST_GENUINE)))
    return verdicts.where(~follows, leaders.fillna(verdicts))


# --- against people's words ----------------------------------------------------------------------------------------


def _score(notices: pd.DataFrame, files: pd.Series, labels: pd.DataFrame | None) -> Score:
    said = _said(notices, labels)
    forged, filed = said == Verdict.BACKSCATTER.value, files & said.notna()
    return Score(
        labelled=int(said.notna().sum()),
        filed=int(files.sum()),
        wrongly_filed=int((filed & ~forged).sum()),
        precision=_share(filed & forged, filed),
        recall=_share(filed & forged, forged),
    )


def _said(notices: pd.DataFrame, labels: pd.DataFrame | None) -> pd.Series:
    """Return people's latest judgement of each notice, NA where there is none. An undo judges nothing."""
    if labels is None or labels.empty:
        return pd.Series(pd.NA, index=notices.index, dtype=pd.StringDtype())
    return last_words_on(notices, judgements(labels))["verdict"]


def _share(part: pd.Series, whole: pd.Series) -> float | None:
    return int(part.sum()) / int(whole.sum()) if whole.any() else None


def _as_row(score: Score) -> dict[str, Any]:
    return {
        "filed": score.filed,
        "wrongly_filed": score.wrongly_filed,
        "precision": score.precision,
        "recall": score.recall,
    }
