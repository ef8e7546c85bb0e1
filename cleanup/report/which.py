"""Which messages of a run a condition means."""

from __future__ import annotations

from cleanup.errors import UsageError
from cleanup.ledger import Ledger
from cleanup.report.frames import load

EXAMPLE = """reporting_mta == "mx.example.net" or original_subject.str.contains("invoice")"""
_HINT = f"Write it like: {EXAMPLE}"


def uids_where(ledger: Ledger, run_id: int, condition: str) -> tuple[int, ...]:
    """Return the UIDs, as they were before the run, of the messages that it filed and a condition holds for.

    The condition is one of pandas' query() over the columns of the frame `bounces`. Never empty: raises UsageError
    where it cannot be read, is no condition, or holds for nothing.
    """
    bounces = load(ledger, run=run_id).bounces
    try:
        found = bounces.query(condition, engine="python", local_dict={}, global_dict={})
        uids = {int(uid) for uid in found.loc[found["filed"].astype(bool), "uid"]}
    except Exception as error:  # pandas raises whatever the condition's own words do
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"--where {condition!r} cannot be read", why=why, hint=f"{_HINT}. The columns: {', '.join(bounces.columns)}"
        ) from error
    if not uids:
        raise UsageError(f"--where {condition!r} holds for no message that run {run_id} filed", hint=_HINT)
    return tuple(sorted(uids))
