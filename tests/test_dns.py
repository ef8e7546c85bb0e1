"""Network evidence against a real DNS server, and against ones that are dead, failing or lying."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanup.detector.evidence.dns_questions import blocklist_names, keys_wanted
from cleanup.detector.verdict import judge
from cleanup.dns import answers_for
from cleanup.dns.network import Network, read_keys
from cleanup.errors import UsageError
from cleanup.model import Finding, Kind, Notice, Policy, Verdict
from tests.detector.evidence.test_authentication import NAME, public_record, signed
from tests.detector.judging import ANNA, ARRIVED, WRITTEN, a_notice, a_returned, a_sent_index, rules_of
from tests.servers.nameserver import ZONE, Lie, answering, failing, lying_nameserver, rbldnsd

HANDED_OVER = (
    "from mx.far.test (mx.far.test [198.51.100.7]) by in.example.org (Postfix); Mon, 14 Sep 2026 09:01:00 +0000",
)


def _asking(port: int, **changes: object) -> Network:
    asking = Network(dkim=True, dnsbl=True, nameservers=("127.0.0.1",), port=port, timeout_s=15)
    return replace(asking, **changes)  # type: ignore[arg-type]


def _notice(raw: bytes | None = None) -> Notice:
    returned = a_returned(message_id="m1@example.org", raw=raw or signed(), to=("victim@far.test",), date=WRITTEN)
    return replace(a_notice(returned), received=HANDED_OVER)


def _judged(notice: Notice, network: Network) -> Finding:
    answers = answers_for([notice], ANNA, Policy(), network)
    return judge(notice, a_sent_index(), ANNA, Policy(), arrived=ARRIVED, dns_answers=answers)


# --- what is asked --------------------------------------------------------------------------------------------------


def test_nothing_is_asked_unless_it_is_switched_on() -> None:
    with lying_nameserver(answering("127.0.0.2")) as (port, asked):
        assert answers_for([_notice()], ANNA, Policy(), _asking(port, dkim=False, dnsbl=False)) == {}
        assert asked == []


def test_only_keys_of_the_owners_own_domains_are_asked_for() -> None:
    stranger = signed().replace(b"d=example.org", b"d=attacker.test")

    assert keys_wanted([_notice()], ANNA) == {NAME}
    assert keys_wanted([_notice(stranger)], ANNA) == frozenset()


def test_a_selector_that_is_no_name_is_not_asked_for() -> None:
    odd = signed().replace(b"s=s1", b"s=a b..%00")

    assert keys_wanted([_notice(odd)], ANNA) == frozenset()


def test_the_blocklist_is_asked_of_bounces_only_and_only_for_the_public_host_that_handed_over() -> None:
    bounce = _notice()

    assert blocklist_names([bounce], ZONE) == {f"7.100.51.198.{ZONE}"}
    assert blocklist_names([replace(bounce, kind=Kind.AUTO_REPLY)], ZONE) == frozenset()
    inside = ("from in (in [10.0.0.3]) by mail.example.org; Mon, 14 Sep 2026 09:01:00 +0000",)
    assert blocklist_names([replace(bounce, received=inside)], ZONE) == frozenset()
    both = blocklist_names([replace(bounce, received=(*inside, *HANDED_OVER))], ZONE)
    assert both == {f"7.100.51.198.{ZONE}"}


# --- a real server --------------------------------------------------------------------------------------------------


@pytest.mark.server
def test_a_key_from_dns_proves_that_the_owner_sent_it() -> None:
    short = rsa.generate_private_key(65537, 1024)  # rbldnsd serves texts of 255 characters
    with rbldnsd((), {"s1._domainkey.example": public_record(short)}) as port:
        finding = _judged(_notice(signed(by=short)), _asking(port))

    assert finding.verdict is Verdict.GENUINE
    assert "dkim.owner" in rules_of(finding)


def test_a_key_in_several_strings_is_put_together() -> None:
    record = public_record()
    strings = " ".join(f'"{record[at : at + 200]}"' for at in range(0, len(record), 200))
    with lying_nameserver(answering(strings, kind="TXT")) as (port, _):
        assert "dkim.owner" in rules_of(_judged(_notice(), _asking(port)))


@pytest.mark.server
def test_a_listed_host_is_said_and_changes_nothing() -> None:
    with rbldnsd(("198.51.100.7",), {}) as port:
        listed = _judged(_notice(b"x"), _asking(port))
        apart = _judged(_notice(b"x"), Network())

    assert "dnsbl.backscatterer" in rules_of(listed)
    assert (listed.verdict, listed.row) == (apart.verdict, apart.row)


@pytest.mark.server
def test_a_host_that_is_not_listed_is_not_said() -> None:
    with rbldnsd(("198.51.100.8",), {}) as port:
        assert "dnsbl.backscatterer" not in rules_of(_judged(_notice(b"x"), _asking(port)))


@pytest.mark.server
def test_a_zone_without_the_test_entry_is_not_believed() -> None:
    with rbldnsd(("198.51.100.7",), {}, test_entry=False) as port:
        assert "dnsbl.backscatterer" not in rules_of(_judged(_notice(b"x"), _asking(port)))


# --- servers that are dead, failing or lying: the verdict is as without them ----------------------------------------

LIES: dict[str, Lie] = {
    "lists everything": answering("127.0.0.2"),
    "answers with public addresses": answering("198.51.100.1"),
    "no such name": failing(3),
    "server failure": failing(2),
    "refused": failing(5),
    "silent": lambda query: None,
    "garbage": lambda query: b"\x00" * 40,
    "a text that is no key": answering('"v=DKIM1; p=!!!"', kind="TXT"),
    "an endless text": answering(" ".join(['"' + "x" * 250 + '"'] * 100), kind="TXT"),
    "a hundred texts": answering(*[f'"k{n}"' for n in range(100)], kind="TXT"),
    "somebody else's key": answering('"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ"', kind="TXT"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_dns_that_is_dead_or_lies_moves_nothing_and_spares_nothing(lie: Lie) -> None:
    with lying_nameserver(lie) as (port, asked):
        began = time.monotonic()
        finding = _judged(_notice(), _asking(port, timeout_s=0.5))
        took_s = time.monotonic() - began

    apart = _judged(_notice(), Network())
    assert asked
    assert took_s < 20
    assert (finding.verdict, finding.row) == (apart.verdict, apart.row)


def test_a_run_never_waits_longer_for_dns_than_its_budget() -> None:
    with lying_nameserver(lambda query: None) as (port, _):
        network = _asking(port, timeout_s=2, budget_s=1)
        notices = [_notice(signed().replace(b"s=s1", b"s=s%d" % n)) for n in range(60)]
        began = time.monotonic()
        answers = answers_for(notices, ANNA, Policy(), network)

    assert answers == {}
    assert time.monotonic() - began < 12  # all that may be asked would take 16


# --- keys from a file -----------------------------------------------------------------------------------------------


def test_keys_come_from_a_file_too_and_need_no_dns(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f'# retired\n\n{NAME.upper()}. "{public_record()}"\n')

    finding = _judged(_notice(), Network(keys=read_keys(tmp_path / "keys")))

    assert "dkim.owner" in rules_of(finding)


@pytest.mark.parametrize("content", [None, b"", b"# only a comment\n", b"\xff\xfe"])
def test_a_file_without_keys_is_a_usage_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "keys").write_bytes(content)

    with pytest.raises(UsageError):
        read_keys(tmp_path / "keys")
