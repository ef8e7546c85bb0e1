"""Each family of evidence can be switched off, and is needed: with it off, a notice here is decided otherwise."""

from __future__ import annotations

from datetime import timedelta

from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Family, Finding, Identity, Policy, Verdict
from tests.detector.evidence.test_authentication import NAME, public_record, signed
from tests.detector.judging import ANNA, ARRIVED, a_copy_of, a_notice, a_returned, a_sent_index, a_sent_message, judged

SENT = a_sent_message(1, date=ARRIVED - timedelta(hours=1), recipients=("bob@far.test",))


def without(family: Family | None) -> Policy:
    return Policy(switched_off=frozenset({family} if family else ()))


def test_without_the_ledger_a_bounce_of_sent_mail_is_not_recognised():
    bounce = a_notice(a_copy_of(SENT, received=()), to=("bob@far.test",))

    assert judged(bounce, a_sent_index(SENT), policy=without(None)).verdict is Verdict.GENUINE
    assert judged(bounce, a_sent_index(SENT), policy=without(Family.SENT)).verdict is Verdict.UNSURE


def test_without_transport_a_forgery_is_not_disproved():
    forgery = a_notice(a_returned())

    assert judged(forgery, policy=without(None)).verdict is Verdict.BACKSCATTER
    assert judged(forgery, policy=without(Family.TRANSPORT)).verdict is Verdict.UNSURE


def test_without_identity_an_address_never_used_does_not_count():
    identity = Identity(ANNA.addresses | {"info@example.org"}, ANNA.outbound_hosts)
    notice = a_notice(a_returned(from_address="info@example.org"), addressed_to=("info@example.org",))
    young = a_sent_index(complete_since=ARRIVED)

    def verdict(family: Family | None) -> Verdict:
        return judged(notice, young, identity=identity, policy=without(family)).verdict

    assert verdict(None) is Verdict.BACKSCATTER
    assert verdict(Family.IDENTITY) is Verdict.UNSURE


def test_without_authentication_a_signed_message_that_sent_lacks_is_not_recognised():
    case = Case(a_notice(a_returned(message_id="m1@example.org", raw=signed())), ARRIVED, "")

    def verdict(family: Family | None) -> Verdict:
        answers = {NAME: public_record()}
        return judge_all([case], a_sent_index(), ANNA, without(family), dns_answers=answers)[0].verdict

    assert verdict(None) is Verdict.GENUINE
    assert verdict(Family.AUTHENTICATION) is Verdict.UNSURE


def test_without_campaigns_the_bare_notices_of_a_storm_lean_nowhere():
    cases = [Case(a_notice(a_returned(message_id=f"{n}@x.test")), ARRIVED, str(n)) for n in range(60)]
    cases.append(Case(a_notice(), ARRIVED, "bare"))

    def bare(family: Family | None) -> Finding:
        return judge_all(cases, a_sent_index(), ANNA, without(family))[-1]

    assert bare(None).leaning is Verdict.BACKSCATTER
    assert bare(Family.CAMPAIGN).leaning is None


def test_without_upstream_a_filters_mark_does_not_make_a_notice_lean():
    edge = "from x.test (x.test [198.18.1.1]) by AM0.mail.protection.outlook.com with Microsoft SMTP Server id 15; Mon"
    marked = a_notice(
        a_returned(received=(), from_name="Not Anna"), marks=(("X-CustomSpam", "Backscatter NDR"),), received=(edge,)
    )

    assert judged(marked, policy=without(None)).leaning is Verdict.BACKSCATTER
    assert judged(marked, policy=without(Family.UPSTREAM)).leaning is None
