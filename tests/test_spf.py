"""SPF against a name server on loopback: what records say (RFC 7208), what it costs, and servers that lie."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.config import NetworkSettings
from cleanup.connector.archive import read_archive
from cleanup.detector.networks import Address
from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.spf import SpfAnswers, SpfQuestions, SpfResult, SpfWord
from cleanup.dns import spf_for
from cleanup.dns.network import Network
from cleanup.dns.spf import ask_spf
from cleanup.ledger import Ledger
from cleanup.ledger.retention import forget
from cleanup.model import DnsLookup, Notice
from tests.cli.command import ANNA as ANNAS_MAILBOX
from tests.cli.command import RULES, cleanup
from tests.detector.judging import ANNA, ARRIVED, NOW, STRANGER, a_notice, a_returned, a_sent_index
from tests.detector.pace import a_million_counted
from tests.examples import examples
from tests.servers.anna import anna_on_a_server
from tests.servers.nameserver import Reply, Zone, nameserver

PASS, FAIL, SILENCE = SpfResult.PASS, SpfResult.FAIL, SpfResult.SILENCE
OWN, STRANGE = "192.0.2.10", "203.0.113.9"
OWN6, STRANGE6 = "2001:db8:5::10", "2001:db8:99::9"

# As they are published, in shape: the owner's records, and the providers' that they include.
ZONE: dict[str, Mapping[str, Sequence[str]]] = {
    "server.test": {
        "TXT": ["google-site-verification=abc", "v=spf1 mx ip4:192.0.2.32/28 -all"],
        "MX": ["10 mail.server.test."],
    },
    "mail.server.test": {"A": [OWN], "AAAA": [OWN6]},
    "workspace.test": {"TXT": ["v=spf1 include:_spf.google.com ~all"]},
    "gmail.com": {"TXT": ["v=spf1 redirect=_spf.google.com"]},
    "_spf.google.com": {
        "TXT": [
            "v=spf1 ip4:74.125.0.0/16 ip4:209.85.128.0/17 ip6:2001:4860:4864::/56 ip6:2404:6800:4864::/56 "
            "ip6:2607:f8b0:4864::/56 ip6:2800:3f0:4864::/56 ip6:2a00:1450:4864::/56 ip6:2c0f:fb50:4864::/56 ~all"
        ]
    },
    "office.test": {"TXT": ["MS=ms12345678", "v=spf1 include:spf.protection.outlook.com -all"]},
    "spf.protection.outlook.com": {
        "TXT": [
            "v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 ip4:52.100.0.0/15 ip4:52.102.0.0/16 ip4:52.103.0.0/17 "
            "ip4:104.47.0.0/17 ip6:2a01:111:f400::/48 ip6:2a01:111:f403::/49 ip6:2a01:111:f403:8000::/50 "
            "include:spfd.protection.outlook.com -all"
        ]
    },
    "spfd.protection.outlook.com": {"TXT": ["v=spf1 ip6:2a01:111:f403:c000::/51 ip6:2a01:111:f403:f000::/52 -all"]},
    "hoster.test": {"TXT": ["v=spf1 a include:_spf.kundenserver.de ~all"], "A": ["203.0.113.77"]},
    "_spf.kundenserver.de": {
        "TXT": ["v=spf1 ip4:212.227.126.128/25 ip4:212.227.15.0/25 ip4:212.227.17.0/27 ip4:217.72.192.64/26 ?all"]
    },
}


def _network(port: int, **changes: object) -> Network:
    network = Network(spf=True, nameservers=("127.0.0.1",), port=port, timeout_s=15)
    return replace(network, **changes)  # type: ignore[arg-type]


def _addresses(*texts: str) -> tuple[Address, ...]:
    return tuple(ip_address(text) for text in texts)


def _ask(zone: Zone, domain: str, *addresses: str, reply: Reply | None = None, **how: object) -> list[SpfWord]:
    """Return what a domain's record in this zone says of these addresses, in their order."""
    with nameserver(zone, reply) as (port, _):
        answers, _ = ask_spf(SpfQuestions({domain: _addresses(*addresses)}), _network(port, **how), NOW)
    return [answers.words[domain, address] for address in _addresses(*addresses)]


def _results(record: str, *addresses: str, others: Zone | None = None) -> list[SpfResult]:
    zone = {"d.test": {"TXT": [record]}, **(others or {})}
    return [word.result for word in _ask(zone, "d.test", *addresses)]


