"""What looks like a bounce and is none: receipts, abuse reports, auto-replies, challenges, virus notices, people."""

from __future__ import annotations

import re

from cleanup.detector.notices.mail import STATUS_TYPES, Mail
from cleanup.model import Kind

RECEIPT_TYPES = ("message/disposition-notification", "message/global-disposition-notification")
_ARF = ("message/feedback-report",)
_ARF_WORDS = re.compile(r"^Feedback-Type[ \t]*:[ \t]*\S|this is an? e-?mail abuse report", re.IGNORECASE | re.MULTILINE)
_ARF_SUBJECT = re.compile(r"abuse report|complaint|feedback report")
MOST_OF_A_TITLE = 5  # words that a program puts before the subject that it answers
_BY_ITSELF = re.compile(r"auto|авто|αυτόματ|自動|自动|자동|אוטומטי|تلقائي|خودکار|tự động|स्वचालित|อัตโนมัติ")
_MDN_WORDS = re.compile(
    r"^Disposition[ \t]*:[ \t]*\S.{0,100}(?:displayed|deleted|dispatched|processed|denied)",
    re.IGNORECASE | re.MULTILINE,
)
_RECEIPT_SUBJECT = re.compile(
    r"^\W*(?:not read|read|gelesen|ungelesen|lu|non lu|leído|letto|lido|gelezen|läst|lest|"
    r"przeczytano|прочтено|开封|開封済み|已读)\s?: ",
    re.IGNORECASE,
)
_ANSWERED = re.compile(r"\b5\d\d[ -]\S|\b5\.\d\.\d\b|\bMessage-ID: ?<", re.IGNORECASE)  # by a mail server
_PARCEL = re.compile(
    r"\bparcel|\bpackage|shipment|paket|\bsendung|\bcolis|paquete|\bpacco|encomenda|pakk[ei]|paczk|przesyłk|zásilk|csomag|"
    r"kargo|посылк|荷物|宅配|配達|包裹|快递|快遞|택배|소포"
)
_MONITOR = re.compile(
    r"\b(?:nagios|icinga|zabbix|monit|munin|cron|jenkins|gitlab|github|jira|bugzilla|logwatch|prometheus)\w{0,20}@",
    re.IGNORECASE,
)
_CHALLENGER = re.compile(r"boxbe|spam ?arrest|mail ?in ?black|bluebottle|tmda|sendio|vanquish|earthlink|mailblocks")
_CHALLENGER_FIELDS = (
    "X-TMDA-Confirm",
    "X-Challenge",
    "X-SpamArrest-Challenge",
    "X-Boxbe-Challenge",
    "X-Bluebottle-Request",
)
_HELD = re.compile(r"quarantine (?:summary|digest|report|notif)|spam (?:digest|summary|report)\b")
_TICKET = re.compile(
    r"\s*\[(?:[^\]]{0,40}\d|(?:request|ticket|case|issue|incident)[^\]]{0,40})\]\s"
    r"|[^\[]{0,200}\[#\d{1,12}\]\s*$",
    re.IGNORECASE,
)
_DOMAIN_REPORTS = ("tlsrpt", "dmarc", "aggregate")  # RFC 8460; they are about a domain, not about a message
_DOMAIN_REPORT = re.compile(r"\s*(?:\[[^\]]{0,40}\]\s*)?report domain:", re.IGNORECASE)
_TO_ITS_READER = re.compile(r"(?:sent|addressed|delivered) to you\b|(?:message|mail) (?:to|for) you\b")
_FAILED = re.compile(  # in small letters
    r"undeliver|not (?:be )?(?:been )?deliver|delivery (?:has |to .{0,80})?(?:fail|status|"
    r"error|problem)|could(?:n't| not) be (?:deliver|sent|reach)|returned|user unknown|"
    r"unknown user|no such user|permanent (?:fatal )?error|bounce"
    r"|mailbox (?:is )?full|quota|rejected|\b5\d\d[ -]\S|\b5\.\d\.\d\b|delayed|does not exist|not (?:a )?member|"
    r"no longer (?:valid|in use|active|exists|with|available|works?)|invalid (?:recipient|"
    r"address)|konnte nicht|unzustell"
)


