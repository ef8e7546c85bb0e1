"""Where a setting comes from: option, environment, profile, [defaults], built in, in this order."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cleanup.config import MailboxSettings, identity_of, load_mailbox, policy_of, read_config_file, shared_ledger
from cleanup.errors import ConfigurationError, UsageError

# Each step of the ladder sets the inbox (a plain value) and the most moves (inside a table).
STEPS = ("built in", "[defaults]", "profile", "environment", "option")


def _loaded(steps: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch) -> MailboxSettings:
    """Return anna's settings where the named steps set something, each its own."""
    text = ""
    if "[defaults]" in steps:
        text += '[defaults]\ninbox = "[defaults]"\n[defaults.policy]\nmax_moves = 1\nqueue_lifetime_days = 3\n'
    text += '[mailboxes.anna]\naddress = "anna@example.org"\n'
    if "profile" in steps:
        text += 'inbox = "profile"\n[mailboxes.anna.policy]\nmax_moves = 2\nmax_share = 0.4\n'
    if "environment" in steps:
        monkeypatch.setenv("CLEANUP_INBOX", "environment")
        monkeypatch.setenv("CLEANUP_POLICY__MAX_MOVES", "3")
    options: dict[str, Any] = {"inbox": "option", "policy": {"max_moves": 4}} if "option" in steps else {}
    (folder / "config.toml").write_text(text)
    return load_mailbox("anna", config=folder / "config.toml", options=options)