# --- records as they are published ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "address", "result", "named_by", "own"),
    [
        ("server.test", OWN, PASS, "server.test", True),
        ("server.test", OWN6, PASS, "server.test", True),
        ("server.test", "192.0.2.35", PASS, "server.test", True),
        ("server.test", STRANGE, FAIL, "", False),
        ("server.test", STRANGE6, FAIL, "", False),
        ("workspace.test", "209.85.218.47", PASS, "_spf.google.com", False),
        ("workspace.test", "2a00:1450:4864:20::62f", PASS, "_spf.google.com", False),
        ("workspace.test", STRANGE, FAIL, "", False),
        ("gmail.com", "209.85.218.47", PASS, "_spf.google.com", False),
        ("gmail.com", STRANGE, FAIL, "", False),
        ("office.test", "40.107.20.93", PASS, "spf.protection.outlook.com", False),
        ("office.test", "2a01:111:f403:c20f::7", PASS, "spfd.protection.outlook.com", False),
        ("office.test", STRANGE6, FAIL, "", False),
        ("hoster.test", "212.227.126.187", PASS, "_spf.kundenserver.de", False),
        ("hoster.test", "203.0.113.77", PASS, "hoster.test", True),
        ("hoster.test", STRANGE, FAIL, "", False),
    ],
)
def test_records_of_the_big_providers_and_of_own_servers_are_read(
    domain: str, address: str, result: SpfResult, named_by: str, own: bool
) -> None:
    (word,) = _ask(ZONE, domain, address)

    assert (word.result, word.named_by, word.is_own_host) == (result, named_by, own)


def test_what_a_record_holds_is_told_without_any_address() -> None:
    with nameserver(ZONE) as (port, _):
        domains = ("server.test", "office.test", "hoster.test", "gmail.com")
        answers, _ = ask_spf(SpfQuestions(dict.fromkeys(domains, ())), _network(port), NOW)

    told = {d: ([str(n) for n in r.own_networks], sorted(r.included), r.why) for d, r in answers.records.items()}
    assert told == {
        "server.test": (["192.0.2.10/32", "192.0.2.32/28"], [], ""),
        "office.test": ([], ["outlook.com"], ""),
        "hoster.test": (["203.0.113.77/32"], ["kundenserver.de"], ""),
        "gmail.com": ([], ["google.com"], ""),
    }


# --- the language of records ----------------------------------------------------------------------------------------

LISTED: Zone = {
    f"{OWN}.list.d.test": {"A": ["127.0.0.2"]},
    "10.2.0.192.in-addr.list.d.test": {"A": ["127.0.0.2"]},
    "inner.test": {"TXT": [f"v=spf1 ip4:{OWN} -all"]},
    "soft.test": {"TXT": [f"v=spf1 ip4:{OWN} ~all"]},
    "refuses.test": {"TXT": [f"v=spf1 -ip4:{OWN} ip4:192.0.2.0/24 -all"]},
    "mail.d.test": {"A": [OWN], "AAAA": [OWN6]},
    "alias.d.test": {"CNAME": ["mail.d.test."]},
    "ten.test": {"MX": [f"{n} mail.d.test." for n in range(10)]},
}


@pytest.mark.parametrize(
    ("record", "own", "strange"),
    [
        (f"v=spf1 ip4:{OWN} -all", PASS, FAIL),
        (f"V=SPF1 IP4:{OWN} -ALL", PASS, FAIL),
        (f"v=spf1 ip4:{OWN} ~all", PASS, FAIL),
        (f"v=spf1  ip4:{OWN}   -all ", PASS, FAIL),
        (f"v=spf1 ip4:{OWN} ?all", PASS, SILENCE),
        (f"v=spf1 ip4:{OWN}", PASS, SILENCE),
        ("v=spf1 -all", FAIL, FAIL),
        ("v=spf1 +all", SILENCE, SILENCE),
        (f"v=spf1 -ip4:{OWN} +all", SILENCE, SILENCE),
        ("v=spf1 exists:mail.d.test -all", SILENCE, SILENCE),  # whoever asks, it is there
        ("v=spf1 include:everybody.test -all", SILENCE, SILENCE),
        ("v=spf1 a:mail.d.test -all", PASS, FAIL),
        ("v=spf1 a:MAIL.D.test/24//48 -all", PASS, FAIL),
        ("v=spf1 a:alias.d.test -all", PASS, FAIL),
        ("v=spf1 mx:ten.test -all", PASS, FAIL),
        ("v=spf1 include:inner.test -all", PASS, FAIL),
        ("v=spf1 include:soft.test ~all", PASS, FAIL),
        (f"v=spf1 include:refuses.test ip4:{OWN} -all", PASS, FAIL),
        ("v=spf1 include:refuses.test -all", FAIL, FAIL),
        ("v=spf1 redirect=inner.test", PASS, FAIL),
        ("v=spf1 exists:%{i}.list.%{d} -all", PASS, FAIL),
        ("v=spf1 exists:%{ir}.%{v}.list.%{d2} ~all", PASS, FAIL),
        ("v=spf1 exists:%{i}.list.%{o} ?all", PASS, SILENCE),
        (f"v=spf1 ip4:{OWN} ptr -all", PASS, SILENCE),
        (f"v=spf1 ip4:{OWN} exists:%{{p}}.d.test -all", PASS, SILENCE),
        (f"v=spf1 ip4:{OWN} exists:%{{h}}.d.test -all", PASS, SILENCE),
        (f"v=spf1 ip4:{OWN} exists:%{{l}}.d.test -all", PASS, SILENCE),
        (f"v=spf1 ip4:{OWN} exp=why.d.test -all", PASS, FAIL),
        (f"v=spf1 ip4:{OWN} unknown=thing -all", PASS, FAIL),
    ],
)
def test_the_mechanisms_of_records_are_evaluated(record: str, own: SpfResult, strange: SpfResult) -> None:
    others = {**LISTED, "everybody.test": {"TXT": ["v=spf1 +all"]}, "d.test": {"TXT": [record]}}
    results = [word.result for word in _ask(others, "d.test", OWN, STRANGE)]

    assert results == [own, strange]


