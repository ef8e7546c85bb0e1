"""Access tokens come from the configured endpoint; a secret goes nowhere else and stands in no error."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanup.connector.credentials import Mechanism, from_text
from cleanup.connector.oauth import (
    MICROSOFT_APP_SCOPE,
    MicrosoftClient,
    google_person,
    google_service_account,
    microsoft_app,
    microsoft_person,
)
from cleanup.errors import CannotConnect, LoginRefused, UsageError
from tests.servers.token_service import TokenService, token_service

SECRET = "client-secret-value"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[TokenService]:
    (tmp_path / "service").mkdir()
    with token_service(tmp_path / "service") as running:
        yield running


@pytest.fixture
def trusting(service: TokenService, monkeypatch: pytest.MonkeyPatch) -> TokenService:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(service.ca_file))
    return service


def client(service: TokenService) -> MicrosoftClient:
    return MicrosoftClient("tenant", "client", authority=service.base, ca_file=service.ca_file)


def private_json(path: Path, content: dict[str, str]) -> Path:
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


# --- Microsoft -----------------------------------------------------------------------------------------------------


def test_an_application_gets_a_token_for_the_mailbox_scope(service: TokenService) -> None:
    credential = microsoft_app(client(service), from_text(SECRET))

    assert credential.read() == "fresh-token"
    assert credential.mechanism is Mechanism.XOAUTH2
    assert service.asked[0]["grant_type"] == "client_credentials"
    assert service.asked[0]["scope"] == MICROSOFT_APP_SCOPE


def test_a_refusal_says_why_and_not_the_secret(service: TokenService) -> None:
    service.answer = {"error": "invalid_client", "error_description": "AADSTS7000215: wrong secret\r\nTrace ID: 1"}

    with pytest.raises(LoginRefused, match="AADSTS7000215") as raised:
        microsoft_app(client(service), from_text(SECRET)).read()

    assert SECRET not in str(raised.value)
    assert "Trace" not in str(raised.value)


def test_a_refusal_that_quotes_the_secret_is_told_without_it(service: TokenService) -> None:
    service.answer = {"error": "invalid_client", "error_description": f"{'x' * 290}{SECRET} is wrong"}

    with pytest.raises(LoginRefused) as raised:
        microsoft_app(client(service), from_text(SECRET)).read()

    assert "client-sec" not in str(raised.value)


def test_a_redirect_to_another_host_is_not_followed(service: TokenService, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with token_service(tmp_path / "other") as other:
        service.redirect_to = f"{other.base}/tenant/token"
        with pytest.raises((LoginRefused, CannotConnect)):
            microsoft_app(client(service), from_text(SECRET)).read()

        assert other.asked == []


def test_a_token_service_with_an_unknown_authority_gets_nothing(service: TokenService) -> None:
    unverified = MicrosoftClient("tenant", "client", authority=service.base)

    with pytest.raises(CannotConnect):
        microsoft_app(unverified, from_text(SECRET)).read()
    assert service.asked == []


def in_base64(content: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def test_a_person_types_a_code_once(service: TokenService, tmp_path: Path) -> None:
    service.answer |= {
        "refresh_token": "refresh",
        "client_info": in_base64({"uid": "user", "utid": "tenant"}),
        "id_token": f"e30.{in_base64({'sub': 'user', 'preferred_username': 'anna@example.org'})}.",
    }
    told: list[str] = []
    cache = tmp_path / "state" / "tokens.json"
    credential = microsoft_person(client(service), cache, told.append)

    assert [credential.read(), credential.read()] == ["fresh-token", "fresh-token"]
    assert told == ["Open https://example.org/code and enter the code ABC-123"]
    assert cache.stat().st_mode & 0o777 == 0o600


def test_an_answer_that_makes_no_sense_is_a_refused_login(service: TokenService, tmp_path: Path) -> None:
    service.answer |= {"id_token": "no token"}

    with pytest.raises(LoginRefused):
        microsoft_person(client(service), tmp_path / "tokens.json", lambda _: None).read()


def test_a_cache_that_others_may_read_is_refused(service: TokenService, tmp_path: Path) -> None:
    cache = tmp_path / "tokens.json"
    cache.write_text("{}")
    cache.chmod(0o644)

    with pytest.raises(UsageError, match="chmod 600"):
        microsoft_person(client(service), cache, lambda _: None).read()


# --- Google --------------------------------------------------------------------------------------------------------


@pytest.fixture
def service_account(trusting: TokenService, tmp_path: Path) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private_json(tmp_path / "account.json", {
        "type": "service_account", "client_email": "robot@project.example", "private_key": pem.decode(),
        "token_uri": f"{trusting.base}/tenant/token", "project_id": "project", "private_key_id": "1",
    })  # fmt: skip


def test_a_service_account_acts_for_a_mailbox(trusting: TokenService, service_account: Path) -> None:
    assert google_service_account(service_account, "anna@example.org").read() == "fresh-token"
    assert "assertion" in trusting.asked[0]


def test_a_google_refusal_is_a_refused_login(trusting: TokenService, service_account: Path) -> None:
    trusting.answer = {"error": "unauthorized_client", "error_description": "no delegation"}

    with pytest.raises(LoginRefused, match="unauthorized_client"):
        google_service_account(service_account, "anna@example.org").read()


def test_a_person_with_a_refresh_token_gets_a_token(trusting: TokenService, tmp_path: Path) -> None:
    path = private_json(tmp_path / "person.json", {
        "type": "authorized_user", "client_id": "c", "client_secret": SECRET, "refresh_token": "r",
        "token_uri": f"{trusting.base}/tenant/token",
    })  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{trusting.base}/tenant/token")

        assert google_person(path).read() == "fresh-token"


def test_a_file_that_is_no_credential_is_named(tmp_path: Path) -> None:
    for make in (google_person, lambda path: google_service_account(path, "anna@example.org")):
        with pytest.raises(UsageError, match=r"nothing\.json"):
            make(private_json(tmp_path / "nothing.json", {})).read()
