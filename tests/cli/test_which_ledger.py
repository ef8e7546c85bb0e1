"""Every command that takes or uses a ledger acts on the one that is configured, and makes no second one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer.main

pytest.importorskip("pymap")

from cleanup.cli import program
from cleanup.demo import OWNER, PASSWORD, Demo
from cleanup.errors import CleanupError, UsageError
from cleanup.ledger_lookup import find_ledger
from cleanup.model import Verdict
from cleanup.notebook import load_frames, open_ledger
from tests.servers.anna import anna_on_a_server

NOW = ("--now", "2026-10-20")
# Each command with words that make it use its ledger, and what it says if it is Anna's, after two runs.
ACTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "history": (("--format", "jsonl"), '"filed_now": 72'),
    "history show": (("1",), "72"),
    "report": (("--format", "json", *NOW), "anna.berg@example.org"),
    "domains": (NOW, "example.org"),
    "labels export": ((), "review"),
    "labels import": (("{labels}",), "1 label read"),
    "explain": ((OWNER, "{uid}", *NOW), "As run "),
    "sieve": ((OWNER, "--stored", *NOW), "campaign"),
    "review": ((OWNER,), "no terminal"),
    "fleet run": (("--query", "SELECT 'nobody' AS mailbox FROM runs LIMIT 1"), "nobody"),
    "scan": ((OWNER, "{reach}", *NOW), "0"),
    "doctor": ((OWNER, "{reach}"), "holds 2 runs"),
    "rescue": ((OWNER, "{reach}", *NOW), ""),
    "senders": ((OWNER,), "known to send for anna.berg@example.org"),
    "run": ((OWNER, "--yes", "{reach}", *NOW), "run 3, 375 messages"),
    "undo": (("last", "--yes", "{reach}"), "72 messages of run 1 were put back"),
    "login": ((OWNER, "{reach}"), ""),  # takes a ledger like all that reach a mailbox, and needs none
    "history prune": (("--keep", "0d", "--yes"), "findings"),
    "forget": ((OWNER, "--yes"), "were dropped"),
}


def _with_a_ledger(command: Any, name: str = "") -> Iterator[str]:
    """Yield the commands that have an option --ledger, by their whole names."""
    if any("--ledger" in parameter.opts for parameter in command.params):
        yield name
    for inner, one in getattr(command, "commands", {}).items():
        yield from _with_a_ledger(one, f"{name} {inner}".strip())


def test_no_command_with_a_ledger_is_forgotten_here() -> None:
    its_own = {"demo"}  # a made-up mailbox: nobody's configuration plays in

    assert set(_with_a_ledger(typer.main.get_command(program()))) - its_own == set(ACTS)


@pytest.fixture(scope="module")
def anna(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Anna's mailbox with its ledger, after two runs and a word."""
    with anna_on_a_server(tmp_path_factory.mktemp("anna") / "original.sqlite") as demo:
        demo.run()
        demo.run(full=True)
        with open_ledger(demo.settings.ledger) as ledger:
            ledger.label(OWNER, "d" * 64, Verdict.UNSURE, said_by="review")
        yield demo


@pytest.fixture(params=["--ledger", "CLEANUP_LEDGER", "[defaults]", "profile"])
def configured(
    request: pytest.FixtureRequest, anna: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[tuple[str, ...], Path]:
    """The option that names a ledger, or none as something else names it; and the ledger."""
    ledger = tmp_path / "where it is" / "named.sqlite"
    ledger.parent.mkdir()
    with closing(sqlite3.connect(str(anna.settings.ledger))) as source, closing(sqlite3.connect(ledger)) as target:
        source.backup(target)
    home = tmp_path / "home"
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(home))
    monkeypatch.setenv("CLEANUP_PASSWORD", PASSWORD)
    file = home / "mailbox-cleanup" / "config.toml"
    file.parent.mkdir(parents=True)
    wrong, right = f'ledger = "{tmp_path / "wrong.sqlite"}"', f'ledger = "{ledger}"'
    profile = f'[mailboxes.anna]\naddress = "{OWNER}"\n'
    texts = {
        "--ledger": f"[defaults]\n{wrong}\n{profile}{wrong}",
        "CLEANUP_LEDGER": f"[defaults]\n{wrong}\n{profile}{wrong}",
        "[defaults]": f"[defaults]\n{right}\n{profile}",
        "profile": f"{profile}{right}\n",
    }
    file.write_text(texts[request.param])
    if request.param == "CLEANUP_LEDGER":
        monkeypatch.setenv("CLEANUP_LEDGER", str(ledger))
    if request.param == "--ledger":
        return ("--ledger", str(ledger)), ledger
    return (), ledger