def other_kind(mail: Mail) -> Kind | None:
    """Return the kind of a notice that is no bounce, or ORDINARY for no notice; None for what may be a bounce.

    The order counts: what declares itself comes first, then what a person wrote, then what a status part makes a bounce
    of whatever its words are, and words come last.
    """
    report_type = mail.root.option("report-type").lower()
    if _is_abuse_report(mail, report_type):
        return Kind.ARF
    if _is_receipt(mail, report_type):
        return Kind.MDN
    # Boxbe's challenges have the form of a report: its mail is one where it asks for proof.
    if mail.fields.has(*_CHALLENGER_FIELDS) or (
        _CHALLENGER.search(mail.sender.lower()) and _challenges(mail.words[:4_000])
    ):
        return Kind.CHALLENGE
    about_a_domain = report_type in _DOMAIN_REPORTS or _DOMAIN_REPORT.match(mail.subject)
    if about_a_domain or _by_a_person(mail) or mail.redistributed:
        return Kind.ORDINARY
    if _has_status(mail):
        return None
    if _HELD.search(mail.subject.lower()):
        return Kind.ORDINARY
    if _challenges(f"{mail.subject}\n{mail.words[:4_000]}") and not _speaks_of_failure(mail.subject):
        return Kind.ORDINARY if _asks_to_let_in(mail) else Kind.CHALLENGE
    if _VIRUS_SUBJECT.search(mail.subject.lower()):
        own = f"{mail.subject}\n{mail.words[:3_000]}"
        if _finds_a_virus(own) and not _TO_ITS_READER.search(_lowered(own)):  # a filter's word to the one it guards
            return Kind.VIRUS_NOTICE
    return Kind.AUTO_REPLY if _is_auto_reply(mail) else None


def _by_a_person(mail: Mail) -> bool:
    """Return whether a person wrote it: an answer or a forward, or mail with no sign of a machine."""
    if mail.by_a_person_in_office:
        return True
    if mail.is_report or mail.role_sender:
        return False
    autoresponder = _by_autoresponder(mail)
    if mail.answer and not autoresponder:
        if not mail.null_sender:
            return True
        if mail.subject_of_notice:
            return False
        own = f"{mail.subject}\n{mail.words[:4_000]}"
        return not (_is_away(own) or _finds_a_virus(own) or _challenges(own))
    if mail.greets and mail.has_its_own_way_back and not (mail.automatic or mail.subject_of_returned_mail):
        return True
    if mail.null_sender or mail.returns_its_readers_mail:
        return False
    by_machine = mail.automatic or _is_titled_as_auto_reply(mail) or autoresponder
    # A mail program sent it, or it stands in a conversation, or it comes back to its author.
    in_person = mail.sent_by_its_author or mail.by_mail_program or mail.fields.has("In-Reply-To", "References")
    if in_person and not by_machine:
        return True
    # Ticket and monitoring systems write for people, and what they write about is no mail that failed.
    by_tickets = not autoresponder and bool(_TICKET.match(mail.subject) or _MONITOR.search(mail.sender))
    return by_tickets or not (mail.subject_of_notice or by_machine)


def _is_titled_as_auto_reply(mail: Mail) -> bool:
    """Return whether the subject is an automatic reply's: people write about their holidays, too.

    Programs say that they answer by themselves, or put a few words before the subject that they answer; any other
    subject is to be borne out by the text.
    """
    if not mail.subject_of_auto_reply:
        return False
    words = mail.subject.lower()
    title = re.split(r"[:：]", words, maxsplit=1)
    put_before = len(title) == 2 and len(title[0].split()) < MOST_OF_A_TITLE
    return put_before or _BY_ITSELF.search(words) is not None or _is_away(mail.words[:2_000])


def _has_status(mail: Mail) -> bool:
    return any(True for _ in mail.of_type(*STATUS_TYPES))


