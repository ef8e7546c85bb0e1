"""Where a setting comes from: option, environment, profile, [defaults], built in, in this order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cleanup.config import MailboxSettings, identity_of, load_mailbox, policy_of
from cleanup.config.toml_file import read_config_file
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
