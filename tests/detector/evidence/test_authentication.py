"""Signatures, results of the reporting side, and tags."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanup.detector.tags import Tag, check_batv, check_srs, tag_batv
from cleanup.detector.verdict import judge
from cleanup.model import Finding, Identity, Policy, Returned, Verdict
from tests.detector.judging import ANNA, ARRIVED, STRANGER, WRITTEN, a_notice, a_returned, a_sent_index, rules_of

NAME = "s1._domainkey.example.org"
TODAY = (ARRIVED - datetime(1970, 1, 1, tzinfo=UTC)).days


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def public_record(of: rsa.RSAPrivateKey | None = None) -> str:
    public = (of or key()).public_key()
    octets = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode()}"


@cache
def signed(to: str = "victim@far.test", by: rsa.RSAPrivateKey | None = None) -> bytes:
    """A whole message that Anna's server signed."""
    pem = (by or key()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    message = (
        f"Message-ID: <m1@example.org>\r\nDate: Mon, 14 Sep 2026 09:00:00 +0000\r\nFrom: anna@example.org\r\n"
        f"To: {to}\r\nSubject: Hello\r\n\r\nGood morning\r\n"
    ).encode()
    return bytes(dkim.sign(message, b"s1", b"example.org", pem)) + message


def header_of(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[0] + b"\r\n"


def finding_for(raw: bytes, *, record: str | None = None, to: str = "victim@far.test", **changes: object) -> Finding:
    returned = a_returned(message_id="m1@example.org", raw=raw, to=(to,), date=WRITTEN, **changes)
    answers = {NAME: public_record() if record is None else record}
    return judge(a_notice(returned), a_sent_index(), ANNA, Policy(), arrived=ARRIVED, dns_answers=answers)


@pytest.mark.parametrize("raw", [signed(), header_of(signed())], ids=["whole", "headers only"])
def test_an_own_signature_proves_whole_messages_and_bare_headers(raw):
    finding = finding_for(raw)

    assert finding.verdict is Verdict.GENUINE
    assert "dkim.owner" in rules_of(finding)


def test_a_signature_still_verifies_with_bare_line_feeds():
    assert finding_for(signed().replace(b"\r\n", b"\n")).verdict is Verdict.GENUINE


def test_a_retired_key_is_never_held_against_a_message():
    finding = finding_for(signed(), record="v=DKIM1; k=rsa; p=")

    assert "dkim.unknown" in rules_of(finding)
    assert "dkim.owner" not in rules_of(finding)


def test_a_changed_header_breaks_the_signature_and_proves_nothing():
    finding = finding_for(signed().replace(b"Hello", b"Viagra"))

    assert "dkim.broken" in rules_of(finding)
    assert finding.verdict is Verdict.UNSURE  # by Sent and path alone


def test_a_signed_message_sent_again_to_somebody_else_is_unsure():
    finding = finding_for(signed("friend@pals.test"), to="friend@pals.test")

    assert finding.verdict is Verdict.UNSURE
    assert "dkim.replay" in rules_of(finding)


def test_a_strangers_signature_says_nothing():
    finding = finding_for(signed(), from_address="bob@elsewhere.test")

    assert not rules_of(finding) & {"dkim.owner", "dkim.replay"}


def with_results(*headers: tuple[str, str]) -> Returned:
    return a_returned(message_id=None, headers=headers, received=(STRANGER,))


PASS = ("Authentication-Results", "mx.far.test; spf=pass smtp.mailfrom=anna@example.org")
FAIL = ("Authentication-Results", "mx.far.test; dmarc=fail (p=reject) header.from=example.org")
HOP = ("Received", STRANGER)


def test_a_pass_of_the_reporting_side_above_the_trusted_hop_spares():
    finding = judge(a_notice(with_results(PASS, HOP)), a_sent_index(), ANNA, Policy(), arrived=ARRIVED)

    assert finding.row == "hint-of-the-contrary"


@pytest.mark.parametrize(
    "headers",
    [(HOP, PASS), (("Authentication-Results", "mx.evil.test; spf=pass smtp.mailfrom=example.org"), HOP)],
    ids=["below the hop", "of another host"],
)
def test_a_planted_pass_counts_for_nothing(headers):
    finding = judge(a_notice(with_results(*headers)), a_sent_index(), ANNA, Policy(), arrived=ARRIVED)

    assert "auth.inner_pass" not in rules_of(finding)


def test_a_fail_of_the_reporting_side_disproves():
    unknown_hosts = Identity(ANNA.addresses)
    returned = a_returned(headers=(FAIL, HOP))

    finding = judge(a_notice(returned), a_sent_index(), unknown_hosts, Policy(), arrived=ARRIVED)

    assert finding.verdict is Verdict.BACKSCATTER
    assert {"auth.inner_fail", "sent.absent"} <= rules_of(finding)


OWN_HOP = (
    "Received",
    "from zombie.isp.test (zombie.isp.test [203.0.113.9]) by out1.example.org with ESMTP id 4F3; Mon",
)
FILTERED = ("Authentication-Results", "Filter-7; dmarc=fail header.from=example.org")


@pytest.mark.parametrize(
    ("named", "above", "hop", "disproves"),
    [
        ({"filter-7"}, (FILTERED, OWN_HOP), OWN_HOP, True),
        (set(), (FILTERED, OWN_HOP), OWN_HOP, False),
        ({"filter-8"}, (FILTERED, OWN_HOP), OWN_HOP, False),
        ({"filter-7"}, (OWN_HOP, FILTERED), OWN_HOP, False),  # planted: a stranger wrote what stands below
        ({"filter-7"}, (FILTERED, HOP), HOP, False),  # on somebody else's server the name is anybody's
    ],
)
def test_results_of_the_owners_own_server_are_known_by_the_name_that_the_owner_gives(named, above, hop, disproves):
    identity = Identity(ANNA.addresses, ANNA.outbound_hosts, authserv_ids=frozenset(named))
    returned = a_returned(headers=above, received=(hop[1],))
    notice = a_notice(returned, reporting_mta="out1.example.org" if hop is OWN_HOP else "mx.far.test")

    finding = judge(notice, a_sent_index(), identity, Policy(), arrived=ARRIVED)

    assert ("auth.inner_fail" in rules_of(finding)) is disproves


def test_a_fail_for_another_domain_says_nothing():
    other = ("Authentication-Results", "mx.far.test; dmarc=fail header.from=other.test")

    finding = judge(a_notice(with_results(other, HOP)), a_sent_index(), ANNA, Policy(), arrived=ARRIVED)

    assert "auth.inner_fail" not in rules_of(finding)


def test_a_batv_tag_with_the_key_proves_and_without_it_spares():
    tagged = a_notice(a_returned(), addressed_to=(tag_batv("anna@example.org", b"secret", day=TODAY + 7),))
    with_key = Identity(ANNA.addresses, ANNA.outbound_hosts, batv_keys=(b"secret",))

    assert judge(tagged, a_sent_index(), with_key, Policy(), arrived=ARRIVED).verdict is Verdict.GENUINE
    assert judge(tagged, a_sent_index(), ANNA, Policy(), arrived=ARRIVED).row == "hint-of-the-contrary"


def test_tags_are_told_from_forged_ones():
    tagged = tag_batv("anna@example.org", b"secret", day=20_000)

    assert check_batv(tagged, [b"other", b"secret"]) is Tag.VALID
    assert check_batv(tagged.replace("prvs=0", "prvs=1"), [b"secret"]) is Tag.WRONG
    assert check_batv("anna@example.org", [b"secret"]) is Tag.NONE
    assert check_srs("SRS0=abcd=ZZ=far.test=bob@example.org", []) is Tag.UNCHECKED
    assert check_srs("SRS0=abcd=ZZ=far.test=bob@example.org", [b"k"]) is Tag.WRONG


def test_a_missing_tag_is_said_where_all_mail_is_tagged():
    identity = Identity(ANNA.addresses, ANNA.outbound_hosts, tagged_since=WRITTEN.replace(year=2025))

    finding = judge(a_notice(a_returned()), a_sent_index(), identity, Policy(), arrived=ARRIVED)

    assert "tag.missing" in rules_of(finding)