def _is_abuse_report(mail: Mail, report_type: str) -> bool:
    """Return whether it is a complaint about spam (RFC 5965), which some send without the form."""
    if report_type == "feedback-report" or any(True for _ in mail.of_type(*_ARF)):
        return True
    if mail.fields.has("Feedback-Type"):
        return True
    if mail.subject.lower().lstrip().startswith("complaint about message from"):  # Microsoft's junk mail reporting
        return any(part.is_message for part in mail.parts)
    named = _ARF_SUBJECT.search(mail.subject.lower())
    return bool(named and _ARF_WORDS.search(mail.words)) and not _has_status(mail)


def _is_receipt(mail: Mail, report_type: str) -> bool:
    """Return whether it says that mail was read, or deleted unread (RFC 8098)."""
    if report_type == "disposition-notification" or any(True for _ in mail.of_type(*RECEIPT_TYPES)):
        return True
    if _has_status(mail):
        return False
    return bool(_RECEIPT_SUBJECT.search(mail.subject) and (mail.is_report or _MDN_WORDS.search(mail.words)))


def _speaks_of_failure(text: str) -> bool:
    return bool(_FAILED.search(text.lower()))


def _by_autoresponder(mail: Mail) -> bool:
    fields = mail.fields
    return (
        fields.has("X-Autoreply", "X-Autorespond", "X-Auto-Response", "X-Mail-Autoreply", "Delivered-To-Autoresponder")
        or "vacation" in (fields.first("X-Apple-Action") or "").lower()
        or "auto_reply" in (fields.first("Precedence") or "").lower()
        or (fields.first("Auto-Submitted") or "").strip().lower().startswith(("auto-replied", "auto-notified"))
    )


def _is_auto_reply(mail: Mail) -> bool:
    """Return whether it is an automatic reply. Bounces of Exim and Postfix say auto-replied too: words decide."""
    if mail.fields.has("X-Failed-Recipients"):
        return False
    if _is_titled_as_auto_reply(mail) and (mail.answers or not _PARCEL.search(mail.subject.lower())):
        return not (mail.role_sender and _speaks_of_failure(mail.words[:3_000]))
    if mail.subject_of_notice and _speaks_of_failure(f"{mail.subject}\n{mail.words[:3_000]}"):
        return False
    if _by_autoresponder(mail) and not mail.role_sender:
        return not (_ANSWERED.search(mail.words[:3_000]) or any(part.is_message for part in mail.parts))
    away = _is_away(mail.words[:2_000])
    if not (away or mail.answers):
        return False  # a machine's mail is no answer for having no return path: banks and archives write so, too
    if not mail.answers and _PARCEL.search(f"{mail.subject}\n{mail.words[:1_000]}".lower()):
        return False  # nobody was at home
    failed = _speaks_of_failure(f"{mail.subject}\n{mail.words[:2_000]}")
    if _by_autoresponder(mail) or (mail.null_sender and (mail.answer or mail.automatic)):
        return not failed and (away or not mail.role_sender)
    return away and not failed and (mail.automatic or (mail.null_sender and mail.answers))


# --- What automatic answers say -------------------------------------------------------------------------------------
#
# The patterns are for text in small letters whose spaces and line ends were made single spaces: `_lowered()`. To ignore
# case costs several times as much.

