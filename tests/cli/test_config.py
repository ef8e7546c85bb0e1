"""`config init`, `config show` and `config validate`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.command import cleanup
from tests.servers.running import RunningServer

FILE = """
[defaults]
ca_file = "/etc/ours.pem"
[defaults.policy]
max_moves = 50

[mailboxes.anna]
address = "anna@example.org"
host = "imap.example.org"
[mailboxes.anna.policy]
name = "storm"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(FILE)
    return tmp_path / "config.toml"


def test_every_value_says_where_it_came_from(file: Path) -> None:
    done = cleanup(
        *("config", "show", "anna", "--config", file, "--format", "json"),
        CLEANUP_PORT="1993",
        CLEANUP_POLICY__MAX_SHARE="0.5",
    )

    shown = json.loads(done.out)
    assert shown["host"] == {"value": "imap.example.org", "origin": "profile"}
    assert shown["ca_file"] == {"value": "/etc/ours.pem", "origin": "[defaults]"}
    assert shown["policy.max_moves"] == {"value": 50, "origin": "[defaults]"}
    assert shown["policy.name"] == {"value": "storm", "origin": "profile"}
    assert shown["port"] == {"value": 1993, "origin": "environment CLEANUP_PORT"}
    assert shown["policy.max_share"] == {"value": 0.5, "origin": "environment CLEANUP_POLICY__MAX_SHARE"}
    assert shown["inbox"] == {"value": "INBOX", "origin": "built in"}


def test_the_table_shows_origins_on_request(file: Path) -> None:
    assert "[defaults]" in cleanup("config", "show", "anna", "--origin", "--config", file).out
    assert "[defaults]" not in cleanup("config", "show", "anna", "--config", file).out


def test_a_good_file_is_said_to_be_in_order(file: Path) -> None:
    done = cleanup("config", "validate", "--config", file)

    assert (done.code, done.err) == (0, f"{file} is in order.\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[mailboxes.anna]\naddress = "a@b.test"\nhots = "x"\n', "Did you mean 'host'?"),
        (
            '[mailboxes.anna]\naddress = "a@b.test"\n[mailboxes.anna.policy]\nmax_move = 3\n',
            "Did you mean 'max_moves'?",
        ),
        ('[mailbox.anna]\naddress = "a@b.test"\n', "Did you mean 'mailboxes'?"),
        ('[mailboxes.anna]\naddress = "nobody"\n', "is not an e-mail address"),
        ("[mailboxes.anna\n", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest_known_key(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.toml").write_text(text)

    done = cleanup("config", "validate", "--config", tmp_path / "config.toml")

    assert done.code == 2
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_two_bad_profiles_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[mailboxes.a]\naddress = "x"\n[mailboxes.b]\naddress = "y"\n')

    assert len(cleanup("config", "validate", "--config", tmp_path / "c.toml").err.splitlines()) == 2


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[mailboxes.a]\naddress = "x"\nhots = "y"\nport = 0\n[mailboxes.a.policy]\nmax_share = 7\n'
        '[mailboxes.b]\naddress = "b@example.org"\n[mailboxes.b.identity]\nhmac_key_files = ["none.key"]\n'
    )

    said = cleanup("config", "validate", "--config", tmp_path / "c.toml").err.splitlines()

    assert len(said) == 5
    for word in ("address", "'hots'", "port", "policy.max_share", "none.key"):
        assert sum(word in line for line in said) == 1, word
    (tmp_path / "c.toml").write_text("[defaults]\nhots = 1\n")
    assert "hots" in cleanup("config", "validate", "--config", tmp_path / "c.toml").err


def test_init_tries_the_login_and_writes_what_only_the_owner_can_read(embedded: RunningServer, tmp_path: Path) -> None:
    file, account = tmp_path / "deep" / "config.toml", embedded.new_account()
    (tmp_path / "secret").write_text(embedded.password)
    (tmp_path / "secret").chmod(0o600)
    reach = ("--host", "127.0.0.1", "--port", embedded.port, "--security", "plain", "--username", account.username)

    done = cleanup(
        *("config", "init", "--address", "Anna@Example.org", "--name", "anna", *reach, "--config", file),
        *("--password-file", tmp_path / "secret", "--outbound-host", "192.0.2.10"),
    )

    assert done.code == 0, done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cleanup("config", "validate", "--config", file).code == 0
    shown = json.loads(cleanup("config", "show", "anna", "--config", file, "--format", "json").out)
    assert shown["identity.outbound_hosts"]["value"] == ["192.0.2.10"]
    assert cleanup("scan", "anna", "--config", file).code == 0
    again = cleanup(
        "config", "init", "--address", "a@b.test", "--name", "anna", "--host", "h", "--no-test", "--config", file
    )
    assert (again.code, "already" in again.err) == (2, True)


def test_init_writes_nothing_where_the_login_fails(embedded: RunningServer, tmp_path: Path) -> None:
    reach = ("--host", "127.0.0.1", "--port", embedded.port, "--security", "plain", "--username", "user0")

    done = cleanup(
        *("config", "init", "--address", "a@b.test", *reach, "--config", tmp_path / "c.toml"), CLEANUP_PASSWORD="wrong"
    )

    assert done.code == 13
    assert not (tmp_path / "c.toml").exists()


@pytest.mark.parametrize("name", ["a b", "ä", 'a"b', "a.b", "a]b"])
def test_any_name_can_be_a_profile(name: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"

    cleanup("config", "init", "--address", "a@b.test", "--name", name, "--host", "h", "--no-test", "--config", file)

    assert cleanup("config", "show", name, "--config", file).code == 0
