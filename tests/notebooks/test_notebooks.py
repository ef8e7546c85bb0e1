"""The notebooks: run from top to bottom on the sample, tell their story without logic, and live on as HTML."""

from __future__ import annotations

import ast
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("papermill")
import nbformat
import papermill

from cleanup.errors import UsageError
from cleanup.ledger import Ledger
from cleanup.report.summary.domains import DomainSummary, Measure
from cleanup.report.summary.tables import Section
from tests.report.summary.chromium import chromium, look_at
from tests.report.summary.some_frames import fill, judged_mailbox

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = ("01_nightly_trend", "02_one_users_storm", "03_tune_and_review")
IMPORTS = 30  # of pandas: what a notebook may take in CPU, which a slow or busy machine does not change
EACH = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES]  # one worker executes it


def _read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def _sources(name: str) -> list[str]:
    return [cell.source for cell in _read(name).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def cpu_of_an_import() -> float:
    """What `import pandas` takes here, in seconds of CPU; the mean of three."""
    before = _cpu_of_children()
    for _ in range(3):
        subprocess.run([sys.executable, "-c", "import pandas"], check=True)
    return (_cpu_of_children() - before) / 3


@pytest.fixture(scope="module", params=EACH)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook with its outputs, and in `metadata.cpu_s` what its kernel took."""
    folder = tmp_path_factory.mktemp("notebooks")
    made = folder / f"{request.param}.ipynb"
    before = _cpu_of_children()
    done = papermill.execute_notebook(
        FOLDER / f"{request.param}.ipynb", made, cwd=folder, kernel_name="python3", progress_bar=False
    )
    done.metadata["cpu_s"] = _cpu_of_children() - before
    return done


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_it_runs_from_top_to_bottom_in_good_time(executed: nbformat.NotebookNode, cpu_of_an_import: float) -> None:
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]

    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr" and output.text.strip()]
    assert 0 < executed.metadata.cpu_s < IMPORTS * cpu_of_an_import


def test_its_charts_and_tables_live_in_exported_html_and_ask_nobody(
    executed: nbformat.NotebookNode, tmp_path: Path
) -> None:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter(embed_images=True).from_notebook_node(executed)
    without_mathjax = re.sub(r"<script[^>]*src=[^>]*>\s*</script>", "", page)  # the exporter's own, not ours
    charts = sum(
        '"mailbox-cleanup-chart-' in output.get("data", {}).get("text/html", "") for output in _outputs(executed)
    )

    looked = look_at(without_mathjax, width=1000)

    assert charts >= 2
    assert _drawn(without_mathjax, tmp_path) == charts
    assert not [line for line in looked.complaints if "Error" in line and "MathJax" not in line]
    assert {request.partition("/")[2] for request in looked.requests} <= {"report.html", "frame.html", "favicon.ico"}


# --- on any ledger -------------------------------------------------------------------------------------------------


def _empty(folder: Path) -> None:
    Ledger.open(folder / "l.db").close()


def _one_quiet_day(folder: Path) -> None:
    """One run of another mailbox on one day, with a handful of notices and no storm."""
    with Ledger.open(folder / "l.db") as ledger:
        fill(ledger, judged_mailbox(each=1)[:12], mailbox="ben.costa@example.net")


def _nothing_lately(folder: Path) -> None:
    """A run that found something, and years later one that found nothing."""
    with Ledger.open(folder / "l.db", clock=lambda: datetime(2030, 1, 1, tzinfo=UTC)) as ledger:
        fill(ledger, judged_mailbox(each=1)[:12], mailbox="ben.costa@example.net")
        ledger.finish_run(ledger.start_run("ben.costa@example.net", "run"), {})


@pytest.mark.parametrize("ledger", [_empty, _one_quiet_day, _nothing_lately], ids=lambda make: make.__name__[1:])
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_any_ledger_that_is_named_alone(
    name: str, ledger: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger(tmp_path)
    if ledger is _empty and name == "02_one_users_storm":
        with pytest.raises(UsageError, match="holds no run yet"):
            _run_in_process(name, monkeypatch, ledger=str(tmp_path / "l.db"))
        return

    told = _run_in_process(name, monkeypatch, ledger=str(tmp_path / "l.db"))

    assert told
    assert "out1.example.org" not in told  # the sample's own host


def test_two_campaigns_make_one_script_with_one_require() -> None:
    from cleanup.report.summary.sieve import REQUIRE, SieveRule, Trial, script

    one = SieveRule(None, Trial(1, 1, 0, 0), f"{REQUIRE}# one\n")  # type: ignore[arg-type]
    other = SieveRule(None, Trial(1, 1, 0, 0), f"{REQUIRE}# other\n")  # type: ignore[arg-type]
    refused = SieveRule(None, Trial(1, 1, 0, 0), None, "no")  # type: ignore[arg-type]

    text = script([one, refused, other])

    assert text.startswith(REQUIRE)
    assert (text.count("require"), "# one" in text, "# other" in text) == (1, True, True)
    assert script([refused]) == ""


def test_a_table_says_how_many_rows_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import itables

    from cleanup.notebook import show

    captions: list[str] = []
    monkeypatch.setattr(itables, "show", lambda frame, **more: captions.append(more["caption"]))
    show(Section("x", "Unsure", "", pd.DataFrame({"a": range(50)}), left_out=762))

    assert captions == ["Unsure: 50 of 812; report --format csv has them all"]


def test_an_empty_table_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    from cleanup.notebook import show

    told: list[str] = []
    monkeypatch.setattr(IPython.display, "display", lambda html: told.append(html.data))
    show(Section("unsure", "Unsure", "", pd.DataFrame()))

    assert told == ["<p>Unsure: nothing to show.</p>"]


def _run_in_process(name: str, monkeypatch: pytest.MonkeyPatch, **parameters: object) -> str:
    """Run a notebook's cells without a kernel; return what is shown, charts as their specification."""
    import IPython.display
    import itables

    shown: list[str] = []
    monkeypatch.setattr(itables, "show", lambda frame, **_: shown.append(frame.to_csv()))
    monkeypatch.setattr(itables, "init_notebook_mode", lambda **_: None)
    monkeypatch.setattr(IPython.display, "display", lambda html: shown.append(html.data))
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda _: "")
    names: dict[str, object] = {"print": lambda *words: shown.append(" ".join(map(str, words)))}
    for cell in _read(name).cells:
        if cell.cell_type == "code":
            *body, last = ast.parse(cell.source).body
            exec(compile(ast.Module([*body], []), name, "exec"), names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), name, "eval"), names)
                shown.append(str(value.to_dict()) if hasattr(value, "to_dict") else "")
            else:
                exec(compile(ast.Module([last], []), name, "exec"), names)
            if "parameters" in cell.metadata.get("tags", []):
                names |= parameters
    return "\n".join(shown)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_stored_without_outputs(name: str) -> None:
    for cell in _read(name).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_no_logic(name: str) -> None:
    forbidden = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.If, ast.While, ast.Try)

    for source in _sources(name):
        assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, forbidden)]


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_like_a_story(name: str) -> None:
    cells = _read(name).cells
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")

    assert cells[0].source.startswith("# ")
    assert words > 200
    assert any("parameters" in cell.metadata.get("tags", []) for cell in cells)