@pytest.mark.parametrize(
    ("why", "record"),
    [
        ("a word that is none", f"v=spf1 ip4:{OWN} moo -all"),
        ("no address", "v=spf1 ip4:192.0.2.999 -all"),
        ("no network", "v=spf1 ip4:192.0.2.0/33 -all"),
        ("an address for a name", f"v=spf1 a:{OWN} -all"),
        ("commas", f"v=spf1 ip4:{OWN}, -all"),
        ("two redirects", "v=spf1 redirect=inner.test redirect=soft.test"),
        ("a redirect to nowhere", "v=spf1 redirect=nowhere.test"),
        ("an include of nowhere", "v=spf1 include:nowhere.test -all"),
        ("an include of itself", "v=spf1 include:d.test -all"),
        ("letters that are not ASCII", "v=spf1 ip4:192.0.2.10 a:b\\195\\188cher.test -all"),
        ("an unknown macro", "v=spf1 exists:%{z}.d.test -all"),
        ("half a macro", "v=spf1 exists:%{i.d.test -all"),
        ("an empty domain", "v=spf1 include: -all"),
        ("another version", "v=spf2.0/pra ip4:192.0.2.10 -all"),
        ("nothing", "some text"),
    ],
)
def test_a_record_that_is_not_valid_accuses_nobody(why: str, record: str) -> None:
    assert _results(record, STRANGE, STRANGE6, others=LISTED) == [SILENCE, SILENCE]


def test_two_records_say_nothing() -> None:
    zone = {"d.test": {"TXT": [f"v=spf1 ip4:{OWN} -all", "v=spf1 -all"]}}

    assert [word.result for word in _ask(zone, "d.test", OWN, STRANGE)] == [SILENCE, SILENCE]


@pytest.mark.parametrize("zone", [{}, {"d.test": {}}, {"d.test": {"A": [OWN]}}, {"d.test": {"TXT": ["x", "y"]}}])
def test_no_record_says_nothing(zone: Zone) -> None:
    (word,) = _ask(zone, "d.test", STRANGE)

    assert (word.result, word.why) == (SILENCE, "there is no SPF record")


def test_a_record_in_several_strings_is_put_together() -> None:
    record = " ".join(["v=spf1", *(f"ip4:198.51.100.{n}" for n in range(60)), f"ip4:{OWN}", "-all"])
    assert len(record) > 1_000  # more than UDP carries: asked again by TCP

    assert _results(record, OWN, STRANGE) == [PASS, FAIL]


def test_an_endless_record_says_nothing() -> None:
    record = " ".join(["v=spf1", *(f"ip4:198.51.100.{n % 256}" for n in range(400)), f"ip4:{OWN}", "-all"])

    assert _results(record, OWN, STRANGE) == [SILENCE, SILENCE]


def test_a_domain_with_letters_that_are_not_ascii_is_asked_for_in_its_ascii_form() -> None:
    zone = {"xn--bcher-kva.test": {"TXT": [f"v=spf1 ip4:{OWN} -all"]}}

    assert [w.result for w in _ask(zone, "xn--bcher-kva.test", OWN, STRANGE)] == [PASS, FAIL]


# --- limits ---------------------------------------------------------------------------------------------------------


def _chain(length: int) -> dict[str, Mapping[str, Sequence[str]]]:
    """Return records that need so many look-ups: each includes the next, the last names the own host."""
    zone = {f"c{n}.test": {"TXT": [f"v=spf1 include:c{n + 1}.test -all"]} for n in range(length)}
    return {**zone, f"c{length}.test": {"TXT": [f"v=spf1 ip4:{OWN} -all"]}}


