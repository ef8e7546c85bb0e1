"""The words by which machines give themselves away in From and Subject, in the languages that notices come in.

Each pattern is an alternation of plain phrases: linear, and readable as a list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases in lower case, of which one is to be there. Lowering the text once is faster than ignoring case.

    Those without a Latin letter are looked for only in texts that are not plain ASCII. Where there are `stems`, each of
    the others holds one of them: most subjects hold none, and two hundred phrases need not be tried, nor even compiled.
    """

    latin: str
    other: str | None = None
    stems: str | None = None

    def search(self, text: str) -> bool:
        """Return whether one of the phrases is in the text, whatever its case."""
        text = text[:MOST_TEXT].lower()
        if (self.stems is None or compiled(self.stems).search(text)) and compiled(self.latin).search(text):
            return True
        return self.other is not None and not text.isascii() and compiled(self.other).search(text) is not None


_ESCAPED = re.compile(r"\\.")
_LATIN = re.compile(r"[a-z]")
MOST_TEXT = 1_000  # characters of a subject or sender


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern, compiled when it is first tried: most nights bring no new notice."""
    return re.compile(pattern)


def _by_first_letter(stems: str) -> str:
    """Return a pattern for any of the stems, which a comma and a space part."""
    groups: dict[str, list[str]] = {}
    for stem in stems.split(", "):
        groups.setdefault(stem[0], []).append(stem[1:])
    return "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in groups.items())


def _any_of(*phrases: str, before: str = "", after: str = "", stems: str | None = None) -> Phrases:
    latin = [phrase for phrase in phrases if _LATIN.search(_ESCAPED.sub("", phrase))]
    other = [phrase for phrase in phrases if phrase not in latin]
    return Phrases(
        before + "(?:" + "|".join(latin) + ")" + after,
        before + "(?:" + "|".join(other) + ")" + after if other else None,
        None if stems is None else _by_first_letter(stems),
    )


SENDER_ROLE = _any_of(
    "mailer[-_.]?d[ae]{1,2}mon",
    "mail[-_.]?daemon",
    "mdaemon",
    "post[-_.]?master",
    "post[-_.]office",
    "mail[-_.]system",
    "mail[-_.]?router",
    "bounce[-_.]?handler",
    "bounced?[-_.]?mail",
    "mail[-_.]?delivery[-_.]?(?:system|subsystem)?",
    "microsoftexchange[0-9a-f]{8,40}",
    "mmdf",
    "uucp",
    "autoreply",
    "auto[-_]reply",
    "autoresponder",
    "double[-_]?bounce",
    "ndr",
    "dsn",
    before=r"(?:^|[\s<\"':;,(])[\"']?",
    after=r"(?:[+=-][^@\s>]{1,120})?(?:@|[\"'>\s]*(?:<\s*>\s*)?$)",
)
SENDER_NAME = _any_of(
    "mail delivery (?:sub)?system",
    "mail delivery (?:service|agent|program)",
    "delivery (?:sub)?system",
    "mail (?:system|router|transport)(?: administrator| daemon)?[\"']?\\s*<",
    "(?:internet )?mail delivery",
    "system administrator[\"']?\\s*(?:<|$)",
    "mail administrator",
    "mailer daemon",
    "email delivery (?:system|failure)",
    "administrateur (?:du )?syst",
    "systemadministrator",
    "amministratore di sistema",
    "administrador (?:del|do) sistema",
    "системный администратор",
    "系统管理员",
    "시스템 관리자",
    "システム管理者",
    "returned mail",
    "mail deliver",
    "non-?delivery report",
    "bounce notification",
)
LIST_SENDER = _any_of(  # the addresses under which list software itself writes
    "[^\\s<>@]{1,100}[-+](?:bounces?|owner|admin)(?:[-+][^\\s<>@]{0,100})?@",
    "owner-[^\\s<>@]{1,100}@",
    "(?:mailman|sympa|listserv|majordomo|ecartis|listar|mlmmj|ezmlm|listproc|listmaster|list-?server)[^\\s<>@]{0,30}@",
    "(?:notify|no-?reply)@[^\\s<>@]{0,100}groups\\.",
    before=r"(?:^|[\s<\"'])",
    stems="bounce, owner, admin, mailman, sympa, listserv, majordomo, ecartis, listar, mlmmj, ezmlm, listproc, "
    "listmaster, list-server, groups.",
)
NOTICE_SUBJECT = _any_of(
    # English
    "undeliver",
    "un-?delivrable",
    "non[- ]?deliver(?:y|able)",
    "(?:can ?not|could not|couldn't|can't|unable to|n't able to|not|failed to|"
    "failure to) (?:be )?(?:deliver|send your|process your message)",
    "(?:mail|message|e-?mail) (?:can ?not|could not|couldn't|can't) be (?:sent|deliver|forward)",
    "not member article|loop (?:back )?(?:alert|warning)|unix from loop|fml system error|reject mail from",
    "deliver(?:y|ing)[: ](?:of )?(?:\\S{1,40} ){0,2}(?:status|fail|report|error|problem|"
    "delay|notif|warning|attempt|incomplete|impossible|was)",
    "fail(?:ed|ure)(?: notice)?:? (?:mail|message|e-?mail|to )?\\s?deliver",
    "(?:mail|message|e-?mail|system|delivery|smtp|transport|transmission|send|"
    "sending) (?:delivery |sending |system |status )?(?:fail|error|problem)",
    "failed mail|mail failed|mail failure",
    "aws notification message|amazon ses",
    "failure (?:notice|notification|report|delivering)",
    "return(?:ed|ing)?:? (?:mail|message|to sender|e-?mail|undeliv)",
    "(?:mail|message|e-?mail) (?:was |has been |is )?(?:return|bounc|reject|refus|block|"
    "delay|defer|not sent|lost|not accepted|stuck)",
    "\\bbounced?\\b.{0,40}(?:mail|message|notif|error)",
    "^\\W*bounce\\b",
    "delivery ?status ?notification",
    "mail ?delivery",
    "not yet (?:been )?deliver|delayed mail",
    "(?:message|mail|e-?mail)s? (?:delivery )?(?:is |was |has been )?(?:still )?(?:delayed|being retried|queued)",
    "warning: (?:could|message|mail|e-?mail|delivery)",
    "(?:user|recipient|address|addressee|mailbox|account|host|domain)s? (?:is )?(?:unknown|"
    "invalid|not found|full|disabled|unavailable|does ?n.t exist|not exist|rejected|"
    "over ?quota|expired|inactive)",
    "(?:unknown|invalid|bad|unrouteable|nonexistent|no such|wrong) (?:user|recipient|address|"
    "mailbox|host|domain|e-?mail|to address)",
    "rejected(?:[: ]|$).{0,20}(?:mail|message|posting|e-?mail|recipient)",
    "(?:your|the) (?:mail|message|e-?mail) (?:to|could|cannot|can't|was|has|wasn't|couldn't|did)",
    "mail ?box (?:is )?(?:full|exceeded|unavailable)",
    "(?:over|exceeded|out of) (?:disk )?quota",
    "quota exceeded",
    "postmaster notify",
    "postmaster warning",
    "nondeliverable",
    "\\bndr\\b|\\bndn\\b",
    "did not (?:get through|reach|arrive)",
    "message not (?:sent|delivered|accepted)",
    "e?-?mail not (?:sent|delivered|accepted)",
    "unroutable|unrouteable",
    "smtp mail",
    "message status",
    "message notification",
    "email feedback report",
    "abuse report",
    "complaint about message",
    "dmarc (?:forensic|failure) report",
    "disposition notification",
    "(?:virus|worm|infected|malware).{0,30}(?:found|detect|alert|in (?:mail|message|your)|"
    "warning|notif|removed|blocked|quarantin)",
    "warning.{0,20}(?:virus|e-?mail|infected)",
    "content (?:filter|violation|alert)",
    "(?:challenge|verification|confirm).{0,30}(?:required|needed|your (?:e-?mail|message)|address)",
    "please (?:confirm|verify) your (?:e-?mail|message)",
    "please resend",
    "unsolicited bulk e-?mail|banned (?:contents|file)",
    "(?:mail|message|e-?mail) (?:that )?you sent (?:was |has been )?(?:block|reject|return)",
    "error (?:in )?(?:sending|delivering|transmitting) (?:your |the )?(?:mail|message|e-?mail)",
    "problem with your (?:mail|message|e-?mail)",
    "(?:mail|message|e-?mail) (?:transaction|transfer) fail",
    "(?:could not|can ?not|unable to) send (?:your |the )?(?:mail|message|e-?mail)",
    "^\\W*(?:relayed|expanded|delayed): ",
    "mailer-daemon:",
    "delay in (?:mail |message )?delivery|successfully delivered (?:mail|message)",
    "(?:post|posting|request) to .{0,60}(?:reject|refus|denied)",
    "attachment (?:was |has been )?blocked|mail loop|too many hops|message expired",
    "sender (?:address )?(?:blocked|rejected)",
    "return receipt|lesebestätigung|accusé de lecture|confirmation de lecture",
    "message blocked",
    "blocked (?:mail|message|e-?mail)",
    "spam (?:mail )?(?:rejected|blocked|notification)",
    # read and not read
    "^\\W*(?:not )?read: ",
    "^\\W*(?:gelesen|lu|leído|letto|lido|gelezen|läst|lest|przeczytano|прочтено|開封済み|已读|읽음)\\s?: ",
    # German
    "unzustell",
    "nicht zustell",
    "(?:zustell|übermittlungs|auslieferungs)(?:ung|ungs)?-?(?:fehler|status|problem|"
    "benachrichtigung|bericht|verzöger|fehlgeschlagen)",
    "(?:nachricht|mail|zustellung|sendung|übermittlung|"
    "auslieferung) (?:\\S{1,30} ){0,4}(?:nicht|fehlgeschlagen|zurück|unzustellbar|verzögert|"
    "gescheitert|verspätet)",
    "(?:konnte|kann) nicht (?:zugestellt|ausgeliefert|übermittelt)",
    "fehler beim (?:senden|zustellen|versand|versenden)|zustellungsbest",
    "rücksendung|fehlerhafte e?-?mail|verzögerte",
    # French
    "non[- ](?:remis|distribu|délivr|delivr|livr)",
    "(?:échec|echec|erreur|problème|avis|notification|rapport|retard)\\S{0,3} (?:de |d'|"
    "dans |sur |lors |l')?(?:la |l')?(?:remise|distribution|livraison|envoi|acheminement|"
    "transmission|état|expédition)",
    "(?:message|courrier|courriel|mail) (?:\\S{1,20} ){0,3}(?:retourné|non |n'a pas|refusé|"
    "rejeté|impossible|indélivrable|en attente)",
    "impossible de (?:distribuer|remettre|délivrer|livrer|acheminer)|message bloqué|^\\W*retourné ?: ",
    "n['’]a (?:pas )?pu être (?:livré|remis|délivré|distribué|acheminé)",
    "retour (?:de |du |à l')(?:courrier|courriel|mail|message|expéditeur)",
    # Spanish, Portuguese, Italian, Catalan
    "no (?:se ha |se pudo |ha sido |pudo ser )?(?:entreg|enviad)",
    "não (?:foi |pôde |pode )?(?:ser )?(?:entreg|enviad|encaminh)",
    "nao (?:foi )?entreg",
    "(?:error|fallo|falla|falha|erro|problema|aviso|notificaci[óo]n|notifica[çc][ãa]o|estado|"
    "informe|retraso|atraso|relatório)\\S{0,2} (?:de |en |na |no |do |da |al |del |"
    "sobre )?(?:la |el |o |a |status |estado )?(?:de )?(?:la )?(?:entrega|envío|envio|correo|"
    "mensaje|mensagem|email|e-mail|distribuição)",
    "devuelto|devolvid|rechazado|rejeitad|devolución de|devolu[çc][ãa]o d",
    "impossível entregar|imposible entregar|no entregado|não entregue|inentregable",
    "mancat[ao] (?:recapito|consegna)|(?:recapito|consegna|notifica|errore|stato) (?:del |"
    "della |di |dello |nella |nell')?(?:stato |recapito|consegna|messaggi|fallit|non riuscit|"
    "impossibil|mail|ritard)",
    "non (?:recapitabile|consegnat|recapitat|è stato)|messaggio (?:respinto|non|restituito|rifiutato)",
    # Dutch and Nordic
    "onbestel|niet (?:bezorg|afgelever|besteld|verzonden|bestelbaar)|(?:bezorg|aflever|"
    "verzend)\\S{0,10}(?:fout|status|probleem|mislukt|vertrag)|bezorging mislukt|"
    "niet-bezorgd|retour afzender|vertraagd\\S{0,2} (?:aflever|bezorg|verzend)",
    "kan ?(?:inte|ikke|ej) (?:\\S{1,20} )?lever|oleverer|olevererbar|ikke lever|inte lever|"
    "(?:lever|afsend|utlever)\\S{0,12}(?:fejl|fel|feil|status|problem|mislyk|misslyck)|"
    "lever(?:ing|ans)\\S{0,5} (?:\\S{1,30} ){0,4}(?:fejl|feil|mislyk|misslyck)|returneret|returnerat|returnert|"
    "forsinke[td]|försenad|kunde inte|kunne ikke",
    "toimitus|toimittaa|perille|palautettu|ei voitu|epäonnistu",
    # Polish, Czech, Slovak, Hungarian, Romanian, Turkish, Greek
    "niedostarcz|nie (?:można|udało|zosta\\S{1,3}) (?:się )?(?:dostarcz|wysł)|(?:zwrot|błąd|"
    "status|problem|raport)\\S{0,3} (?:w |o |z )?(?:dostarcz|dor[eę]cz|poczty|wiadomo|"
    "przesyłki|wysył)|niedoręcz|zwrócon|opóźnien",
    "doručení se nezda|nebyl[aoy]? doru|nedoru[čc]|nelze doru|(?:oznámení|stav|chyba|zpráva|"
    "selhání)\\S{0,3} (?:o )?(?:stavu )?(?:doru|nedoru|odesl)|vrácen|nedorucit|vrátená|"
    "nepodařilo|nepodarilo|nebol[ao]? (?:možné )?doru",
    "kézbesít|kézbesíthet|nem kézbes|visszaküld|sikertelen|kezbesit",
    "nelivrat|nu a (?:putut|fost) (?:fi )?livrat|eșec|livrare",
    "(?:teslim|iletil|gönderil|ulaştırıl)\\S{0,10}|iletim|iade edil|teslim edil",
    "μη παραδοτέο|αποτυχ|παράδοσης|δεν παραδ|επιστροφ",
    # Russian, Ukrainian, Bulgarian
    "недостав|не (?:был[оа]? |е )?(?:достав|удалось|может быть|відправлен)|(?:ошибка|состояни|"
    "сбой|проблем|статус|отчет|отчёт|уведомлени|помилка|звіт)\\S{0,3} (?:о |об |при |про |"
    "в )?(?:состоянии |не)?(?:достав|отправ|переда|пересыл)|доставк|возвра[щт]|невозможно|"
    "не доставлено|недоставлен|повернен|грешка",
    # Hebrew and Arabic
    "לא נמסר|מסירה|לא ניתן|תعذر|تعذر|فشل|لم يتم|غير قابلة للتسليم|إشعار",
    # East Asia
    "配信(?:不能|失敗|エラー|でき|遅延|状態|不可|済み|状況)|送信(?:できま|失敗|エラー|不能)|"
    "(?:送|配)達(?:不能|でき|エラー)|届(?:けられ|きません|かな|けでき)|返送|不達|"
    "エラーメール|メール.{0,4}エラー|エラー.{0,3}通知|戻り|宛先不明|受信拒否|配送|未達",
    "退信|退回|投递(?:失败|状态|延迟)|无法(?:投递|送达|发送|传递|递送)|未(?:送达|投递|能送达|"
    "能投递|传递|傳遞|送達)|(?:发送|傳送|传送|寄送|遞送|投遞|传递|傳遞|邮件|郵件)(?:失败|"
    "失敗|状态|狀態|延迟|延遲|未)|無法(?:投遞|送達|傳送|傳遞|寄達|遞送)|未傳遞|系统退信|"
    "邮件系统|無法寄送",
    "배달(?:되지|할 수|하지| 실패|이 | 상태|불가| 못)|전(?:송|달)(?: ?실패|되지|할 수|하지|"
    " 오류|이 | 못)|반송|수신자|발송(?: ?실패|되지)|전달할 수|메일.{0,10}(?:실패|못)",
    "không (?:thể )?(?:gửi|chuyển|phát)|gửi.{0,10}thất bại|ไม่สามารถ|ส่งไม่|tidak (?:dapat |"
    "terkirim|terhantar)|gagal (?:dikirim|terkirim|kirim|penghantaran)",
    stems="liver, livr, lever, mail, messag, mensa, fail, return, retour, retourn, bounce, quota, unknown, "
    "send your, not member, loop, fml system, reject, refus, denied, error, problem, amazon ses, warning, "
    "invalid, not found, full, unavailable, disabled, exist, expired, inactive, bad , no such, wrong, unrout, "
    "postmaster, ndr, ndn, did not , abuse, dmarc, disposition, infected, malware, virus, worm, content , "
    "challenge, verification, confirm, please resend, banned, layed, expanded, delay, block, too many hops, "
    "vertraagd, lesebest, lecture, notif, read: , gelesen, gelezen, lu:, lu\\s:, lest:, lest\\s:, leído, letto, lido, "
    "läst, przeczytano, прочтено, 開封, 已读, 읽음, zustell, auslieferung, übermitt, nachricht, sendung, geliefert, "
    "gestellt, fehler, verzöger, remis, non.distr, distribution, distribuiç, envoi, achemin, transmission, "
    "état, expédition, courri, impossible, pu être, entreg, enviad, encaminh, envío, envio, correo, devuelto, "
    "devolvid, devolu, rechazado, rejeitad, mancat, recapit, consegn, stato, onbestel, bezorg, besteld, "
    "bestelbaar, verzond, verzend, afsend, forsink, försenad, kunde inte, kunne ikke, toimit, perille, "
    "palautettu, ei voitu, epäonnistu, dostarcz, wysł, zwrot, błąd, status, raport, niedoręcz, zwrócon, "
    "opóźn, doru, odesl, vrácen, vrátená, nepoda, kézbes, kezbes, visszaküld, sikertelen, eșec, teslim, "
    "iletil, gönderil, ulaştır, iletim, iade, không, gửi, ไม่, tidak, gagal",
)
HARMLESS_SUBJECT = _any_of(  # what NOTICE_SUBJECT takes for a sign, and is no word of a failure or delay
    "message notification|message status|amazon ses|aws notification",
    "content (?:filter|violation|alert)|virus|worm|malware|infected|banned",
    "challenge|verification|please (?:confirm|verify)|confirm.{0,30}(?:required|needed|address)",
    "return receipt|lesebestätigung|accusé de lecture|confirmation de lecture|disposition",
    "^\\W*(?:not )?read: |^\\W*(?:gelesen|lu|leído|letto|lido|gelezen|läst|lest|przeczytano|прочтено|開封済み|"
    "已读|읽음)\\s?: ",
    "abuse report|feedback report|complaint|dmarc",
    "deliver(?:y|ability) (?:report|statistics|summary)|newsletter|statistic|campaign|queue (?:report|status)",
    "^\\W*(?:fax|voice)|\\bfax (?:transmission|message|from|to|number|job)|voice ?mail|missed call",
    "quarantine|released|approval|moderat|pending|incident|ticket|scanned|forged|in your name",
    "zurückgehalten|retenu|retenid|trattenut|tegengehouden|^\\W*cron <|^\\s*#\\d{2,}|recall",
    "errors from \\S",  # protocol transcripts of Postfix
)
RETURNED_SUBJECT = _any_of(
    "undeliver\\S{1,6}(?: (?:mail|message|e-?mail)|:)",
    "un-?delivered (?:mail|message|e-?mail)",
    "non-?deliver(?:y|able)",
    "return(?:ed|ing)(?: undeliver\\S{1,6})? (?:mail|message|to sender)",
    "(?:mail|message|e-?mail) (?:delivery|delivering|sending|transmission)",
    "deliver(?:y|ing)(?: of)?(?: your| the| this)? (?:status|(?:mail|message|e-?mail))",
    "(?:mail|message|e-?mail)s? (?:to \\S{1,200} )?(?:was |has been |is |could |can)?(?:not|undeliver|return|bounc)",
    "failure notice|postmaster notify|\\bndr\\b|\\bndn\\b",
    "(?:user|recipient|mailbox) unknown|unknown (?:user|recipient)",
    "unzustell|non remis|no entregado|não entregue|mancato recapito|onbestel|niedostarcz|nedoru|olever|недостав",
    "配信|退信|배달|teslim edil",
)
AUTO_SUBJECT = _any_of(
    "auto(?:matic)?[- ]?(?:reply|respon|answer|generated reply|antwort|reactie|acknowledg)",
    "^\\W*auto: ",
    "out of (?:the )?office",
    "out-of-office",
    "\\booo\\b\\s?:",
    "\\b(?:away|absent) from (?:my|the|his|her) (?:mail|office|desk)",
    "(?:on|am on|vacation|holiday|annual) (?:vacation|leave|holiday|notice|message|reply)",
    "vacation (?:reply|message|notice|notification)",
    "autoresponder",
    "autorespons?",
    "automat\\S{1,6} (?:reply|antwort|antwoord|svar|odpowied|odpov|vastaus|válasz|yanıt|réponse)",
    "(?:réponse|risposta|respuesta|resposta) autom",
    "abwesen(?:heit|d)",
    "nicht im (?:büro|haus)",
    "absence du bureau|absent du bureau|absence",
    "fuera de (?:la )?oficina|fuera de la oficina",
    "fuori (?:sede|ufficio)|assente",
    "fora do escritório|ausência|ausente",
    "afwezig|automatisch antwoord",
    "frånvaro|fravær|autosvar|autosvar|poissa",
    "автоответ|автоматическ\\S{1,4} ответ|нет на рабочем|вне офиса|відсутн",
    "odpowiedź automatyczna|automatyczna odpowied|autoodpowied|nieobecn|nepřítomn|automatická odpov|mimo kancelář",
    "自動(?:返信|応答|回覆|回复)|自动(?:回复|答复|回覆)|不在(?:通知|の|中|です)|外出|休暇|自動回復",
    "자동 ?(?:회신|응답|답장)|부재중|부재 중",
    "otomatik (?:yanıt|cevap)|ofis dışı",
    "házon kívül|automatikus válasz",
    # what Exchange puts before subjects in further languages
    "automātisk|automatisk[aā] atbild|[aā]rpus biroja",
    "automatinis atsakymas|ne biure",
    "automaat\\S{1,8} (?:vasta?us|svar)|automaatvastus|kontoris ei",
    "automatski odgovor|samodejni odgovor|izvan ureda|nisam u uredu|odsoten|odsotn",
    "automatick\\S{1,3} odpove|răspuns automat|raspuns automat|în afara biroului",
    "resposta autom|erantzun automatiko|sjálfvirkt? svar|automatisk svar",
    "trả lời tự động|tự động trả lời|balasan (?:otomatis|automatik)|di luar kantor|poza biurem|van kantoor|"
    "niet op kantoor|odsutan|odsutna|ikke på kontoret|inte på kontoret",
    "автоматичен отговор|автоматична відповідь|аутоматски одговор|автоматты жауап|извън офиса|ван канцеларије",
    "αυτόματη απάντηση|εκτός γραφείου",
    "תשובה אוטומטית|מענה אוטומטי|מחוץ למשרד|رد تلقائي|الرد التلقائي|خارج المكتب|پاسخ خودکار",
    "ตอบกลับอัตโนมัติ|ไม่อยู่ที่สำนักงาน|स्वचालित (?:उत्तर|जवाब)",
    stems="samodejn, arpus, ārpus, ne biure, kontoris, izvan, nisam, odsot, răspuns, raspuns, în afara, erantzun, "
    "sjálfvirk, trả lời, op kantoor, odsut, balasan, di luar, poza biur, van kantoor, kontoret, auto, out of, "
    "out-of, ooo, away, absen, vacation, leave, holiday, notice, messag, reply, abwesen, "
    "nicht im, fuera, fuori, assente, fora do, ausên, ausente, afwezig, frånvaro, fravær, poissa, nieobecn, "
    "nepřítomn, mimo kancel, otomatik, ofis, házon kívül",
)
