"""What client.py stands on in imaplib and imapclient without their promise: where it changes, this says what did.

imaplib has no interface for reading with a deadline or for sending several commands; so the connector goes through
parts that their authors may change. Read for 3.11 to 3.14 (Lib/imaplib.py).
"""

from __future__ import annotations

import imaplib
import inspect
import re
from typing import Any

import pytest
from imapclient import IMAPClient, imap_utf7, response_parser

from cleanup.connector.client import BoundedImap, converse, heard, new_budget, send_at_once
from tests.connector.test_lies import account
from tests.servers.lying import lying_server

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


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_we_call_or_replace_takes_what_it_took(name: str) -> None:
    found = list(inspect.signature(getattr(imaplib.IMAP4, name)).parameters)

    assert found[: len(PARAMETERS[name])] == PARAMETERS[name]


@pytest.mark.parametrize("name", ["_get_line", "_get_response", "_connect", "_get_capabilities", "_command_complete"])
def test_imaplib_reads_through_what_we_replace(name: str) -> None:
    """All that comes from the server comes by read() and readline(), and nothing by a file that imaplib has itself."""
    source = inspect.getsource(getattr(imaplib.IMAP4, name))

    assert not re.search(r"self\._?file\b|self\.sock\.recv", source)


def test_the_errors_are_told_apart() -> None:
    assert issubclass(imaplib.IMAP4.abort, imaplib.IMAP4.error)
    assert issubclass(imaplib.IMAP4.readonly, imaplib.IMAP4.abort)


def test_imaplib_wants_one_of_these_versions() -> None:
    """A server that speaks IMAP4rev2 alone is presented as the first (BoundedImap._get_capabilities)."""
    assert "IMAP4REV1" in imaplib.AllowedVersions


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
