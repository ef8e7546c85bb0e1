"""Machine mail that somebody wanted, with mail inside: journals, moderation, quarantines, wrappers, tickets, copies.

Each sort is what a product writes to a person who asked for it or needs it. None is a bounce, whatever the message is
that it carries: a stranger's letter to the owner, a forgery in the owner's name, or the owner's own letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime

from tests.generator.world import World

EXCHANGE = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.org"
ALL_LETTERS = ("a stranger's", "a forgery", "the owner's")


@dataclass(frozen=True)
class Sort:
    """One sort of wanted machine mail. `{subject}` in its subject and words is that of the message it carries.

    `paths` are the return paths it comes with: "" is the null sender. `carries`: the message as an "attachment", its
    header in the "text", or "nothing". `letters` are the kinds of message that it is about.
    """

    what: str
    sender: str
    subject: str
    words: str
    fields: tuple[str, ...] = ()
    paths: tuple[str, ...] = ("", "postmaster@example.org")
    carries: str = "attachment"
    letters: tuple[str, ...] = ALL_LETTERS
    to: str | None = None  # the owner, where it is not said


@dataclass(frozen=True)
class WantedMail:
    """One such message, and what it is."""

    what: str
    raw: bytes
    arrived: datetime


_AUTO = ("Auto-Submitted: auto-generated",)
_PERSON = ("postmaster@example.org",)
_NULL = ("",)
_INBOUND = ("a stranger's", "a forgery")

SORTS: tuple[Sort, ...] = (
    # --- journals and archives
    Sort(
        "journal report",
        f"Microsoft Outlook <{EXCHANGE}>",
        "{subject}",
        "Sender: x\nSubject: {subject}\nMessage-Id: <1@x.test>\nTo: bob@far.test\n",
        ("X-MS-Journal-Report:", *_AUTO),
        ("",),
    ),
    Sort(
        "journal report without its field",
        "Journal <postmaster@example.org>",
        "{subject}",
        "Sender: anna.berg@example.org\nSubject: {subject}\nMessage-Id: <1@x.test>\nRecipient: bob@far.test\n",
    ),
    Sort(
        "journal whose mailbox could not take it earlier",
        f"Microsoft Exchange <{EXCHANGE}>",
        "Journal report: {subject}",
        "Sender: anna.berg@example.org\nOn-Behalf-Of: anna.berg@example.org\nTo: bob@far.test\n",
        ("X-MS-Exchange-Organization-Journal-Report:",),
        ("",),
    ),
    Sort(
        "archive restore",
        "Mail Archive <mailer-daemon@archive.example.org>",
        "Restored message: {subject}",
        "The message that you selected was restored from the archive. It is attached.",
        _AUTO,
    ),
    Sort(
        "archive export",
        "MailStore <postmaster@example.org>",
        "Export from the archive (1 message)",
        "You asked for this message to be sent from the archive.",
    ),
    Sort(
        "archive restore, in German",
        "Mailarchiv <postmaster@example.org>",
        "Wiederhergestellt: {subject}",
        "Die gewünschte Nachricht wurde aus dem Archiv wiederhergestellt und liegt bei.",
    ),
    # --- moderation
    Sort(
        "Exchange approval request",
        f"Microsoft Exchange Approval Assistant <{EXCHANGE}>",
        "Approval request: {subject}",
        'otto@outsider.test has sent a message to the moderated group "Builders". Please approve or reject it.',
        ("X-MS-Exchange-Organization-Approval-Initiator: x", *_AUTO),
    ),
    Sort(
        "Mailman 2 moderation request",
        "builders-owner@lists.example.org",
        "Builders post from otto@outsider.test requires approval",
        "As list administrator, your authorization is requested for the\nfollowing mailing list posting:\n\n"
        "    List:    Builders@lists.example.org\n    From:    otto@outsider.test\n    Subject: {subject}\n"
        "    Reason:  Post by non-member to a members-only list\n\nAt your convenience, visit:\n\n"
        "    https://lists.example.org/mailman/admindb/builders\n\nto approve or deny the request.",
        ("X-List-Administrivia: yes", "List-Id: <builders.lists.example.org>", "Precedence: bulk", *_AUTO),
        ("", "builders-bounces@lists.example.org"),
    ),
    Sort(
        "Mailman 3 moderation request",
        "builders-owner@lists.example.org",
        "builders@lists.example.org post from otto@outsider.test requires approval",
        "As list administrator, your authorization is requested for the following\nmailing list posting:\n\n"
        "    List:    builders@lists.example.org\n    From:    otto@outsider.test\n    Subject: {subject}\n\n"
        "The message is being held because:\n\n    The message is not from a list member",
        ("X-Mailman-Version: 3.3.9", "Precedence: list", *_AUTO),
        ("", "builders-bounces@lists.example.org"),
    ),
    Sort(
        "Google Groups pending message",
        "Google Groups <noreply-spamdigest@googlegroups.com>",
        "builders: 1 message pending approval",
        "A message was sent to your group builders and is awaiting approval, because its sender may not post.\n\n"
        "From: otto@outsider.test\nSubject: {subject}",
        _AUTO,
        ("", "noreply@googlegroups.com"),
    ),
    Sort(
        "Sympa moderation request",
        "SYMPA <sympa@lists.example.org>",
        "Message for builders to be approved by anna",
        "This message was sent to the list builders and has to be approved by you:\n\n"
        "To distribute the attached message: DISTRIBUTE builders 77ab\n"
        "To reject it (it will be removed): REJECT builders 77ab",
        _AUTO,
        ("", "builders-owner@lists.example.org"),
    ),
    Sort(
        "Sympa moderation request, in French",
        "SYMPA <sympa@lists.example.org>",
        "Message à valider pour builders",
        "Le message suivant attend votre validation. Pour le distribuer : DISTRIBUTE builders 77ab. Pour le rejeter :"
        " REJECT builders 77ab",
        _AUTO,
        ("", "builders-owner@lists.example.org"),
    ),
    # --- quarantines
    Sort(
        "quarantine release, Exchange",
        "quarantine@messaging.example.org",
        "{subject}",
        "An administrator released this message from quarantine.",
        _AUTO,
    ),
    Sort(
        "quarantine release, gateway",
        "Mail Gateway <postmaster@example.org>",
        "Released from quarantine: {subject}",
        "The following message was quarantined and has been released by your administrator. It is attached.",
        _AUTO,
    ),
    Sort(
        "quarantine release, blocked before",
        "Mail Gateway <mailer-daemon@example.org>",
        "Message released: {subject}",
        "This message was blocked by a filter rule and was not delivered at once. It has been released to you.",
    ),
    Sort(
        "quarantine release, Proofpoint",
        "Proofpoint Essentials <postmaster@example.org>",
        "Released: {subject}",
        "The message below was held in quarantine. You asked for its release; delivery was delayed until now.",
    ),
    Sort(
        "held message, Mimecast",
        "Mimecast <postmaster@example.org>",
        "[Postmaster] Messages on hold for anna.berg@example.org",
        "You have new held messages. You can release all of them and permit or block future email from the senders.\n\n"
        "otto@outsider.test  {subject}  Release  Block  Permit",
    ),
    Sort(
        "quarantine report, Barracuda",
        "Barracuda Spam Firewall <postmaster@example.org>",
        "Spam Quarantine Summary: 1 message",
        "Messages in your quarantine:\n\nFrom: otto@outsider.test\nSubject: {subject}\nDeliver  Whitelist  Delete",
        carries="nothing",
    ),
    Sort(
        "quarantine report with a message, rspamd",
        "rspamd <postmaster@example.org>",
        "Quarantine notification: {subject}",
        "A message to you was rejected by the filter with a score of 15.2. A copy is attached; nobody was told.",
        _AUTO,
    ),
    Sort(
        "quarantine release, in German",
        "Mail-Gateway <postmaster@example.org>",
        "Freigegeben: {subject}",
        "Diese Nachricht wurde blockiert und nicht zugestellt. Ihr Administrator hat sie freigegeben.",
    ),
    Sort(
        "quarantine release, in French",
        "Passerelle <postmaster@example.org>",
        "Libéré de la quarantaine : {subject}",
        "Ce message avait été bloqué et n'a pas été distribué. Il a été libéré par votre administrateur.",
    ),
    Sort(
        "quarantine release, in Spanish",
        "Pasarela <postmaster@example.org>",
        "Liberado de la cuarentena: {subject}",
        "Este mensaje estaba bloqueado. Su administrador lo ha liberado y se adjunta.",
    ),
    Sort(
        "quarantine release, in Japanese",
        "ゲートウェイ <postmaster@example.org>",
        "隔離解除: {subject}",
        "隔離されていたメールが管理者により解放されました。添付のメールをご確認ください。",
    ),
    Sort(
        "quarantine release, in Russian",
        "Шлюз <postmaster@example.org>",
        "Освобождено из карантина: {subject}",
        "Письмо было задержано фильтром и освобождено администратором. Оно приложено.",
    ),
    # --- wrappers of filters
    Sort(
        "amavis, defanged",
        '"Content-filter at mail.example.org" <postmaster@mail.example.org>',
        "***UNCHECKED*** {subject}",
        "WARNING: contains undecipherable part",
        ("X-Amavis-Modified: Original mail wrapped as attachment (defanged) by mail.example.org",),
        ("otto@outsider.test", ""),
        letters=_INBOUND,
    ),
    Sort(
        "amavis, banned content",
        '"Content-filter at mail.example.org" <postmaster@mail.example.org>',
        "BANNED contents from otto@outsider.test",
        "BANNED CONTENTS ALERT\n\nOur content checker found\n    banned name: x.exe\n\n"
        "in email presumably from you or from outside. Delivery of the email was stopped; it is attached.",
        ("X-Amavis-Modified: Original mail wrapped as attachment (defanged) by mail.example.org",),
        ("otto@outsider.test", ""),
        letters=_INBOUND,
    ),
    Sort(
        "MailScanner, wrapped spam",
        '"MailScanner" <postmaster@example.org>',
        "{{Spam?}} {subject}",
        "Our MailScanner believes that the attachment to this message sent to you\n\n"
        "   From: otto@outsider.test\n   Subject: {subject}\n\n"
        "is Unsolicited Commercial Email (spam). Unless you are sure that this message is incorrectly thought to be\n"
        "spam, please remove this message without opening the attachment.",
        letters=_INBOUND,
    ),
    Sort(
        "MailScanner, attachment removed",
        '"MailScanner" <postmaster@example.org>',
        "Warning: E-mail viruses detected",
        "Our virus detector has just been triggered by a message sent to you:-\n  From: otto@outsider.test\n"
        "  Subject: {subject}\nOne or more of the attachments are on the list of unacceptable attachments.",
        letters=_INBOUND,
    ),
    Sort(
        "spam filter's report with a null sender",
        "SpamFilter <postmaster@example.org>",
        "***SPAM*** {subject}",
        "Spam detection software, running on the system mail.example.org, has identified this incoming email as\n"
        "possible spam. The original message has been attached to this so you can view it.\n\n"
        "Content preview:  Dear Anna, ... [...]\n\nContent analysis details:   (5.3 points, 5.0 required)",
        ("X-Spam-Flag: YES",),
        ("",),
        letters=_INBOUND,
    ),
    Sort(
        "gateway's security notice",
        "Email Security <mailer-daemon@gateway.example.org>",
        "Suspicious attachment removed from: {subject}",
        "An attachment of this message was removed by policy. The rest of it is attached and was delivered to you.",
        letters=_INBOUND,
    ),
    # --- people at a role's address
    Sort(
        "postmaster asks about a sender",
        "Paul Postmaster <postmaster@example.org>",
        "Do you know this sender?",
        "Hi Anna,\n\nthis mail for you was stopped by the filter. Do you know the sender?\n\nPaul",
        paths=_PERSON,
    ),
    Sort(
        "postmaster asks, from Thunderbird",
        "Paul Postmaster <postmaster@example.org>",
        "Do you know this sender?",
        "Hi Anna,\n\nthis mail was rejected and could not be delivered. Do you know it?\n\nPaul",
        ("User-Agent: Mozilla Thunderbird",),
        ("", *_PERSON),
    ),
    Sort(
        "postmaster forwards",
        "Paul Postmaster <postmaster@example.org>",
        "Fwd: {subject}",
        "Hi Anna,\n\nis this one yours?\n\nPaul",
        paths=("", *_PERSON),
    ),
    Sort(
        "postmaster forwards, in German",
        "Paul Postmeister <postmaster@example.org>",
        "WG: {subject}",
        "Hallo Anna,\n\ndas kam hier an und wurde nicht zugestellt. Ist es von dir?\n\nPaul",
        paths=_PERSON,
    ),
    Sort(
        "administrator warns of a forger",
        "Paul Postmaster <postmaster@example.org>",
        "Somebody writes in your name",
        "Hi Anna,\n\nsomebody writes to our people in your name, see the attached mail. Please tell your customers.",
        paths=_PERSON,
    ),
    Sort(
        "administrator warns of a forger by a form letter",
        "IT Security <postmaster@example.org>",
        "Warning: forged mail in your name",
        "A message that pretends to be yours was blocked by our server. You need not do anything. It is attached.",
        letters=("a forgery",),
    ),
    Sort(
        "administrator on a broken address",
        "Paul Postmaster <postmaster@example.org>",
        "Mail to far.test",
        "Dear all,\n\nmail to Bob was refused since Monday:\n\n"
        "  <bob@far.test>: host mx.far.test[203.0.113.9] said: 550 5.1.1 User unknown\n\nPlease use his new address.",
        ("User-Agent: Mozilla Thunderbird",),
        _PERSON,
        carries="nothing",
    ),
    Sort(
        "administrator on a broken address, by web mail",
        "Paul Postmaster <postmaster@example.org>",
        "New address of Bob",
        "Dear all,\n\nbob@far.test does not exist any more: 550 5.1.1 User unknown. Use his new address.\n\nPaul",
        paths=_PERSON,
        carries="nothing",
    ),
    Sort(
        "helpdesk answers",
        "IT Helpdesk <postmaster@example.org>",
        "Your question about a returned mail",
        "Hello Anna,\n\nthe mail that you asked about is attached. It was returned because the mailbox was full.\n\nIt",
        paths=_PERSON,
    ),
    # --- data loss prevention, compliance, transport rules
    Sort(
        "DLP incident report",
        f"Microsoft Outlook <{EXCHANGE}>",
        "Rule detected - {subject}",
        "This email was automatically generated by the Generate Incident Report action.\n\n"
        "Message Id: <1@x.test>\nSender: anna.berg@example.org\nSubject: {subject}\nTo: bob@far.test\n"
        "Severity: Low\nOverride: No\nRule Hit: Credit cards, Action: GenerateIncidentReport, NotifySender",
        _AUTO,
    ),
    Sort(
        "DLP incident of a gateway",
        "DLP Gateway <mailer-daemon@gateway.example.org>",
        "DLP incident 4711",
        "Policy: Credit cards\nSender: anna.berg@example.org\nRecipient: bob@far.test\nAction taken: blocked\n"
        "The message is attached for review.",
    ),
    Sort(
        "transport rule's copy",
        f"Microsoft Outlook <{EXCHANGE}>",
        "Fw: {subject}",
        "This message was forwarded to you by a mail flow rule.",
        ("X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent",),
    ),
    Sort(
        "delegate's copy",
        f"Microsoft Outlook <{EXCHANGE}>",
        "FW: {subject}",
        "This is a copy of a meeting request that was sent to the person you act for.",
    ),
    Sort(
        "milter's copy",
        "Mail Copy <mailer-daemon@mail.example.org>",
        "Copy of: {subject}",
        "A copy of a message that passed this server, as you asked for.",
    ),
    Sort(
        "supervision sample",
        "Compliance <postmaster@example.org>",
        "Supervisory review: {subject}",
        "This message was selected for review. Sender: anna.berg@example.org",
    ),
    # --- tickets, helpdesks, monitors
    Sort(
        "ticket, OTRS",
        "OTRS System <postmaster@example.org>",
        "[Ticket#2026101310000017] Undelivered Mail Returned to Sender",
        "You have a new ticket. The mail that opened it is attached.\nX-Queue: Postmaster",
        ("X-OTRS-Loop: yes", *_AUTO),
    ),
    Sort(
        "ticket, Zammad",
        "Zammad Helpdesk <support@example.org>",
        "[Ticket#30017] {subject}",
        "A new ticket was created from the attached mail: message could not be delivered, user unknown.",
        _AUTO,
    ),
    Sort(
        "ticket, RT",
        "Anna via RT <postmaster@example.org>",
        "[example.org #4711] {subject}",
        "Transaction: Ticket created by otto@outsider.test\nQueue: General\nSubject: {subject}\nStatus: new",
        ("RT-Ticket: example.org #4711", "X-RT-Loop-Prevention: example.org"),
        ("", "rt@example.org"),
    ),
    Sort(
        "ticket, Zendesk",
        "Support <support@example.zendesk.test>",
        "[Example] New ticket of Otto: {subject}",
        "Otto opened a ticket (4711) that is assigned to you.",
        ("X-Zendesk-From-Account-Id: 77", *_AUTO),
        ("", "support@example.zendesk.test"),
    ),
    Sort(
        "monitor of mail",
        "Mail Monitor <root@monitor.example.org>",
        "PROBLEM: smtp on mail.example.org is CRITICAL",
        "The test mail to probe@far.test was not delivered within 300 seconds. The probe is attached.",
    ),
    Sort(
        "monitor's report of a queue",
        "Mail Queue <postmaster@example.org>",
        "Mail queue report",
        "There are 3 messages in the queue; the oldest was deferred by mx.far.test since Monday. It is attached.",
    ),
    # --- machines that send documents and calls
    Sort(
        "voicemail",
        "Voice Mail <postmaster@example.org>",
        "Voicemail from +49 30 555 17",
        "You have a new voice message. Length: 0:31. The number could not be reached again.",
        _AUTO,
    ),
    Sort(
        "missed call",
        f"Microsoft Outlook <{EXCHANGE}>",
        "Missed Call from +49 30 555 17",
        "You missed a call from +49 30 555 17. Number unknown.",
        carries="nothing",
    ),
    Sort(
        "fax that did not go through",
        "Fax Server <postmaster@example.org>",
        "Fax transmission failed: +49 30 555 18",
        "Your fax to +49 30 555 18 of 3 pages was not sent: no answer. Sent by anna.berg@example.org",
        carries="nothing",
    ),
    Sort(
        "fax",
        "Fax Server <postmaster@example.org>",
        "Fax received: 3 pages",
        "A fax has come for you. The original message is attached.",
        _AUTO,
    ),
    Sort(
        "scan to mail",
        "Scanner <root@copier.example.org>",
        "Scanned document",
        "This mail was sent from a copier that does not take answers. The document is attached.",
    ),
    # --- calendars, answers about reports, abuse desks
    Sort(
        "meeting notice",
        f"Microsoft Exchange <{EXCHANGE}>",
        "Meeting Forward Notification: {subject}",
        "Your meeting was forwarded\n\nOtto has forwarded your meeting request to additional people.",
        _AUTO,
    ),
    Sort(
        "Defender's answer about a submission",
        "Microsoft Defender <no-reply@microsoft.test>",
        "Submission result: {subject}",
        "Your submission was reviewed. Result: the message is spam and should have been blocked. It is attached.",
        paths=("", "no-reply@microsoft.test"),
    ),
    Sort(
        "abuse desk's letter",
        "Abuse Desk <abuse@isp.test>",
        "[Case 4711] Mail in your name",
        "Somebody complained about the attached message that names you as its sender. Please look into it.",
        paths=("", "abuse@isp.test"),
    ),
    Sort(
        "mail delivery report",
        "Mail Delivery Service <postmaster@news.test>",
        "Mail delivery report",
        "Your newsletter was delivered to 1,200 of 1,212 recipients. 12 bounced. Opened: 310.",
        carries="nothing",
    ),
    Sort(
        "newsletter statistics",
        "Newsletter <postmaster@news.test>",
        "Delivery statistics of your newsletter",
        "Delivered: 1,200. Undeliverable: 12. User unknown: 7. The newsletter is attached.",
    ),
    # --- further wordings, written after the rules
    Sort(
        "gateway, delayed by a sandbox",
        "Mail Security Gateway <mailer-daemon@gw.example.org>",
        "Delayed message: {subject}",
        "The attached message was delayed by sandbox analysis and is now delivered.",
    ),
    Sort(
        "gateway, blocked mail to its reader",
        "Postmaster <postmaster@example.org>",
        "Email blocked: {subject}",
        "The following email addressed to you was rejected as it contained a virus.\n"
        "From: otto@outsider.test\nTo: anna.berg@example.org",
        paths=_NULL,
        carries="nothing",
    ),
    Sort(
        "gateway, in German",
        "Spamfilter <postmaster@example.org>",
        "Nachricht zurückgehalten: {subject}",
        "Eine an Sie gerichtete Nachricht konnte wegen ihres Anhangs nicht zugestellt werden. Sie liegt bei.",
    ),
    Sort(
        "postmaster asks, in German",
        "Paul Postmeister <postmaster@example.org>",
        "Ist das von Ihnen?",
        "Hallo Frau Berg,\n\ndie angehängte Mail kam in Ihrem Namen und wurde abgewiesen.",
        paths=_PERSON,
    ),
    Sort(
        "gateway, in French",
        "Antispam <mailer-daemon@example.org>",
        "Message retenu : {subject}",
        "Un message qui vous est adressé a été retenu par le filtre. Il est joint.",
    ),
    Sort(
        "copy, in Spanish",
        "Correo <postmaster@example.org>",
        "Copia del mensaje: {subject}",
        "Se adjunta una copia del mensaje solicitado.",
    ),
    Sort(
        "gateway, in Italian",
        "Sistema <postmaster@example.org>",
        "Messaggio in arrivo bloccato",
        "Il messaggio allegato è stato bloccato dal filtro. Se lo riconosci, rispondi.",
    ),
    Sort(
        "copy, in Polish",
        "System <postmaster@example.org>",
        "Kopia wiadomości",
        "W załączeniu kopia wiadomości, o którą prosiłeś.",
    ),
    Sort(
        "archive, in Japanese", "システム <postmaster@example.org>", "メールアーカイブ", "ご依頼のメールを添付します。"
    ),
    Sort("release, in Chinese", "系统 <postmaster@example.org>", "邮件放行通知", "您的邮件已被管理员放行，见附件。"),
    Sort(
        "administrator found a bounce",
        "Administrator <postmaster@example.org>",
        "Bounced mail - is this you?",
        "Hello Anna, this bounced here. Did you send it?\nRegards, Paul",
        paths=_PERSON,
    ),
    Sort(
        "administrator found old mail, by web mail",
        "Mail Admin <root@example.org>",
        "Undelivered mail found in queue",
        "I found this mail of yours in the queue of the old server. It was never sent. Do you want it sent?\n\nPaul",
        ("User-Agent: Roundcube Webmail/1.6",),
        ("root@example.org",),
    ),
    Sort(
        "list holds a message",
        "announce-owner@lists.example.org",
        "Your message to announce awaits moderator approval",
        "Your mail to 'announce' with the subject\n\n    {subject}\n\n"
        "Is being held until the list moderator can review it for approval.",
        ("X-List-Administrivia: yes",),
        ("announce-bounces@lists.example.org",),
        "nothing",
    ),
    Sort(
        "ticket about a failure",
        "Support <postmaster@example.org>",
        "#4711 Mail delivery problem",
        "New conversation from Otto: mail to bob@far.test could not be delivered: 550 5.1.1 user unknown",
        _AUTO,
        _NULL,
        "nothing",
    ),
    Sort(
        "cron lists the queue",
        "root@mon.example.org",
        "Cron <root@mail> mailq",
        "-Queue ID- --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
        "4F2A1 1834 Mon Nov 30 anna.berg@example.org\n(host mx.far.test[203.0.113.9] said: 450 4.2.2 mailbox full)\n"
        " bob@far.test",
        _AUTO,
        ("", "root@mon.example.org"),
        "nothing",
    ),
    Sort(
        "recall report",
        f"Microsoft Outlook <{EXCHANGE}>",
        "Message Recall Report for message: {subject}",
        "Your attempt to recall this message failed for: bob@far.test",
        paths=_NULL,
        carries="nothing",
    ),
    Sort(
        "quota warning",
        "Mail System <postmaster@example.org>",
        "Your mailbox is almost full",
        "Your mailbox has used 95 % of its quota. When it is full, messages cannot be delivered.",
        carries="nothing",
    ),
    Sort(
        "maintenance",
        "Postmaster <postmaster@example.org>",
        "Mail delivery delayed on Sunday",
        "On Sunday mail will be delayed because of maintenance. Questions: helpdesk@example.org",
        carries="nothing",
    ),
    # --- addressed to others
    Sort(
        "protocol transcript",
        "Mail Delivery System <MAILER-DAEMON@mail.example.org>",
        "Postfix SMTP server: errors from dsl7.isp.test[203.0.113.77]",
        "Transcript of session follows.\n\n Out: 220 mail.example.org ESMTP Postfix\n In:  EHLO dsl7.isp.test\n"
        " In:  MAIL FROM:<anna.berg@example.org>\n Out: 250 2.1.0 Ok\n In:  RCPT TO:<bob@far.test>\n"
        " Out: 554 5.7.1 <bob@far.test>: Relay access denied\n In:  QUIT\n\n\n"
        "For other details, see the local mail logfile",
        carries="nothing",
        paths=("", "double-bounce@mail.example.org"),
        to="postmaster@example.org",
    ),
    Sort(
        "bounce action notice of Mailman",
        "mailman@lists.example.org",
        "Bounce action notification",
        "This is a Mailman mailing list bounce action notice:\n\n    List:       Builders\n"
        "    Member:     bob@far.test\n    Action:     Subscription disabled.\n"
        "    Reason:     Excessive or fatal bounces.\n\n\nThe triggering bounce notice is attached below.",
        ("X-List-Administrivia: yes", "Precedence: bulk", *_AUTO),
        ("", "mailman-bounces@lists.example.org"),
        to="builders-owner@lists.example.org",
    ),
    # --- an address, and no word of failure about it
    Sort(
        "DLP violation that waits",
        "Data Protection <postmaster@dlp.example.org>",
        "Violation 88213 (blocked)",
        "Sender: anna.berg@example.org\nRecipient: bob@far.test\nRule: customer records\n"
        "The message was stopped and waits for your manager's decision.",
        _AUTO,
    ),
    Sort(
        "encryption gateway's copy",
        "Egress Gateway <mailer-daemon@egress.example.org>",
        "{subject}",
        "Your message to bob@far.test was encrypted before it left. A copy is enclosed for your records.",
        _AUTO,
        letters=("the owner's",),
    ),
    Sort(
        "approval request, in Korean",
        "결재 시스템 <postmaster@gw.example.org>",
        "[승인 요청] {subject}",
        "외부로 발송되는 메일의 승인을 요청합니다.\n발신자: anna.berg@example.org\n수신자: bob@far.test",
        _AUTO,
    ),
    Sort(
        "build that tests mail",
        "GitLab <gitlab@git.example.org>",
        "shop | Failed pipeline for main | 4f2a11c",
        "Your pipeline has failed.\nJob: mail-delivery\n550 5.1.1 bob@far.test: no mailbox (fixture)",
        _AUTO,
        ("", "gitlab@git.example.org"),
        "nothing",
    ),
    Sort(
        "list of addresses that a sending service gave up",
        "Mailgun <postmaster@mg.example.org>",
        "Weekly suppressions",
        "3 addresses were added to your suppression list this week:\n\n bob@far.test  550 5.1.1\n"
        " carl@club.test  550 5.7.1\n eve@x.test 552 5.2.2",
        _AUTO,
        ("", "bounce+x@mg.example.org"),
        "nothing",
    ),
    Sort(
        "postmaster explains a delay",
        "Postmaster <postmaster@example.org>",
        "Why your mail to bob@far.test was late yesterday",
        "Hello Anna,\n\nyesterday our line was down, so the enclosed message to bob@far.test left at 18:00 only.",
        paths=_PERSON,
        letters=("the owner's",),
    ),
)


def letter(world: World, which: str, written: datetime) -> bytes:
    """Return the message that such mail is about."""
    rng, when = world.rng, format_datetime(written)
    address, person = world.public_address(), world.stranger()
    away = f"from pc7 (dsl7.isp.test [{address}]) by mail.example.org (Postfix) with ESMTP id 55; {when}"
    own = f"from {world.out_name} ({world.out_name} [{world.out_address}]) by {person.mx} with ESMTPS id 7; {when}"
    sender, to, received = {
        "a stranger's": (f"Otto <otto{rng.randrange(99)}@outsider.test>", world.owner, away),
        "a forgery": (f"Anna Berg <{world.owner}>", f"carl@{person.organisation}", away),
        "the owner's": (f"Anna Berg <{world.owner}>", person.address, own),
    }[which]
    lines = (
        f"Received: {received}",
        f"From: {sender}",
        f"To: {to}",
        f"Subject: {world.subject()}",
        f"Date: {when}",
        f"Message-ID: <{rng.getrandbits(60):x}@outsider.test>",
        "",
        "Please pay.",
    )
    return "\r\n".join(lines).encode()


def of_sort(world: World, sort: Sort, which: str, path: str) -> WantedMail:
    """Return one message of a sort about one kind of letter."""
    arrived = world.arrived()
    inside = letter(world, which, arrived - timedelta(minutes=9)).decode()
    subject = inside.partition("Subject: ")[2].partition("\r\n")[0]
    words = sort.words.replace("{subject}", subject)
    if sort.carries == "text":
        words += "\n\n" + inside.replace("\r\n", "\n")
    parts = f"--W1\nContent-Type: text/plain; charset=utf-8\n\n{words}\n\n"
    parts += f"--W1\nContent-Type: message/rfc822\n\n{inside}\n\n" if sort.carries == "attachment" else ""
    lines = (
        f"Return-Path: <{path}>",
        f"Received: from mail.example.org (mail.example.org [192.0.2.9]) by mx.example.org with ESMTPS id 4A1; "
        f"{format_datetime(arrived)}",
        f"Date: {format_datetime(arrived)}",
        f"From: {sort.sender}",
        f"To: {sort.to or world.owner}",
        f"Subject: {sort.subject.replace('{subject}', subject)}",
        f"Message-ID: <{world.rng.getrandbits(60):x}@mail.example.org>",
        *sort.fields,
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="W1"',
    )
    text = "\n".join(lines) + f"\n\n{parts}--W1--\n"
    name = f"{sort.what}, {which} letter, {'null sender' if not path else 'from ' + path}"
    return WantedMail(name, text.replace("\r\n", "\n").replace("\n", "\r\n").encode(), arrived)


def wanted_mail(world: World) -> Iterator[WantedMail]:
    """Yield every sort, about every kind of letter, with every return path that it comes with."""
    for sort in SORTS:
        for which in sort.letters if sort.carries != "nothing" else sort.letters[:1]:
            for path in sort.paths:
                yield of_sort(world, sort, which, path)
