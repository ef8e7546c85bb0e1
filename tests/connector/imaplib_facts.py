"""What client.py stands on in imaplib, told by the Python that runs this: standard library alone, so that any can.

`python3.13 tests/connector/imaplib_facts.py` prints it as JSON; test_imaplib.py says what it has to be.
"""

from __future__ import annotations

import imaplib
import inspect
import json
import re
from typing import Any

# What BoundedImap replaces, and what it and the functions beside it call.
REPLACED = ("__init__", "open", "read", "readline", "send", "shutdown", "_get_capabilities", "_get_response")
CALLED = ("_command_complete", "_new_tag", "_simple_command")
# The ways through which answers come: if one of them read from a file of imaplib's own, ours would not see it.
READING = ("_get_line", "_get_response", "_connect", "_get_capabilities", "_command_complete")
_OWN_FILE = re.compile(r"self\._?(?:file|readbuf)\b|self\.sock\.recv")


def facts() -> dict[str, Any]:
    """Return what this Python's imaplib is like."""
    imap = imaplib.IMAP4
    connect = inspect.getsource(imap._connect)  # type: ignore[attr-defined] # its authors' own
    return {
        "parameters": {name: list(inspect.signature(getattr(imap, name)).parameters) for name in (*REPLACED, *CALLED)},
        "reads_a_file": [name for name in READING if _OWN_FILE.search(inspect.getsource(getattr(imap, name)))],
        "calls_on_connecting": sorted(set(re.findall(r"self\.(_get_response|_get_capabilities)\(", connect))),
        "abort_is_an_error": issubclass(imap.abort, imap.error),
        "readonly_is_an_abort": issubclass(imap.readonly, imap.abort),
        "versions": list(imaplib.AllowedVersions),
        "attributes": sorted(
            name
            for name in ("state", "tagged_commands", "untagged_responses", "tagnum", "is_readonly")
            if f"self.{name} =" in inspect.getsource(imap.__init__)
        ),
        "keeps_answers_by_name": "self.untagged_responses" in inspect.getsource(imap._append_untagged),  # type: ignore[attr-defined]
    }


if __name__ == "__main__":
    print(json.dumps(facts()))