def test_ten_look_ups_are_read_and_eleven_are_not() -> None:
    assert [w.result for w in _ask(_chain(10), "c0.test", OWN, STRANGE)] == [PASS, FAIL]
    assert [w.result for w in _ask(_chain(11), "c0.test", OWN, STRANGE)] == [SILENCE, SILENCE]


def test_eleven_look_ups_in_one_record_accuse_nobody_and_spare_whom_the_first_ten_name() -> None:
    hosts = {f"h{n}.test": {"A": [f"198.51.100.{n}"]} for n in range(11)}
    record = " ".join(["v=spf1", *(f"a:{host}" for host in hosts), "-all"])

    assert _results(record, "198.51.100.9", STRANGE, others=hosts) == [PASS, SILENCE]


def test_two_names_that_do_not_exist_are_forgiven_and_three_are_not() -> None:
    two = f"v=spf1 exists:no1.test exists:no2.test ip4:{OWN} -all"

    assert _results(two, OWN, STRANGE) == [PASS, FAIL]
    assert _results(f"v=spf1 exists:no3.test {two[7:]}", OWN, STRANGE) == [SILENCE, SILENCE]


def test_more_than_ten_mail_servers_are_not_read() -> None:
    many: Zone = {"m.test": {"MX": [f"{n} mail.d.test." for n in range(11)]}, "mail.d.test": {"A": [OWN]}}

    assert _results("v=spf1 mx:m.test -all", OWN, STRANGE, others=many) == [SILENCE, SILENCE]


def test_includes_that_go_round_in_circles_end() -> None:
    zone = {"a.test": {"TXT": ["v=spf1 include:b.test -all"]}, "b.test": {"TXT": ["v=spf1 include:a.test -all"]}}
    round_about = {"a.test": {"TXT": ["v=spf1 redirect=b.test"]}, "b.test": {"TXT": ["v=spf1 redirect=a.test"]}}

    for circle in (zone, round_about):
        with nameserver(circle) as (port, asked):
            answers, _ = ask_spf(SpfQuestions({"a.test": _addresses(STRANGE)}), _network(port), NOW)
        assert answers.words["a.test", ip_address(STRANGE)].result is SILENCE
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("networks", "address", "result"),
    [
        ("ip4:8.0.0.0/8", STRANGE, FAIL),
        ("ip4:8.0.0.0/8", "8.1.1.1", PASS),
        ("ip4:8.0.0.0/8 ip4:9.0.0.0/32", STRANGE, SILENCE),
        ("ip4:8.0.0.0/8 ip4:9.0.0.0/32", "8.1.1.1", SILENCE),
        ("ip4:8.0.0.0/8 ip4:8.0.0.0/9", STRANGE, FAIL),
        ("ip4:0.0.0.0/1 ip4:128.0.0.0/1", STRANGE, SILENCE),
        ("a:mail.d.test/7", STRANGE, SILENCE),
        ("ip6:2600::/24", STRANGE6, FAIL),
        ("ip6:2600::/23", STRANGE6, SILENCE),
        ("ip6:2600::/24 ip6:2001:4860::1", STRANGE6, SILENCE),
        ("ip6:::/0", STRANGE6, SILENCE),
        ("ip6:::/0", STRANGE, FAIL),  # of IPv4 it names nobody
    ],
)
def test_a_record_that_names_half_the_internet_says_nothing(networks: str, address: str, result: SpfResult) -> None:
    assert _results(f"v=spf1 {networks} -all", address, others=LISTED) == [result]


def test_addresses_are_told_apart_behind_an_error_too_in_whichever_order_they_are_asked() -> None:
    """The include ends the search for all of 192.0.2.0/24 before it gets to its error; for all others it does not."""
    zone: Zone = {
        "d.test": {"TXT": [f"v=spf1 include:inner.test ip4:{OWN} ~all"]},
        "inner.test": {"TXT": ["v=spf1 -ip4:192.0.2.0/24 include:nowhere.test -all"]},
    }

    for order in ((OWN, "192.0.2.11", STRANGE), (STRANGE, "192.0.2.11", OWN)):
        words = {str(word.address): word.result for word in _ask(zone, "d.test", *order)}
        assert words == {OWN: PASS, "192.0.2.11": FAIL, STRANGE: SILENCE}


def _looked_up(zone: Zone) -> list[DnsLookup]:
    """Return a zone as look-ups of a moment ago, so that nothing need be asked."""
    return [DnsLookup(name, kind, tuple(zone[name][kind]), NOW) for name in zone for kind in zone[name]]


