"""What automatic answers say: that somebody is away, that a sender has to prove himself, that a virus was found.

All patterns are for text in small letters whose spaces and line ends were made single spaces: `as_said()`. To ignore
case costs several times as much.
"""

from __future__ import annotations

import re

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
    r"list of approved senders|senders i have approved|suspect e-?mail blocker|sender verification"
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


def as_said(text: str) -> str:
    """Return a text in small letters with its runs of space and line ends as single spaces."""
    return " ".join(text.lower().split()) if text.isascii() else _SPACE.sub(" ", text).lower()


def challenges(text: str) -> bool:
    """Return whether a text asks its reader to prove himself so that a message of his is delivered.

    Services that want an address confirmed ask alike; they speak of no delivery.
    """
    lower = text.lower()
    of_proof = any(stem in lower for stem in _STEMS_OF_PROOF)
    of_challenge = any(stem in lower for stem in _STEMS_OF_CHALLENGE)
    if not (of_proof or of_challenge):
        return False
    said = as_said(text)
    if of_challenge and _CHALLENGE.search(said):
        return True
    return of_proof and bool(_PROOF.search(said) and _HELD_BACK.search(said))


def is_away(text: str) -> bool:
    """Return whether a text says that somebody is away or will answer."""
    return bool(_AWAY.search(as_said(text)))


def names_a_virus(subject: str) -> bool:
    """Return whether a subject speaks of a virus."""
    return bool(_VIRUS_SUBJECT.search(subject.lower()))


def finds_a_virus(text: str) -> bool:
    """Return whether a text says that a virus was found in mail."""
    said = as_said(text)
    return bool(_VIRUS.search(said) and _ABOUT_MAIL.search(said))
