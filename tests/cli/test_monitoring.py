"""What watches a nightly job: a file for Prometheus, a ping for a health check, lines that a program reads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cleanup.cli.monitoring import Watched, metrics, watched
from cleanup.errors import CannotConnect, CleanupError, MailboxLocked, UsageError
from cleanup.jobs.fleet import Ended, Result
from cleanup.model import Verdict
from cleanup.report.counts import Counts, Fate
from tests.cli.command import cleanup
from tests.servers.running import RunningServer, free_port

FAILED = Ended("bob@example.org", Result.FAILED, 'said "no\\"', "login-refused")
DONE = Ended("anna@example.org", Result.DONE, "", None, moved=7)


@dataclass
class HealthCheck:
    """A server that notes what it was told, and answers with `status`."""

    url: str
    heard: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def health_check() -> Iterator[HealthCheck]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            check.heard.append((self.path, body))
            self.send_response(check.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        check = HealthCheck(f"http://127.0.0.1:{server.server_port}/secret-uuid")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield check
        server.shutdown()


def samples(text: str) -> dict[tuple[str, str], float]:
    """Return what Prometheus' own parser reads: by metric and result, cause or name."""
    return {
        (s.name.removeprefix("mailbox_cleanup_"), s.labels.get("result") or s.labels.get("cause") or ""): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


@pytest.mark.parametrize(("error", "ended"), [(MailboxLocked("at work"), "locked"), (CannotConnect("gone"), "failed")])
def test_a_run_that_found_another_one_at_work_has_not_failed(tmp_path: Path, error: CleanupError, ended: str) -> None:
    file = tmp_path / "run.prom"

    with pytest.raises(type(error)), watched("anna", file, None):
        raise error

    read = samples(file.read_text())
    assert {result: read["mailboxes", result] for result in ("locked", "failed")} == {"locked": 0, "failed": 0} | {
        ended: 1
    }


def test_prometheus_reads_how_a_fleet_ended() -> None:
    text = metrics(Watched('the "night"\\\n', [DONE, FAILED, FAILED], began_s=100), now_s=160)

    read = samples(text)
    assert {s.labels["name"] for f in text_string_to_metric_families(text) for s in f.samples} == {'the "night"\\\n'}
    assert read["run_ok", ""] == 0
    assert (read["run_duration_seconds", ""], read["run_end_timestamp_seconds", ""]) == (60, 160)
    assert (read["mailboxes", "done"], read["mailboxes", "failed"], read["mailboxes", "locked"]) == (1, 2, 0)
    assert read["failures", "login-refused"] == 2
    assert read["filed_messages", ""] == 7


def test_prometheus_reads_the_notices_of_all_mailboxes_by_verdict() -> None:
    counts = Counts({(Verdict.GENUINE, Fate.STAYS): 2, (Verdict.UNSURE, Fate.STAYS): 3, (Verdict.UNSURE, Fate.KEPT): 4})
    text = metrics(Watched("night", [replace(DONE, counts=counts), replace(DONE, counts=counts), FAILED]), now_s=1)

    told = {s.labels["verdict"]: s.value for f in text_string_to_metric_families(text) for s in f.samples
            if s.name == "mailbox_cleanup_notices"}  # fmt: skip
    assert told == {"genuine": 4, "backscatter": 0, "unsure": 14}
    assert samples(text)["waiting_notices", ""] == 6


def test_the_last_success_and_how_complete_sent_was_outlive_a_night_that_says_nothing_of_them(tmp_path: Path) -> None:
    file, measured = tmp_path / "m.prom", replace(DONE, sent_at_least=0.954)
    with watched("anna", file, None) as run:
        run.ends += [measured, replace(DONE, sent_at_least=0.97)]
    good = samples(file.read_text())
    with watched("anna", file, None) as run:
        run.ends += [FAILED]
    bad = samples(file.read_text())

    assert good["sent_completeness_ratio", ""] == bad["sent_completeness_ratio", ""] == 0.954
    assert good["last_success_timestamp_seconds", ""] == bad["last_success_timestamp_seconds", ""]
    assert bad["run_ok", ""] == 0
    assert ("last_success_timestamp_seconds", "") not in samples(metrics(Watched("new", [FAILED]), now_s=1))


def test_a_good_night_and_a_bad_one_are_told_apart_and_no_address_leaves(health_check: HealthCheck) -> None:
    with watched("night", None, health_check.url) as run:
        run.ends += [DONE]
    with watched("night", None, health_check.url) as run:
        run.ends += [DONE, FAILED]

    assert health_check.heard == [("/secret-uuid", "1 done"), ("/secret-uuid/fail", "1 done, 1 failed")]


def test_an_error_is_told_too(health_check: HealthCheck, tmp_path: Path) -> None:
    with pytest.raises(CannotConnect), watched("anna", tmp_path / "m.prom", health_check.url):
        raise CannotConnect("no")

    assert health_check.heard == [("/secret-uuid/fail", "1 failed")]
    assert samples((tmp_path / "m.prom").read_text())["failures", "cannot-connect"] == 1


def test_what_cannot_be_told_is_a_remark_without_the_url(health_check: HealthCheck, tmp_path: Path) -> None:
    health_check.status = 500

    with watched("night", tmp_path / "no" / "m.prom", health_check.url) as run:
        run.ends += [DONE]

    assert len(run.remarks) == 2
    assert "(500)" in run.remarks[1]
    assert "secret" not in " ".join(run.remarks)


def test_a_url_that_is_none_is_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match="https"), watched("night", None, "file:///etc/passwd"):
        pytest.fail("it was begun")


def test_the_commands_tell_all_three(embedded: RunningServer, health_check: HealthCheck, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(embedded.password)
    secret.chmod(0o600)
    user, prom = embedded.new_account().username, tmp_path / "metrics.prom"
    reach = ("--host", "127.0.0.1", "--security", "plain", "--username", user, "--password-file", secret)
    told = ("--metrics-file", prom, "--ping-url", health_check.url, "--log-format", "json")
    given = ("run", "a@example.org", "--yes", *reach, *told, "--ledger", tmp_path / "l.sqlite")

    good = cleanup(*given, "--port", embedded.port)
    well = samples(prom.read_text())
    bad = cleanup(*given, "--port", free_port())

    assert (good.code, bad.code) == (0, 10)
    said = [json.loads(line) for line in good.err.splitlines()]
    assert (said[-1]["mailbox"], said[-1]["result"], said[-1]["level"]) == ("a@example.org", "done", "info")
    complaint = json.loads(bad.err.splitlines()[-1])
    assert (complaint["level"], complaint["code"]) == ("error", "cannot-connect")
    assert (well["run_ok", ""], samples(prom.read_text())["run_ok", ""]) == (1, 0)
    assert [path for path, _ in health_check.heard] == ["/secret-uuid", "/secret-uuid/fail"]
    assert prom.stat().st_mode & 0o777 == 0o644
