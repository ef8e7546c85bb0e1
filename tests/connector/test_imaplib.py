"""What client.py stands on in imaplib and imapclient without their promise: where it changes, this says what did.

imaplib has no interface for reading with a deadline or for sending several commands; so the connector goes through
parts that their authors may change. What they are like is asked of every Python that this machine has.
"""

from __future__ import annotations

import imaplib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient, imap_utf7, response_parser

from cleanup.connector.client import BoundedImap, converse, heard, new_budget, send_at_once
from tests.connector import imaplib_facts
from tests.connector.test_lies import account
from tests.servers.lying import lying_server

ROOT = Path(__file__).parents[2]
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")  # that pyproject.toml admits and are out
PARAMETERS = {
    "__init__": ["self", "host", "port", "timeout"],
    "open": ["self", "host", "port", "timeout"],
    "read": ["self", "size"],
    "readline": ["self"],
    "send": ["self", "data"],
    "shutdown": ["self"],
    "_command_complete": ["self", "name", "tag"],
    "_get_capabilities": ["self"],
    "_get_response": ["self"],
    "_new_tag": ["self"],
    "_simple_command": ["self", "name", "args"],
}


@pytest.fixture(scope="module", params=sorted({HERE, *VERSIONS}))
def facts(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the imaplib of each Python on this machine is like."""
    if request.param == HERE:
        return imaplib_facts.facts()
    python = shutil.which(f"python{request.param}") or pytest.skip(f"no Python {request.param} on this machine")
    told = subprocess.run([python, imaplib_facts.__file__], capture_output=True, text=True, check=False)
    if told.returncode and "Traceback" not in told.stderr:  # a name that a version manager puts in the PATH
        pytest.skip(f"no Python {request.param} behind {python}")
    return dict(json.loads(told.stdout))


def test_what_we_call_or_replace_takes_what_it_took(facts: dict[str, Any]) -> None:
    """Further parameters may follow: 3.14 gave _get_response one, for its own IDLE."""
    found = {name: taken[: len(PARAMETERS[name])] for name, taken in facts["parameters"].items()}

    assert found == PARAMETERS


def test_imaplib_reads_through_what_we_replace(facts: dict[str, Any]) -> None:
    """All that comes from the server comes by read() and readline(), and nothing by a file that imaplib has itself."""
    assert facts["reads_a_file"] == []
    assert facts["calls_on_connecting"] == ["_get_capabilities", "_get_response"]


def test_answers_are_kept_where_we_look_for_them(facts: dict[str, Any]) -> None:
    assert {"state", "tagged_commands", "untagged_responses"} <= set(facts["attributes"])
    assert facts["keeps_answers_by_name"]


def test_the_errors_are_told_apart(facts: dict[str, Any]) -> None:
    assert facts["abort_is_an_error"]
    assert facts["readonly_is_an_abort"]


def test_imaplib_wants_one_of_these_versions(facts: dict[str, Any]) -> None:
    """A server that speaks IMAP4rev2 alone is presented as the first (BoundedImap._get_capabilities)."""
    assert "IMAP4REV1" in facts["versions"]


@pytest.mark.parametrize(
    ("was", "becomes", "fact"),
    [
        ("def _new_tag(self)", "def _new_tag(self, command)", "parameters"),
        ("line = self.readline()", "line = self._file.readline()", "reads_a_file"),
        ("class abort(error)", "class abort(Exception)", "abort_is_an_error"),
        ("AllowedVersions = ('IMAP4REV1', ", "AllowedVersions = (", "versions"),
        ("self.tagged_commands = {}", "self._tagged = {}", "attributes"),
        ("self.untagged_responses\n", "self._untagged\n", "keeps_answers_by_name"),
    ],
)
def test_a_change_of_imaplib_is_noticed(tmp_path: Path, was: str, becomes: str, fact: str) -> None:
    """Each against an imaplib that was changed in just this."""
    own = Path(imaplib.__file__).read_text(encoding="utf-8")
    assert was in own
    (tmp_path / "imaplib.py").write_text(own.replace(was, becomes), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {[str(tmp_path), str(ROOT)]!r}\n"
         "from tests.connector import imaplib_facts as facts; print(facts.json.dumps(facts.facts()))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert json.loads(told.stdout)[fact] != imaplib_facts.facts()[fact]


def test_a_connection_keeps_what_we_read_of_it() -> None:
    with lying_server() as server:
        who = account(server)
        imap = BoundedImap(who, new_budget(5, 1 << 20), None)  # type: ignore[arg-type] # no TLS here
        try:
            assert imap.state == "NONAUTH"
            assert isinstance(imap.capabilities, tuple)
            assert "MOVE" in imap.capabilities
            assert isinstance(imap.untagged_responses, dict)
            tags = send_at_once(imap, [b"NOOP", b"CAPABILITY"])
            assert [re.fullmatch(rb"[A-Z]{4}\d+", tag) is not None for tag in tags] == [True, True]
            assert set(tags) <= set(imap.tagged_commands)
            assert heard(imap, "NOOP", tags[0])[0] == "OK"
            assert heard(imap, "CAPABILITY", tags[1])[0] == "OK"
            assert imap.untagged_responses["CAPABILITY"][-1].startswith(b"IMAP4rev1")
            assert not set(tags) & set(imap.tagged_commands)
            with pytest.raises(imaplib.IMAP4.error, match="BAD"):
                converse(imap, "NONSENSE", (b"NONSENSE",), None)
        finally:
            imap.shutdown()


def test_imapclient_makes_its_connection_where_we_put_ours() -> None:
    taken: dict[str, Any] = {}

    class Made(Exception):
        pass

    class Client(IMAPClient):  # type: ignore[misc]
        def _create_IMAP4(self) -> object:  # noqa: N802 - imapclient's name
            taken["here"] = True
            raise Made

    with pytest.raises(Made):
        Client("127.0.0.1", port=1, ssl=False)
    assert taken == {"here": True}
    assert {"_set_read_timeout", "plain_login", "sasl_login"} <= set(dir(IMAPClient))


def test_imapclients_readers_read_what_they_read() -> None:
    told = response_parser.parse_fetch_response([b"1 (UID 5 FLAGS (a))"], normalise_times=False, uid_is_key=False)

    assert {number: dict(values) for number, values in told.items()} == {1: {b"SEQ": 1, b"UID": 5, b"FLAGS": (b"a",)}}
    assert response_parser.parse_response([b'(("" "/")) NIL']) == (((b"", b"/"),), None)
    assert imap_utf7.encode("Entwürfe") == b"Entw&APw-rfe"
    assert imap_utf7.decode(b"Entw&APw-rfe") == "Entwürfe"
