"""The examples of deploy/ are what they say: systemd accepts the units, and every option of a command line exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from cleanup.cli.monitoring import Watched, metrics
from cleanup.jobs.fleet import Ended, Result
from tests.cli.command import cleanup

DEPLOY = Path(__file__).parents[1] / "deploy"
CONTAINERFILE = DEPLOY / "container" / "Containerfile"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
EXAMPLES = sorted(file for file in DEPLOY.rglob("*") if file.is_file() and file not in (CONTAINERFILE, DASHBOARD))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/opt/mailbox-cleanup/bin/mailbox-cleanup", "/bin/true")
        (tmp_path / unit.name.replace("@", "@anna")).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))

    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    security = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", units[0]]

    assert (done.returncode, done.stderr) == (0, "")
    assert subprocess.run(security, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_option_in_an_example_exists(file: Path) -> None:
    text = file.read_text()
    used = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text))
    command = ("fleet", "run") if "fleet run" in text else ("run",)

    assert used <= set(re.findall(r"--[a-z][a-z-]+", cleanup(*command, "--help", COLUMNS="200").out))


def test_the_container_asks_for_extras_and_variables_that_exist() -> None:
    text = CONTAINERFILE.read_text()
    known = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (extras,) = re.findall(r"/source\[([a-z,]+)\]", text)
    documented = "".join(file.read_text() for file in (DEPLOY.parent / "docs").glob("*.md"))

    assert set(extras.split(",")) <= set(known)
    assert all(f"`{variable}`" in documented for variable in re.findall(r"CLEANUP_[A-Z_]+", text))
    assert "USER cleanup" in text


def test_the_dashboard_asks_for_metrics_and_labels_that_are_exported() -> None:
    done = Ended("anna@example.org", Result.DONE, "", sent_at_least=0.95)
    failed = Ended("ben@example.org", Result.FAILED, "", "tls")
    exported = metrics(Watched("night", [done, failed]), now_s=1) + metrics(Watched("night", [done]), now_s=1)
    labels = dict(re.findall(r"^(mailbox_cleanup_\w+)\{(.*)\} ", exported, re.MULTILINE))
    dashboard = DASHBOARD.read_text()
    queries = [target["expr"] for panel in json.loads(dashboard)["panels"] for target in panel["targets"]]

    asked = set(re.findall(r"mailbox_cleanup_\w+", dashboard))
    assert asked == labels.keys() - {"mailbox_cleanup_run_end_timestamp_seconds"}  # the last success says more
    for query in queries:
        (metric,) = re.findall(r"mailbox_cleanup_\w+", query)
        wanted = re.findall(r"(\w+)=", query) + re.findall(r"by \((\w+)\)", query)
        assert all(f'{label}="' in labels[metric] for label in wanted), query


def test_the_dashboard_has_the_structure_that_grafana_reads() -> None:
    """As its "JSON model" documents it: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/"""
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]

    assert {"uid", "title", "schemaVersion", "time", "templating", "annotations", "panels"} <= dashboard.keys()
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = set()
    for panel in panels:
        assert {"id", "type", "title", "gridPos", "datasource", "targets", "fieldConfig", "options"} <= panel.keys()
        assert panel["type"] in ("stat", "timeseries")
        assert panel["fieldConfig"].keys() == {"defaults", "overrides"}
        assert all(target["refId"] and target["expr"] for target in panel["targets"])
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        mine = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & mine, panel["title"]  # no two panels lie upon each other
        cells |= mine
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels)))
    assert used == names
