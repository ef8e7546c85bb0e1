"""What notebooks import by `from cleanup import ...` (docs/notebooks.md): ledgers, frames, tables, charts.

Nothing here moves a message. Charts and tables stay alive in exported HTML and ask no other host for anything.
"""

from __future__ import annotations

import html
import json
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from cleanup.errors import UsageError
from cleanup.jobs.archive_scan import Scanned, scan_archive
from cleanup.ledger import Ledger
from cleanup.ledger_lookup import find_ledger, looking_back
from cleanup.model import Identity, Policy, Verdict
from cleanup.report.summary.domains import DomainSummary
from cleanup.report.summary.export import shown
from cleanup.report.summary.frames import Frames, load
from cleanup.report.summary.summarize import Summary
from cleanup.report.summary.tables import Section
from cleanup.report.text import safe_text

_TEXT_LIMIT = 160  # of a cell


def open_ledger(where: str | Path | None = None) -> Ledger:
    """Return the ledger at a path or URL; None: the one that commands use which name no mailbox.

    Raises UsageError where there is none, as looking makes none; LedgerUnusable.
    """
    return Ledger.open(find_ledger((), where), looking=True)


def load_frames(
    where: str | Path | None = None,
    mailboxes: str | Iterable[str] = (),
    *,
    days: float | None = None,
    run: int | None = None,
    now: datetime | None = None,
) -> Frames:
    """Return the frames of a ledger: of some mailboxes (none named: all), of the last `days` or one `run` alone.

    `now` is the end of those days; None: the end of the latest run. See docs/notebooks.md for the columns.

    Mailboxes are named by profile or address. Raises UsageError where there is no such ledger, or where it does not
    know one of them, with the nearest name; LedgerUnusable.
    """
    asked = (mailboxes,) if isinstance(mailboxes, str) else tuple(mailboxes)
    with looking_back(asked, where, None) as (ledger, names):
        if days is None:
            return load(ledger, names, run=run)
        end = now
        if end is None:
            runs = load(ledger, names, run=run).runs
            end = runs["finished"].fillna(runs["started"]).max().to_pydatetime() if len(runs) else datetime.now(UTC)
        return load(ledger, names, run=run, since=end - timedelta(days=days))


def one_mailbox(where: str | Path | None = None, mailbox: str = "") -> str:
    """Return the mailbox that is meant: the named one, else the one in the ledger that was forged most.

    Raises UsageError where the ledger holds no mailbox yet.
    """
    if mailbox:
        return mailbox
    with open_ledger(where) as ledger:
        known, frames = ledger.mailboxes(), load(ledger)
    if not known:
        raise UsageError("The ledger holds no run yet", hint="The first run of a mailbox makes it known")
    forged = frames.notices.loc[frames.notices["verdict"] == Verdict.BACKSCATTER.value, "mailbox"].astype(str)
    return str(forged.value_counts().index[0]) if len(forged) else known[0]


@cache
def sample_ledger() -> str:
    """Return the path of a sample ledger, made in a folder of its own: a month of nightly runs, really judged.

    Two made-up mailboxes, with a storm and with labels; about five seconds, once a session.
    """
    from cleanup.demo.sample_ledger import make_sample_ledger

    return str(make_sample_ledger(Path(tempfile.mkdtemp(prefix="mailbox-cleanup-")) / "ledger.sqlite"))


def judge_file(
    path: str | Path,
    *,
    sent: Sequence[str | Path] = (),
    addresses: Iterable[str] = (),
    outbound_hosts: Iterable[str] = (),
    policy: Policy | None = None,
    now: datetime | None = None,
) -> list[Scanned]:
    """Return an .eml file's (or an mbox's, a Maildir's) messages, judged against archived sent mail.

    Without `sent` every notice is unsure: an absent Sent folder vouches for nothing.
    """
    who = Identity(
        addresses=frozenset(address.lower() for address in addresses),
        outbound_hosts=frozenset(host.lower() for host in outbound_hosts),
    )
    places = [Path(place) for place in sent]
    return scan_archive(Path(path), places, who, policy or Policy(), now=now or datetime.now(UTC))


# --- what is shown -------------------------------------------------------------------------------------------------


