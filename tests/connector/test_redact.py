"""A secret is hidden in whatever form it comes back."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.connector.redact import HIDDEN, Redactor

SECRET = 'pä"ss\\w0rd & more'


@pytest.mark.parametrize(
    "form",
    [SECRET, SECRET.replace("\\", "\\\\").replace('"', '\\"'), repr(SECRET)[1:-1], repr(SECRET.encode())[2:-1]],
)
def test_plain_and_quoted_forms_are_hidden(form: str) -> None:
    assert Redactor(SECRET)(f"NO LOGIN anna {form} failed") == f"NO LOGIN anna {HIDDEN} failed"


@given(st.text(max_size=20), st.text(max_size=20))
def test_base64_forms_are_hidden_wherever_the_secret_stands(before: str, after: str) -> None:
    encoded = base64.b64encode(f"{before}\0{SECRET}{after}".encode()).decode()

    assert HIDDEN in Redactor(SECRET)(encoded)


def test_a_secret_of_two_letters_does_not_black_out_the_text() -> None:
    assert Redactor("ab")("absolutely") == "absolutely"