@pytest.mark.parametrize("highest", range(1, len(STEPS)))
def test_the_highest_step_that_sets_a_value_wins(highest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _loaded(STEPS[: highest + 1], tmp_path, monkeypatch)

    assert settings.inbox == STEPS[highest]
    assert settings.policy.max_moves == highest


@pytest.mark.parametrize("lower", range(len(STEPS) - 1))
def test_an_option_wins_over_each_lower_step_alone(lower: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _loaded((STEPS[lower], "option"), tmp_path, monkeypatch)

    assert (settings.inbox, settings.policy.max_moves) == ("option", 4)


def test_where_nothing_is_set_the_built_in_value_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _loaded((), tmp_path, monkeypatch)

    assert (settings.inbox, settings.policy.max_moves) == ("INBOX", 500)


def test_tables_merge_key_by_key_over_all_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of(_loaded(STEPS, tmp_path, monkeypatch))

    assert (policy.queue_lifetime.days, policy.max_share, policy.max_moves) == (3, 0.4, 4)


def test_an_option_that_was_not_given_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[mailboxes.a]\naddress = "a@example.org"\nsent_folders = ["Gesendet"]\n')

    settings = load_mailbox("a", config=tmp_path / "config.toml", options={"host": None, "sent_folders": ()})

    assert settings.sent_folders == ("Gesendet",)


def test_a_profile_is_found_by_its_address_too(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[mailboxes.a]\naddress = "Anna@Example.org"\nhost = "imap.example.org"\n')

    assert load_mailbox("anna@example.ORG", config=tmp_path / "config.toml").host == "imap.example.org"


def test_a_name_that_is_nobody_is_refused_with_the_nearest_profile(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[mailboxes.anna]\naddress = "anna@example.org"\n')

    with pytest.raises(UsageError, match="Did you mean 'anna'"):
        load_mailbox("ana", config=tmp_path / "config.toml")


def test_a_named_file_that_is_missing_is_refused_and_the_usual_one_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEANUP_CONFIG", str(tmp_path / "none.toml"))
    assert read_config_file() == {}

    with pytest.raises(ConfigurationError, match="There is no configuration file"):
        read_config_file(tmp_path / "none.toml")


def test_the_mailboxs_own_address_is_always_the_owners(tmp_path: Path) -> None:
    settings = load_mailbox("anna@example.org", options={"identity": {"addresses": ("Berg@Example.org",)}})

    assert identity_of(settings).addresses == {"anna@example.org", "berg@example.org"}


def test_a_file_that_was_changed_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[mailboxes.anna]\naddress = "anna@example.org"\n')
    before = load_mailbox("anna", config=file)

    file.write_text('[mailboxes.anna]\naddress = "anna@example.com"\n')

    assert before.address == "anna@example.org"
    assert load_mailbox("anna", config=file).address == "anna@example.com"


def test_every_path_of_the_file_is_taken_from_where_the_file_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "etc" / "config.toml"
    file.parent.mkdir()
    file.write_text(
        '[defaults]\nca_file = "ca.pem"\nledger = "ledger.sqlite"\n[mailboxes.anna]\naddress = "anna@example.org"\n'
        'password_file = "secret"\n[mailboxes.anna.identity]\nsrs_key_files = ["a.key", "/b.key"]\n'
        '[mailboxes.anna.network]\ndkim_keys = "~/keys"\n'
    )
    monkeypatch.chdir(tmp_path)
    for named in (file, Path("etc/config.toml")):
        settings = load_mailbox("anna", config=named)

        assert (settings.password_file, settings.ca_file) == (file.parent / "secret", file.parent / "ca.pem")
        assert settings.identity.srs_key_files == (file.parent / "a.key", Path("/b.key"))
        assert settings.network.dkim_keys == Path.home() / "keys"
        assert settings.ledger == str(file.parent / "ledger.sqlite") == shared_ledger(named)
    assert load_mailbox("anna", config=file, options={"password_file": Path("mine")}).password_file == Path("mine")


def test_a_ledger_that_lay_where_commands_were_started_is_not_left_behind_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "config.toml"
    file.write_text('[mailboxes.anna]\naddress = "anna@example.org"\nledger = "ledger.sqlite"\n')
    (tmp_path / "ledger.sqlite").touch()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match=f"whole path into the file: {tmp_path}/ledger.sqlite"):
        load_mailbox("anna", config=file)
    with pytest.raises(ConfigurationError, match="looked for beside"):
        shared_ledger(file)


@pytest.mark.parametrize("written", ["2026-01-01", "2026-01-01T00:00:00", "2026-01-01T02:00:00+02:00", '"2026-01-01"'])
@pytest.mark.parametrize("key", ["identity.tagged_since", "sent_complete_since"])
def test_a_moment_is_one_in_utc_however_it_is_written(key: str, written: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[mailboxes.anna]\naddress = "anna@example.org"\n{key} = {written}\n')
    settings = load_mailbox("anna", config=file)

    moment = identity_of(settings).tagged_since if "tagged" in key else settings.sent_complete_since
    assert moment == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ("chmod o+w", "its mode is 0606.*chmod go-w"),
        ("chmod g+w, nobody's group", "its mode is 0660.*chmod go-w"),
        ("chown", "it belongs to nobody"),
    ],
)
def test_a_file_that_others_can_write_is_refused(others: str, says: str, tmp_path: Path) -> None:
    """Its password_command would be run in the name of whoever reads it."""
    file = tmp_path / "config.toml"
    file.write_text('[mailboxes.anna]\naddress = "anna@example.org"\npassword_command = "touch /tmp/x"\n')
    file.chmod({"chmod o+w": 0o606, "chown": 0o600}.get(others, 0o660))
    if others != "chmod o+w":
        try:
            nobody = pwd.getpwnam("nobody")
            os.chown(file, nobody.pw_uid if others == "chown" else -1, nobody.pw_gid)
        except PermissionError:
            pytest.skip("only root gives files away")

    with pytest.raises(ConfigurationError, match=f"not yours alone to write.*{says}"):
        load_mailbox("anna", config=file)


def test_a_file_that_a_group_of_ones_own_can_write_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[mailboxes.anna]\naddress = "anna@example.org"\n')
    file.chmod(0o660)
    me = pwd.getpwuid(os.geteuid())
    if grp.getgrgid(me.pw_gid).gr_name != me.pw_name:
        pytest.skip("this user has no group of its own")
    os.chown(file, -1, me.pw_gid)

    assert load_mailbox("anna", config=file).address == "anna@example.org"


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a folder", "nested", "a number without end"])
def test_what_is_no_configuration_file_is_named_at_once(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    if kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(file))
    elif kind == "a folder":
        file.mkdir()
    else:
        file.write_text("defaults = " + ("[" * 100_000 if kind == "nested" else "9" * 10_000))

    with pytest.raises(ConfigurationError):
        load_mailbox("anna", config=file)
    assert read_config_file(Path("/dev/null")) == {}