_PROOF = re.compile(
    r"confirm (?:that )?(?:you|your|this) .{0,60}(?:deliver|human|sender|person|not (?:a )?spam)"
    r"|(?:to|please) (?:confirm|verify|authenticate|prove).{0,80}(?:your (?:message|e-?mail|"
    r"address|identity|delivery)|you are (?:a )?(?:human|real|person))"
    r"|bestätigen sie (?:bitte )?(?:ihre (?:nachricht|identität|absender|e-?mail(?!-?adresse))|den versand|,? ?dass)"
    r"|(?:vous |s')authentifi|demande d.authentification"
    r"|confirme[rz] (?:l.envoi|votre (?:envoi|message|identité)|que vous)"
    r"|confirm[ae] (?:o envio|que (?:usted|eres|você)|(?:su|tu|sua) (?:mensaje|mensagem|env[ií]o|identi[dt]ad))"
    r"|conferma(?:re)? (?:di essere|che sei|l.invio|il (?:tuo|suo) (?:messaggio|invio)|la (?:tua|sua) identità)"
    r"|bevestig(?:en)? (?:dat u|uw (?:bericht|identiteit))|potwierd(?:ź|zić)[,:]? (?:że|wysłanie|wiadomość|swoj)"
    r"|подтвердите (?:отправк|,? ?что вы|сво[юеё]|ваш)|送信者であること|送信の確認"
    r"|(?:确认|確認).{0,10}(?:发件人|寄件[者人]|真人)"
)
_HELD_BACK = re.compile(
    r"\bdeliver(?:ed|ing)?\b|delivery of your|receive your|\bheld\b|reach (?:me|him|her|us|the|my)"
    r"|zugestell|zustell|\bremis\b|délivr|distribu"
    r"|en attente|entreg|retenid|retid[ao]|consegn|recapit|in attesa|bezorg|aflever|dostarcz|достав"
    r"|配信|配送|保留|投递|投遞|送达|送達"
)
_CHALLENGE = re.compile(
    r"tmda|spamarrest|boxbe|mail ?in ?black|challenge[/ -]response"
    r"|(?:message|e-?mail|mail) .{0,60}(?:is |has been |being )?held.{0,120}(?:confirm|reply|"
    r"verif|approv|click|whitelist)"
    r"|add(?:ed)? (?:you|yourself|your address).{0,40}(?:white ?list|guest ?list|approved|"
    r"allowed|accepted)|not (?:yet )?on (?:my|the|our|his|her) (?:white ?list|approved|"
    r"allowed|guest)|approved senders? list|"
    r"list of (?:approved|allowed|accepted|known) senders|senders i have approved|suspect e-?mail blocker|"
    r"sender verification"
)
_LET_IN = re.compile(
    r"(?:await|waiting for|requir|needs?|pending|for) \S{0,3}\s?your (?:approval|decision|permission)|"
    r"(?:wrote|writes|written|sent|sends) (?:a (?:message|mail) )?to you\b|"
    r"list moderator|moderator approval|post by non-member|"
    r"(?:approve|block|allow) (?:him|her|the sender)\b|approve or (?:block|reject)"
)
_VIRUS_SUBJECT = re.compile(
    r"virus|worm|infected|malware|infizi|infect|groupshield|antivir|vírus|wirus|вирус|ウイルス|ウィルス|病毒|바이러스"
)
_VIRUS = re.compile(
    r"(?:virus|worm|trojan|malware)(?:es| name)?:? (?:\S{1,40} ){0,8}(?:found|detected|removed|"
    r"deleted|quarantin|blocked|clean|in (?:your|an?|the) (?:mail|message|e-?mail|attach))"
    r"|(?:found|detected|contain(?:s|ed|ing)?|infected (?:with|"
    r"by)) (?:\S{1,40} ){0,6}(?:virus|worm|trojan|malware)|our virus (?:detector|scanner|"
    r"checker)|virus[- ](?:alert|warning)|enthielt? .{0,40}virus"
    r"|(?:virus|vírus|wirus\S{0,4}) (?:\S{1,40} ){0,6}(?:gefunden|entdeckt|entfernt|erkannt|détecté|trouvé|supprimé|"
    r"detectado|encontrado|eliminado|removido|rilevato|trovato|rimosso|gevonden|ontdekt|verwijderd|wykryt|znalezion|usuni)"
    r"|(?:contient|contiene|contém|bevat|zawiera|detectado|detectou|rilevato|détecté|wykryto) (?:\S{1,20} ){0,3}"
    r"(?:virus|vírus|wirus)|(?:обнаружен|найден|содержит)\S{0,3} (?:\S{1,40} ){0,5}вирус"
    r"|вирус\S{0,3} (?:\S{1,40} ){0,5}(?:обнаруж|удал)"
    r"|(?:ウイルス|ウィルス).{0,30}(?:検出|発見|感染|削除|駆除)|病毒.{0,30}(?:发现|發現|检测|清除|删除|刪除|感染)"
    r"|(?:发现|發現|检测到|感染).{0,20}病毒|바이러스.{0,30}(?:발견|감염|검출|삭제)"
)
_AWAY = re.compile(
    r"(?:i am|i'm|i will be|i'll be|i'm) (?:currently |presently |now )?(?:out of|away|"
    r"on (?:vacation|leave|holiday|annual|maternity)|travel|not in)|out of (?:the )?office|"
    r"on (?:vacation|holiday|leave) (?:until|from)"
    r"|thank you for (?:your (?:e-?mail|message|mail|inquiry|interest)|contacting|writing)|"
    r"we have received your|has been received|will (?:reply|respond|get back|answer)|"
    r"this is an (?:automatic|automated|auto) (?:reply|respon|answer|generated reply)"
    r"|nicht im (?:büro|haus)|bin (?:ich )?(?:derzeit|zur zeit|vom|bis|ab|momentan)|"
    r"je suis (?:absent|en congé|actuellement)|estar[éeá]|estoy (?:fuera|de vacaciones)|"
    r"sono (?:assente|fuori|in ferie)|estou (?:fora|de férias|ausente)"
    r"|ik ben (?:afwezig|niet|op vakantie|momenteel)|自動(?:返信|応答)|不在|自动回复|"
    r"我(?:正在|在)?(?:休假|出差)|부재중|휴가|в отпуске|отсутств|jestem (?:nieobecn|na urlopie|"
    r"poza)|urlop|otrzymali|wiadomość została odebrana|休暇"
    r"|(?:jag är|jeg er) (?:på (?:semester|ferie)|inte|ikke|tjänstledig|bortrest)|olen (?:lomalla|poissa)"
    r"|mimo kancelář|dovolen[éo]u?|szabadságon|izin(?:de|li)yim|απουσιάζω|εκτός γραφείου|בחופשה|في إجازة"
    r"|у відпустці|în concediu|nghỉ phép|ไม่อยู่ที่"
)
_ABOUT_MAIL = re.compile(
    r"mail|message|attach|\bfile\b|nachricht|anhang|courriel|courrier|correo|mensaje|mensagem|messaggio|bericht|wiadomo"
    r"|письм|сообщени|вложени|メール|添付|邮件|郵件|附件|메일"
)
# One of these is in every text that the pattern fits; they are much quicker to look for, and need no single spaces.
_STEMS_OF_PROOF = (
    *("confirm", "verif", "authenti", "prove", "bestätig", "conferm", "bevestig", "potwierd", "подтверд"),
    *("送信", "确认", "確認"),
)
_STEMS_OF_CHALLENGE = (
    *("tmda", "spamarrest", "boxbe", "black", "challenge", "held", "white", "guest", "approved", "allowed", "accepted"),
    *("suspect", "verification"),
)
_SPACE = re.compile(r"\s+")