@st.composite
def _zones(draw: st.DrawFn) -> dict[str, Mapping[str, Sequence[str]]]:
    """Draw records of three domains that include each other, with overlapping networks in a small space."""
    qualifier = st.sampled_from(["", "", "", "-", "~", "?"])
    network = st.builds("ip4:192.0.2.{}/{}".format, st.integers(0, 255), st.integers(25, 32))
    hosts = st.sampled_from(["a:h1.test", "a:h2.test/28", "mx:h1.test", "exists:no.test", "moo"])
    below = {"d.test": ["include:i1.test", "include:i2.test"], "i1.test": ["include:i2.test"], "i2.test": []}
    zone: dict[str, Mapping[str, Sequence[str]]] = {
        "h1.test": {"A": ["192.0.2.77"], "MX": ["10 h2.test."]},
        "h2.test": {"A": ["192.0.2.200", "192.0.2.9"]},
        "no.test": {"A": []},
    }
    for domain, includes in below.items():
        mechanism = st.one_of(network, network, hosts, *([st.sampled_from(includes)] if includes else []))
        terms = draw(st.lists(st.builds("{}{}".format, qualifier, mechanism), max_size=5))
        ends = [*(["redirect=i1.test"] if domain == "d.test" else []), "-all", "~all", "?all", ""]
        zone[domain] = {"TXT": [" ".join(["v=spf1", *terms, draw(st.sampled_from(ends))]).strip()]}
    return zone


@given(_zones(), st.permutations([ip_address(f"192.0.2.{n}") for n in range(0, 256, 7)]))
@examples(60)
def test_together_addresses_are_told_what_each_would_be_told_alone(zone: Zone, addresses: list[Address]) -> None:
    kept = _looked_up(zone)
    nothing = _network(9, most_spf_questions=0)

    together, _ = ask_spf(SpfQuestions({"d.test": tuple(addresses)}), nothing, NOW, kept)

    for address in addresses:
        alone, _ = ask_spf(SpfQuestions({"d.test": (address,)}), nothing, NOW, kept)
        assert together.words["d.test", address] == alone.words["d.test", address]


# --- name servers that see another Internet --------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["10.1.2.3", "192.168.0.7"])
def test_a_company_name_server_that_shows_inner_addresses_accuses_nobody(inner: str) -> None:
    zone = {"d.test": {"TXT": [f"v=spf1 mx ip4:{OWN} -all"], "MX": ["10 mx.d.test."]}, "mx.d.test": {"A": [inner]}}

    assert [w.result for w in _ask(zone, "d.test", OWN, STRANGE, STRANGE6)] == [PASS, SILENCE, SILENCE]


def test_a_host_that_is_not_found_here_accuses_nobody() -> None:
    assert _results(f"v=spf1 a:mail.nowhere.test ip4:{OWN} -all", OWN, STRANGE) == [PASS, SILENCE]


def test_a_host_without_ipv6_still_refuses_strangers_of_ipv6() -> None:
    only4: Zone = {"mail.d.test": {"A": [OWN]}}

    assert _results("v=spf1 a:mail.d.test -all", STRANGE6, others=only4) == [FAIL]


# --- what it costs --------------------------------------------------------------------------------------------------


def _many(count: int) -> tuple[Address, ...]:
    return tuple(ip_address(0x2C000000 + n * 9_973) for n in range(count))


def test_ten_thousand_bots_cost_a_dozen_questions_and_hardly_any_time() -> None:
    domains = {domain: _many(10_000) for domain in ("server.test", "office.test", "hoster.test")}
    with nameserver(ZONE) as (port, asked):
        began = time.process_time()
        answers, _ = ask_spf(SpfQuestions(domains), _network(port), NOW)
        effort = (time.process_time() - began) / a_million_counted()

    assert {word.result for word in answers.words.values()} == {FAIL}
    assert len(answers.words) == 30_000
    assert len(asked) <= 12
    assert effort < 100  # times counting to a million: 2 seconds where that takes 0.02


def test_a_record_that_asks_for_each_address_is_asked_only_so_often_and_then_says_nothing() -> None:
    zone = {"d.test": {"TXT": [f"v=spf1 ip4:{OWN} exists:%{{i}}.list.d.test -all"]}}
    with nameserver(zone) as (port, asked):
        addresses = (*_many(1_000), ip_address(OWN))
        network = _network(port, most_spf_questions=50)
        answers, _ = ask_spf(SpfQuestions({"d.test": addresses}), network, NOW)

    results = [answers.words["d.test", address].result for address in addresses]
    assert len(asked) == 50
    assert results.count(FAIL) == 49
    assert results.count(SILENCE) == 951
    assert results[-1] is PASS  # what stands in the record needs no question


