"""A secret is hidden in whatever form it comes back."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.connector.folders import printable
from cleanup.connector.quirks import LONGEST_TEXT, error_text, refusal, tidy
from cleanup.connector.redact import HIDDEN, MOST_KEPT, Redactor, hide, remember

SECRET = 'pä"ss\\w0rd & more'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        SECRET.replace("\\", "\\\\").replace('"', '\\"'),
        repr(SECRET)[1:-1],
        repr(SECRET.encode())[2:-1],
        repr(SECRET.encode("latin-1"))[2:-1],
        SECRET.upper(),
        SECRET.encode().hex(),
        urllib.parse.quote(SECRET),
        urllib.parse.quote_plus(SECRET),
        html.escape(SECRET),
        json.dumps(SECRET)[1:-1],
    ],
)
def test_plain_quoted_and_escaped_forms_are_hidden(form: str) -> None:
    assert Redactor(SECRET)(f"NO LOGIN anna {form} failed") == f"NO LOGIN anna {HIDDEN} failed"


@given(st.text(max_size=20), st.text(max_size=20))
def test_base64_forms_are_hidden_wherever_the_secret_stands(before: str, after: str) -> None:
    encoded = base64.b64encode(f"{before}\0{SECRET}{after}".encode()).decode()

    assert HIDDEN in Redactor(SECRET)(encoded)


def test_a_secret_of_two_letters_does_not_black_out_the_text() -> None:
    assert Redactor("ab")("absolutely") == "absolutely"


@given(st.text(min_size=3, max_size=20), st.text(max_size=10), st.text(max_size=10))
def test_no_secret_stands_in_what_is_left_of_a_text(secret: str, before: str, after: str) -> None:
    hidden = Redactor(secret)(before + secret + after)

    assert secret not in hidden.replace(HIDDEN, "\0") or secret in HIDDEN


TOKEN = "ya29." + "t0ken-" * 300


@pytest.mark.parametrize("lead", [0, 290, 1190])
def test_a_secret_is_hidden_before_a_text_is_cut(lead: int) -> None:
    remember(TOKEN)
    text = "x" * lead + TOKEN
    said = (error_text(RuntimeError(text)), tidy(text), str(refusal("MOVE", "NO", text)))

    assert all("t0ken" not in one for one in said)
    assert all(len(one) <= LONGEST_TEXT + 40 for one in said)


def test_blanks_that_the_server_adds_do_not_show_a_secret() -> None:
    remember("my old password")

    assert tidy("NO my  old\tpassword is wrong") == f"NO {HIDDEN} is wrong"


def test_what_was_shown_once_is_hidden_in_folder_names_too() -> None:
    remember("anna")  # the secret of another mailbox
    remember("hunter2-of-anna")
    remember("hunter2")

    assert printable("Sent/hunter2-of-anna") == f'"Sent/{HIDDEN}"'


def test_no_more_secrets_are_kept_than_a_fleet_needs() -> None:
    for number in range(MOST_KEPT + 1):
        remember(f"token-number-{number}-of-many")

    assert hide("token-number-0-of-many") == "token-number-0-of-many"
    assert hide(f"token-number-{MOST_KEPT}-of-many") == HIDDEN