def _lowered(text: str) -> str:
    return " ".join(text.lower().split()) if text.isascii() else _SPACE.sub(" ", text).lower()


def _challenges(text: str) -> bool:
    """Return whether a text asks its reader to prove himself so that a message of his is delivered.

    Services that want an address confirmed ask alike; they speak of no delivery.
    """
    lower = text.lower()
    of_proof = any(stem in lower for stem in _STEMS_OF_PROOF)
    of_challenge = any(stem in lower for stem in _STEMS_OF_CHALLENGE)
    if not (of_proof or of_challenge):
        return False
    lowered = _lowered(text)
    if of_challenge and _CHALLENGE.search(lowered):
        return True
    return of_proof and bool(_PROOF.search(lowered) and _HELD_BACK.search(lowered))


def _asks_to_let_in(mail: Mail) -> bool:
    """Return whether it asks its reader about somebody else's mail, as a filter or a list asks the one it guards."""
    return bool(_LET_IN.search(_lowered(f"{mail.subject}\n{mail.words[:2_000]}")))


def _is_away(text: str) -> bool:
    """Return whether a text says that somebody is away or will answer."""
    return bool(_AWAY.search(_lowered(text)))


def _finds_a_virus(text: str) -> bool:
    """Return whether a text says that a virus was found in mail."""
    lowered = _lowered(text)
    return bool(_VIRUS.search(lowered) and _ABOUT_MAIL.search(lowered))