def test_two_hundred_questions_are_the_end_of_it_however_many_domains_there_are() -> None:
    zone = {f"d{n}.test": {"TXT": ["v=spf1 exists:%{i}.list.%{d} -all"]} for n in range(8)}
    with nameserver(zone) as (port, asked):
        ask_spf(SpfQuestions({domain: _many(100) for domain in zone}), _network(port), NOW)

    assert len(asked) == 200


def test_each_question_is_asked_once_in_a_run() -> None:
    with nameserver(ZONE) as (port, asked):
        ask_spf(SpfQuestions({"gmail.com": _many(5), "workspace.test": _many(5)}), _network(port), NOW)

    assert sorted(asked) == [("_spf.google.com", "TXT"), ("gmail.com", "TXT"), ("workspace.test", "TXT")]


# --- kept for a day -------------------------------------------------------------------------------------------------


def _twice(then: datetime, *, newest: datetime, second: Zone | None = None) -> tuple[SpfAnswers, list[tuple[str, str]]]:
    """Ask at NOW, and again `then` with what was looked up; return the second answers and what was asked for them."""
    addresses = {"server.test": _addresses(OWN, STRANGE)}
    with nameserver(ZONE) as (port, _):
        _, made = ask_spf(SpfQuestions(addresses, NOW), _network(port), NOW)
    with nameserver(ZONE if second is None else second) as (port, asked):
        answers, _ = ask_spf(SpfQuestions(addresses, newest), _network(port), then, made)
    return answers, asked


def test_what_was_looked_up_is_used_for_a_day() -> None:
    answers, asked = _twice(NOW + timedelta(hours=24), newest=NOW, second={})

    assert asked == []
    assert answers.asked_at == NOW
    assert answers.words["server.test", ip_address(STRANGE)].result is FAIL


def test_after_a_day_it_is_asked_again() -> None:
    later = NOW + timedelta(hours=24, seconds=1)
    answers, asked = _twice(later, newest=NOW)

    assert len(asked) == 3
    assert answers.asked_at == later


def test_mail_that_arrived_since_is_judged_by_a_record_that_was_asked_for_since() -> None:
    """Else whoever adds a service to the record and sends by it is accused on the word of this morning."""
    arrived = NOW + timedelta(minutes=1)
    changed = {"server.test": {"TXT": [f"v=spf1 ip4:{STRANGE} -all"]}}
    answers, asked = _twice(NOW + timedelta(hours=1), newest=arrived, second=changed)

    assert asked == [("server.test", "TXT")]
    assert answers.word("server.test", ip_address(STRANGE), arrived).result is PASS


def test_a_date_in_the_future_does_not_ask_for_ever() -> None:
    _, asked = _twice(NOW, newest=NOW + timedelta(days=3_000), second={})

    assert asked == []


def test_the_ledger_keeps_look_ups_of_each_mailbox_for_a_day_and_forgets_them_with_it() -> None:
    looked_up = DnsLookup("server.test", "TXT", ("v=spf1 -all",), NOW)
    with Ledger.open(":memory:") as ledger:
        memory = ledger.memory("anna@example.org")
        memory.keep_dns_lookups([looked_up, looked_up._replace(kind="MX", values=())], NOW - timedelta(days=1))
        again = looked_up._replace(values=("v=spf1 +all",), at=NOW + timedelta(hours=1))
        memory.keep_dns_lookups([again], NOW - timedelta(hours=23))

        kept = {lookup.kind: lookup for lookup in memory.dns_lookups(NOW)}
        assert kept == {"TXT": again, "MX": looked_up._replace(kind="MX", values=())}
        assert ledger.memory("berta@example.org").dns_lookups(NOW) == []
        with Ledger.open(":memory:") as other:
            assert len(memory.copied_to(other.engine).dns_lookups(NOW)) == 2

        memory.keep_dns_lookups([again._replace(at=NOW + timedelta(days=2))], NOW + timedelta(days=1))
        assert [lookup.at for lookup in memory.dns_lookups(NOW)] == [NOW + timedelta(days=2)]


# --- servers that are dead, slow, or lie: nobody is accused, and nobody waits ----------------------------------------


def _record_for(query: dns.message.Message, text: str) -> dns.message.Message:
    """Return an answer that the whole Internet may not send for whatever was asked."""
    answer = dns.message.make_response(query)
    answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", f'"{text}"'))
    return answer


def _with_another_id(query: dns.message.Message, _: dns.message.Message) -> dns.message.Message:
    answer = _record_for(query, "v=spf1 -all")
    answer.id = (query.id + 1) & 0xFFFF
    return answer