def begin() -> None:
    """Switch on charts and searchable tables that live in this notebook and in HTML made of it, also offline."""
    import altair as alt
    import itables
    import vl_convert
    from IPython.display import HTML, display

    drawing = vl_convert.javascript_bundle(None)  # type: ignore[arg-type] # None: the whole of vega-embed
    display(HTML(f'<script type="module">{drawing}</script>'))  # type: ignore[no-untyped-call]
    itables.init_notebook_mode(all_interactive=False, connected=False)
    alt.renderers.register("mailbox-cleanup", _as_html)
    alt.renderers.enable("mailbox-cleanup")


def show(table: pd.DataFrame | Section, caption: str | None = None, *, rows: int = 10) -> None:
    """Show a frame, or a section of a summary, as a searchable, sortable table; the title says what it leaves out.

    Strangers' texts pass safe_text; times stand in UTC, shares in per cent.
    """
    import itables
    from IPython.display import HTML, display

    frame, title = (table.table, table.title) if isinstance(table, Section) else (table, caption)
    if frame.empty:
        nothing = f"{caption or title}: nothing to show."
        display(HTML(f"<p>{_escaped(nothing)}</p>"))  # type: ignore[no-untyped-call]
        return
    if isinstance(table, Section) and table.left_out:
        title = f"{title}: {len(frame):,} of {len(frame) + table.left_out:,}; report --format csv has them all"
    types = list(enumerate(frame.dtypes))
    texts = [n for n, kind in types if not pd.api.types.is_numeric_dtype(kind)]
    times = [n for n, kind in types if pd.api.types.is_datetime64_any_dtype(kind)]
    itables.show(
        _safe(frame),
        caption=caption or title,
        pageLength=rows,
        lengthMenu=[rows, 50, 200],
        showIndex=False,
        classes="display compact",
        style="table-layout:auto;width:auto;margin-left:0;caption-side:top;text-align:left",
        columnDefs=[
            {"className": "dt-left", "targets": texts},
            {"className": "dt-nowrap", "targets": times},
        ],
        maxBytes="2MB",
        allow_html=False,
    )


def tell(summary: Summary | DomainSummary) -> None:
    """Show what a summary says in words: the headline, and what is to be done or what would help."""
    from IPython.display import HTML, display

    if isinstance(summary, Summary):
        headline, then, lines = summary.headline, "What to do:", list(summary.to_do)
    else:
        headline, then = summary.says, "What would help:"
        lines = [f"{measure.name}: {measure.says}" for measure in summary.measures]
    items = "".join(f"<li>{_escaped(line)}</li>" for line in lines)
    display(HTML(f"<h3>{_escaped(headline)}</h3><p>{then}</p><ul>{items}</ul>"))  # type: ignore[no-untyped-call]


def _escaped(text: str) -> str:
    return html.escape(safe_text(text, limit=600))


_EMPTY = {
    "undelivered": "Your own mail that did not arrive",
    "unsure": "Unsure, left where they are",
    "sent": "What Sent can vouch for",
}


def section(summary: Summary, name: str) -> Section:
    """Return a summary's section by its name ("sent", "mailboxes", "undelivered", ...); an empty one if it has none."""
    found = [one for one in summary.sections if one.name == name]
    return found[0] if found else Section(name, _EMPTY.get(name, name.capitalize()), "", pd.DataFrame())


def _safe(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns=lambda name: safe_text(str(name), limit=60)).apply(_safe_column)


def _safe_column(column: pd.Series) -> pd.Series:
    """Return whole numbers as they are, so that they sort, and everything else as people read it."""
    if pd.api.types.is_integer_dtype(column):
        return column
    texts = [shown(value, limit=_TEXT_LIMIT) for value in column]
    return pd.Series(texts, index=column.index, dtype=pd.StringDtype())


_PLACES = iter(range(1, 1_000_000))

_CHART = """<div id="{place}" style="color: inherit; max-width: 100%; overflow-x: auto"></div>
<script type="module">
const show = () => window.vegaEmbed("#{place}", {spec}, {{actions: false, renderer: "svg", ast: true}});
const wait = () => window.vegaEmbed ? show() : setTimeout(wait, 50);
wait();
</script>"""


def _as_html(spec: dict[str, Any], **_: Any) -> dict[str, str]:
    """Return a chart as a place in the page and a script that draws there; `<` is escaped, so no text ends it."""
    place = f"mailbox-cleanup-chart-{next(_PLACES)}"
    drawn = json.dumps(spec).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return {"text/html": _CHART.format(place=place, spec=drawn)}