def test_tables_show_strangers_texts_as_texts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import itables

    from cleanup.notebook import show

    shown: list[pd.DataFrame] = []
    monkeypatch.setattr(itables, "show", lambda frame, **_: shown.append(frame))
    hostile = pd.DataFrame({"subject": ["<script>alert(1)</script>\x1b[2J\u202egpj"], "share": [0.5], "n": [3]})
    show(Section("x", "X", "", hostile))

    (frame,) = shown
    assert frame["n"].tolist() == [3]
    assert frame["share"].tolist() == ["50%"]
    assert "\x1b" not in frame["subject"][0]
    assert "\u202e" not in frame["subject"][0]


def test_what_is_told_of_a_domain_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    from cleanup.notebook import tell

    told: list[str] = []
    monkeypatch.setattr(IPython.display, "display", lambda html: told.append(html.data))
    tell(DomainSummary("x", 1, 1, "<b>\u202egpj", (), (Measure("DMARC", 1, 2, "<script>alert(1)</script>"),), ()))

    assert "DMARC: &lt;script&gt;" in told[0]
    assert "<b>" not in told[0]
    assert "\u202e" not in told[0]


def test_the_days_of_a_chart_are_written_in_a_browser(executed: nbformat.NotebookNode, tmp_path: Path) -> None:
    from nbconvert import HTMLExporter

    if not any(source.startswith("charts.by_time") for source in [cell.source for cell in executed.cells]):
        pytest.skip("this one has no chart along the days")
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(executed)

    assert re.search(r">Oct 1\d</text>", _dom(page, tmp_path))


def test_a_chart_ends_no_script_with_what_strangers_wrote() -> None:
    from cleanup.notebook import _as_html

    html = _as_html({"title": "</script><script>alert(1)</script>"})["text/html"]

    assert html.count("</script>") == 1
    assert "alert(1)" in html


def _drawn(page: str, folder: Path) -> int:
    """Return how many charts Chromium draws."""
    return len(re.findall(r'<svg[^>]*class="marks"', _dom(page, folder)))


def _dom(page: str, folder: Path) -> str:
    """Return what Chromium makes of a page, opened as a file and without a network."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [*command, *offline, (folder / "page.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def _outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]