def test_every_command_acts_on_the_ledger_that_is_configured(
    configured: tuple[tuple[str, ...], Path], anna: Demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option, ledger = configured
    reach = ("--host", "127.0.0.1", "--port", str(anna.account.real_port), "--security", "plain", "--username", "anna")
    (tmp_path / "labels.csv").write_text(f"mailbox,digest,verdict\n{OWNER},{'e' * 64},genuine\n")
    with closing(sqlite3.connect(ledger)) as connection:
        (uid,) = connection.execute("SELECT uid FROM findings WHERE run_id = 2 LIMIT 1").fetchone()
    filled = {"{labels}": (str(tmp_path / "labels.csv"),), "{uid}": (str(uid),), "{reach}": reach}
    wrong: dict[str, str] = {}
    for name, (words, says) in ACTS.items():
        if "{reach}" in words and "CLEANUP_LEDGER" not in os.environ:
            continue  # slow, and once is enough: they all take their settings in one way
        line = [*name.split(), *(word for some in words for word in filled.get(some, (some,))), *option]
        said = _run(line, capsys)
        if says not in said:
            wrong[name] = said
    assert wrong == {}
    assert sorted(tmp_path.rglob("*.sqlite")) == [ledger]
    assert [load_frames(option[1] if option else None).runs.empty, find_ledger((), *option[1:])] == [True, str(ledger)]


def _run(line: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    error = ""
    try:
        with contextlib.suppress(SystemExit):
            program(line)(line, standalone_mode=False)
    except CleanupError as raised:
        error = str(raised)
    return "".join(capsys.readouterr()) + error


def test_where_profiles_differ_nothing_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[mailboxes.anna]\naddress = "anna@x.test"\nledger = "/a"\n[mailboxes.ben]\naddress = "ben@x.test"\n'
        'ledger = "postgresql://ben:secret@db/b"\n'
    )

    with pytest.raises(UsageError, match=r"/a \(anna\), postgresql://ben:\*\*\*@db/b \(ben\).*--ledger"):
        find_ledger((), None, file)
    with pytest.raises(UsageError, match="different ledgers"):
        find_ledger(("anna", "ben"), None, file, may_be_new=True)
    assert find_ledger(("anna",), None, file, may_be_new=True) == "/a"
    monkeypatch.setenv("CLEANUP_LEDGER", "/everybody's")
    assert find_ledger(("anna", "ben"), None, file, may_be_new=True) == "/everybody's"
    assert find_ledger(("anna", "ben"), "/mine", file, may_be_new=True) == "/mine"


def test_a_notebook_that_mistypes_a_path_or_a_mailbox_is_told_so(annas_ledger: Path, tmp_path: Path) -> None:
    for look in (load_frames, open_ledger):
        with pytest.raises(UsageError, match="There is no ledger"):
            look(tmp_path / "mistyped.sqlite")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match=r"knows no mailbox ana\.berg@example\.org.*Did you mean anna\.berg@example"):
        load_frames(annas_ledger, "ana.berg@example.org")
    assert len(load_frames(annas_ledger, "Anna.Berg@Example.ORG").runs) == 2
