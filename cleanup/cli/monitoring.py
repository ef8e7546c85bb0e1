"""What watches a nightly job from outside: a file for Prometheus, and a ping for a health check."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cleanup.atomic_write import write_whole
from cleanup.errors import CleanupError, UsageError
from cleanup.jobs.fleet.results import Ended, Result, by_cause
from cleanup.model import Verdict
from cleanup.report.counts import added

PING_TIMEOUT_S = 10
PREFIX = "mailbox_cleanup_"
SUCCESS, COMPLETENESS = "last_success_timestamp_seconds", "sent_completeness_ratio"  # these outlive a run
FOR_EVERYBODY = 0o644  # the collector is another user


@dataclass(slots=True)
class Watched:
    """One run of one mailbox or of a fleet, called `name`, and how its mailboxes ended so far."""

    name: str
    ends: list[Ended] = field(default_factory=list)
    began_s: float = field(default_factory=time.time)
    remarks: list[str] = field(default_factory=list)  # what could not be told to the outside

    @property
    def ok(self) -> bool:
        """Whether every mailbox is done."""
        return bool(self.ends) and all(one.result is Result.DONE for one in self.ends)


@contextmanager
def watched(name: str, metrics_file: Path | None, ping_url: str | None) -> Iterator[Watched]:
    """Yield where to note how mailboxes ended; then tell the file and the URL of it, also after an error.

    Neither changes what the run did: what goes wrong with them is a remark. Raises UsageError for a URL that is none.
    """
    if ping_url is not None and not ping_url.startswith(("https://", "http://")):
        raise UsageError("The URL to ping begins with neither https:// nor http://")
    run = Watched(name)
    try:
        yield run
    except CleanupError as error:
        if not run.ends:
            run.ends.append(Ended.of_error(name, error))
        raise
    finally:
        run.remarks.extend(_told(run, metrics_file, ping_url))


def metrics(run: Watched, now_s: float, before: Mapping[str, float] | None = None) -> str:
    """Return a run as text for Prometheus (text format 0.0.4); times are seconds since 1970, UTC.

    `before` are the values of the run before, by their names: when the last success was, and how complete Sent was
    measured to be, which not every run does.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    results = Counter(one.result for one in run.ends)
    moved = sum(one.moved for one in run.ends)
    named = [("name", run.name)]
    seen = added(one.counts for one in run.ends if one.counts)
    kept = dict(before or {})
    if run.ok:
        kept[SUCCESS] = round(now_s, 3)
    if shares := [one.sent_at_least for one in run.ends if one.sent_at_least is not None]:
        kept[COMPLETENESS] = round(min(shares), 4)
    families = (
        ("run_ok", "Whether the last run did all its mailboxes.", [(named, int(run.ok))]),
        ("run_end_timestamp_seconds", "When the last run ended.", [(named, round(now_s, 3))]),
        (SUCCESS, "When the last run ended that did all its mailboxes.", _known(named, kept.get(SUCCESS))),
        ("run_duration_seconds", "How long the last run took.", [(named, round(now_s - run.began_s, 3))]),
        ("filed_messages", "Messages that the last run filed.", [(named, moved)]),
        ("notices", "Notices that the last run saw, by verdict.",
         [([*named, ("verdict", verdict.value)], seen.of(verdict)) for verdict in Verdict]),
        ("waiting_notices", "Unsure notices that nobody has decided about.", [(named, seen.waiting)]),
        (COMPLETENESS, "Share of certainly sent mail that Sent holds at least; of several mailboxes the lowest.",
         _known(named, kept.get(COMPLETENESS))),
        ("mailboxes", "Mailboxes of the last run by result.",
         [([*named, ("result", result.value)], results[result]) for result in Result]),
        ("failures", "Mailboxes of the last run that are not done, by the code of the error.",
         [([*named, ("cause", cause)], count) for cause, count, _ in by_cause(run.ends)]),
    )  # fmt: skip
    return "".join(_family(name, text, samples) for name, text, samples in families)


def ping(url: str, run: Watched) -> None:
    """Tell a health check that a run ended: the URL itself, or below it `/fail`. Counts are sent, never an address.

    https://healthchecks.io/docs/http_api/ (Uptime Kuma and others take the same). Raises OSError.
    """
    counts = Counter(one.result.value for one in run.ends)
    body = ", ".join(f"{count} {word}" for word, count in sorted(counts.items())).encode()
    where = url if run.ok else f"{url.rstrip('/')}/fail"
    with urllib.request.urlopen(urllib.request.Request(where, body), timeout=PING_TIMEOUT_S):
        pass


# --- pieces --------------------------------------------------------------------------------------------------------


def _known(named: Sequence[tuple[str, str]], value: float | None) -> list[tuple[Sequence[tuple[str, str]], float]]:
    return [] if value is None else [(named, value)]


def _before(file: Path, name: str) -> dict[str, float]:
    """Return what the file says of the run before of the same name, as far as that is kept."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return {}
    found = {}
    for metric in (SUCCESS, COMPLETENESS):
        lead = f'{PREFIX}{metric}{{name="{_escaped(name)}"}} '
        for line in lines:
            if line.startswith(lead):
                with suppress(ValueError):
                    found[metric] = float(line.removeprefix(lead))
    return found


def _told(run: Watched, metrics_file: Path | None, ping_url: str | None) -> list[str]:
    remarks = []
    if metrics_file is not None:
        try:
            write_whole(metrics_file, metrics(run, time.time(), _before(metrics_file, run.name)), mode=FOR_EVERYBODY)
        except OSError as error:
            remarks.append(f"The metrics could not be written to {metrics_file}: {error.strerror}")
    if ping_url is not None:
        try:
            ping(ping_url, run)
        except (OSError, ValueError) as error:  # the URL is a secret, and stands in no message
            status = f" ({error.code})" if isinstance(error, urllib.error.HTTPError) else ""
            remarks.append(f"The health check could not be pinged: {type(error).__name__}{status}")
    return remarks


def _family(name: str, text: str, samples: Sequence[tuple[Sequence[tuple[str, str]], float]]) -> str:
    full = f"{PREFIX}{name}"
    lines = [f"# HELP {full} {text}", f"# TYPE {full} gauge"]
    for labels, value in samples:
        named = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels)
        lines.append(f"{full}{{{named}}} {value}")
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