def _to_another_question(query: dns.message.Message, _: dns.message.Message) -> dns.message.Message:
    other = dns.message.make_query("attacker.test", "TXT", id=query.id)
    return _record_for(other, "v=spf1 -all")


def _of_another_name(query: dns.message.Message, _: dns.message.Message) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.answer.append(dns.rrset.from_text("attacker.test.", 60, "IN", "TXT", '"v=spf1 -all"'))
    return answer


def _truncated(_: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
    answer.answer.clear()
    answer.flags |= dns.flags.TC
    return answer


def _refusing(code: int) -> Reply:
    def reply(_: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
        answer.answer.clear()
        answer.set_rcode(dns.rcode.Rcode(code))
        return answer

    return reply


def _slow(query: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
    time.sleep(3)  # later than anybody waits
    return answer


LIARS: dict[str, Reply] = {
    "dead": lambda query, answer: None,
    "slow": _slow,
    "junk": lambda query, answer: b"\x00" * 40,
    "half an answer": lambda query, answer: answer.to_wire()[:20],
    "another id": _with_another_id,
    "another question": _to_another_question,
    "another name": _of_another_name,
    "truncated, and again by TCP": _truncated,
    "server failure": _refusing(2),
    "no such name": _refusing(3),
    "refused": _refusing(5),
    "empty": _refusing(0),
}


@pytest.mark.parametrize("reply", LIARS.values(), ids=LIARS)
def test_a_name_server_that_is_dead_or_lies_accuses_nobody_and_keeps_nobody_waiting(reply: Reply) -> None:
    questions = SpfQuestions(
        {domain: _addresses(OWN, STRANGE, STRANGE6) for domain in ZONE if domain.endswith(".test")}
    )
    with nameserver(ZONE, reply) as (port, asked):
        began = time.monotonic()
        answers, _ = ask_spf(questions, _network(port, timeout_s=0.3, budget_s=1.5), NOW)
        took_s = time.monotonic() - began

    assert asked
    assert {word.result for word in answers.words.values()} == {SILENCE}
    assert took_s < 15


def test_a_truncated_answer_without_tcp_is_no_answer() -> None:
    record = " ".join(["v=spf1", *(f"ip4:198.51.100.{n}" for n in range(60)), "-all"])
    with nameserver({"d.test": {"TXT": [record]}}, tcp=False) as (port, _):
        answers, _ = ask_spf(SpfQuestions({"d.test": _addresses(STRANGE)}), _network(port), NOW)

    assert answers.words["d.test", ip_address(STRANGE)].result is SILENCE


@pytest.mark.parametrize("lost", ["spf.protection.outlook.com", "spfd.protection.outlook.com"])
@pytest.mark.parametrize("lost_how", ["silent", "failing", "missing"])
def test_one_part_of_a_record_that_is_lost_accuses_nobody(lost: str, lost_how: str) -> None:
    def reply(query: dns.message.Message, answer: dns.message.Message) -> dns.message.Message | None:
        if query.question[0].name.to_text(omit_final_dot=True) != lost:
            return answer
        return {"silent": None, "failing": _refusing(2)(query, answer), "missing": _refusing(3)(query, answer)}[
            lost_how
        ]  # type: ignore[return-value]

    words = _ask(ZONE, "office.test", STRANGE, STRANGE6, "40.107.20.93", reply=reply, timeout_s=0.4)

    assert [word.result for word in words[:2]] == [SILENCE, SILENCE]
    assert words[2].result is not FAIL


def test_a_server_that_dies_in_between_accuses_nobody_whom_it_was_not_asked_about() -> None:
    zone = {"d.test": {"TXT": ["v=spf1 exists:%{i}.list.d.test -all"]}}
    answered = iter(range(20))

    def dying(_: dns.message.Message, answer: dns.message.Message) -> dns.message.Message | None:
        return answer if next(answered, None) is not None else None

    with nameserver(zone, dying) as (port, _):
        began = time.monotonic()
        answers, _ = ask_spf(SpfQuestions({"d.test": _many(500)}), _network(port, timeout_s=1), NOW)
        took_s = time.monotonic() - began

    results = [word.result for word in answers.words.values()]
    assert results.count(FAIL) <= 19
    assert results.count(SILENCE) >= 481
    assert took_s < 15  # all that may be asked would take 22


def test_a_run_never_waits_longer_than_its_budget() -> None:
    zone = {"d.test": {"TXT": ["v=spf1 exists:%{i}.list.d.test -all"]}}

    def drowsy(_: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
        time.sleep(0.1)
        return answer

    with nameserver(zone, drowsy) as (port, _):
        began = time.monotonic()
        ask_spf(SpfQuestions({"d.test": _many(500)}), _network(port, timeout_s=0.4, budget_s=0.8), NOW)
        took_s = time.monotonic() - began

    assert took_s < 15  # all that may be asked would take 20


# --- between the notices and the verdict ----------------------------------------------------------------------------


def _case_of(line: str = STRANGER) -> tuple[list[tuple[Notice, datetime | None]], MemorySentIndex]:
    notice = a_notice(a_returned(received=(line,), from_address="anna@example.org"))
    return [(notice, ARRIVED)], a_sent_index()


def test_nothing_is_asked_where_spf_is_switched_off() -> None:
    cases, sent = _case_of()
    with nameserver({"example.org": {"TXT": ["v=spf1 -all"]}}) as (port, asked):
        answers, made = spf_for(cases, ANNA, sent.profile, _network(port, spf=False), NOW)

    assert (answers, made, asked) == (SpfAnswers(), (), [])


def test_the_hosts_that_notices_show_are_asked_about() -> None:
    cases, sent = _case_of()
    with nameserver({"example.org": {"TXT": ["v=spf1 -all"]}}) as (port, asked):
        answers, _ = spf_for(cases, ANNA, sent.profile, _network(port), NOW)

    assert asked == [("example.org", "TXT")]
    assert answers.word("example.org", ip_address("203.0.113.9"), ARRIVED).result is FAIL


@pytest.mark.parametrize("domain", ["example.org", "mail.example.com", "d.test", "printer.local", "corp.internal"])
def test_domains_of_examples_and_inner_networks_are_not_asked_about_in_public(domain: str) -> None:
    questions = SpfQuestions({domain: _addresses(STRANGE)})
    answers, made = ask_spf(questions, Network(spf=True), datetime.now(UTC))

    assert (dict(answers.words), made) == ({}, ())


# --- from the command to the question -------------------------------------------------------------------------------

ANNAS_ZONE: Zone = {
    "example.org": {"TXT": ["v=spf1 mx -all"], "MX": ["10 out1.example.org."]},
    "out1.example.org": {"A": [OWN]},
}
ANNAS_QUESTIONS = [("example.org", "MX"), ("example.org", "TXT"), ("out1.example.org", "A")]


def _told(port: int) -> dict[str, str]:
    return {"CLEANUP_NETWORK__NAMESERVERS": '["127.0.0.1"]', "CLEANUP_NETWORK__PORT": str(port)}


@pytest.mark.parametrize(("options", "asked_for"), [(("--spf",), ANNAS_QUESTIONS), (("--no-spf",), []), ((), [])])
def test_archives_are_asked_about_on_request_only_at_the_name_server_that_the_environment_names(
    options: tuple[str, ...], asked_for: list[tuple[str, str]]
) -> None:
    with nameserver(ANNAS_ZONE) as (port, asked):
        ended = cleanup("scan", ANNAS_MAILBOX / "Inbox.mbox", *RULES, *options, "--format", "jsonl", **_told(port))

    assert ended.code == 0
    assert sorted(asked) == asked_for


def test_one_file_is_asked_about_on_request(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(_forged())
    with nameserver(ANNAS_ZONE) as (port, asked):
        ended = cleanup("explain", tmp_path / "one.eml", *RULES, "--spf", **_told(port))

    assert ended.code == 0
    assert sorted(asked) == ANNAS_QUESTIONS


def test_a_mailbox_on_a_server_is_asked_about_once_and_an_idle_night_asks_nothing(tmp_path: Path) -> None:
    with nameserver(ANNAS_ZONE) as (port, asked), anna_on_a_server(tmp_path / "ledger.sqlite") as anna:
        network = NetworkSettings(nameservers=("127.0.0.1",), port=port)
        anna = replace(anna, settings=anna.settings.model_copy(update={"network": network}))
        anna.run()
        first = sorted(asked)
        anna.run()
        anna.run(full=True)
        again = sorted(asked)
        off = anna.settings.model_copy(update={"network": network.model_copy(update={"spf": False})})
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            kept = ledger.memory(anna.settings.address).dns_lookups(NOW - timedelta(days=365))
            forget(ledger, anna.settings.address)
            forgotten = ledger.memory(anna.settings.address).dns_lookups(NOW - timedelta(days=365))
        replace(anna, settings=off).run(full=True)

    assert first == ANNAS_QUESTIONS
    assert again == first  # the second night was idle, and the third had what was looked up
    assert sorted((lookup.name, lookup.kind) for lookup in kept) == first
    assert forgotten == []
    assert sorted(asked) == first


def _forged() -> bytes:
    """Return a bounce of something that a stranger sent in Anna's name."""
    messages = read_archive(ANNAS_MAILBOX / "Inbox.mbox")
    return next(m.raw for m in messages if b"multipart/report" in m.raw and b"Received: from" in m.raw)
