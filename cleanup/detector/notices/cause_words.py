"""The words by which servers tell why they refuse a message, in the order in which they count.

They are looked for in small letters, without names and codes (see `causes.py`). What servers really answer stands in
`tests/detector/server_replies.tsv`: a reply that is read wrongly is added there first, with its source.
"""

from cleanup.model import Cause

# Not Google's "to protect our users from spam".
_SPAM = r"(?<!users from )(?<!amount of )\bspam(?!haus|cop|master|s? for)"

# The first that fits is the cause; a cause may stand twice, with its plainest words early and its vaguest late.
WORDS: tuple[tuple[Cause, str], ...] = (
    (
        Cause.VIRUS,
        r"\bvirus|\bviren|вирус|病毒|\binfected\b|malware|trojan|\bworm\b",
    ),
    (
        Cause.LOOP,
        r"\bloops? back|mail loop|e-?mail loop|duplicated message-id|"
        r"(?:rout|forward)ing loop|\bloop(?:s|ing|ed)?\b|loop ?detect|"
        r"mxloopback|too many (?:hops|.?received.? headers|received:)|exceeded \d+ hops|hop count|"
        r"hops exceeded|best-preference mx|schleife",
    ),
    (
        Cause.POLICY,  # who has not been seen before is to come again
        r"gr[ae]y-?.?list|sender verify failed",
    ),
    (
        Cause.MAILBOX_FULL,
        r"(?:box|user|account|benutzer) (?:has|contains|hat) (?:too many|zu ?viele)",
    ),
    (
        Cause.RATE_LIMITED,
        r"limits? for your|number of rcpts|maximum (?:number of recipients|(?:hourly|daily) )|"
        r"unusual (?:rate|amount)|(?:frequency|volume) limited|"
        r"too many (?:messages|connections|recipients|e-?mails|mails|sessions|concurrent|login)|"
        r"too (?:quickly|fast)|throttl|slow down|excessive volume|unexpected volume|"
        r"(?:sending|submission|queue|relay) (?:quota|limit|rate)|quota for sending|"
        r"(?:per|this) (?:hour|day|minute)|(?:daily|hourly)(?: \S{1,20}){0,3} (?:limit|rate)|"
        r"exceeded (?:permitted|threshold|message rate)|"
        r"exceeded (?:the |their )?(?:\S{1,20} )?(?:rate|limit for)|message rate|at a rate|thread limit|"
        r"maximum number of (?:concurrent|connections)|"
        r"max(?:imum)? messages? per|has exceeded threshold|recip(?:ient)?limit|"
        r"submission rate|too many mails|rate limit(?:ed due| reached)|hourlysenderlimit|mail flood|"
        r"\bmany (?:e-?)?mails|dyn:t",
    ),
    (
        Cause.CONTENT,
        r"file extension|file type",
    ),
    (
        Cause.SPAM,
        r"antyspam|antispamowy|anti-?spam (?:check|engine)|"
        r"spam(?: pattern| content| classif|signature|assassin)|as spam\b|blacklisted (?:url|link)",
    ),
    (
        Cause.SYSTEM,
        r"(?:helo|mail|rcpt) first|no such file|server configuration error|mailer error|"
        r"command (?:output|died)(?!.{0,60}quota)",
    ),
    (
        Cause.BLOCKED,  # on a list, or known for no good
        r"black[ -]?list|black (?:listed|ip)|block[ -]?list|blocks? list|\brbl\b|\bdnsbls?\b|dns rbl|"
        r"spamhaus|spamcop|\bsorbs\b|barracudacentral|cloudmark sender|blocked using|invalid ip|"
        r"host (?:network )?not allowed|banned (?:send|ip)|is banned|(?:been|is) banned|"
        r"ask your postmaster for help|found in ~|(?:poor|bad|low|negative|ip)(?:/bad)? reputation|"
        r"(?<!not )listed (?:at|in|by|on)\b|blocked senders?\b|sender (?:address )?blocked|\bptr\b|"
        r"reverse (?:dns|hostname)|cannot find your (?:reverse )?host|"
        r"(?:bad|invalid|fake|forged) (?:helo|ehlo)|"
        r"\b(?:helo|ehlo) (?:invalid|name|host|is|was|does|must|should|not|cannot)|helo command rejected|"
        r"client host rejected: access|geographical|mismatch\S{0,2} client|suspended due to abuse|"
        r"bad outbound sender|abuse detected|(?:rtr|rly|con):[a-z]{2}|rly:b\d|sender reputation|"
        r"your ip\b.{0,40}(?:blocked|rejected|filtered|listed)|register your ip|spam source|"
        r"current reputation|access to (?:submit|this mail).{0,60}rejected|not allowed to connect|"
        r"spamming issues|no access (?:for|from)|access from|\bips? is\b|permanently deferred|"
        r"my name was rejected|server not available aup|block for spam|dial-?up|dynamic|residential|spammer|"
        r"not welcome|due to abuse|abusive|too many spam|"
        r"not accept\S* (?:e-?mail|mail|messages|connections) from|"
        r"(?:ip|host|server|domain|network|address) (?:is |has been |was )*(?:banned|barred)|no reverse|"
        r"\brdns\b|does not resolve to an? ip|(?:invalid|missing|generic|bad|no|incorrect) (?:dns )?ptr|"
        r"senderfilterconfig|in (?:a|our|the) black",
    ),
    (
        Cause.AUTHENTICATION,
        r"domainkeys|sender ?id\b|signature (?:verif|valid|fail)|alignment|not allowed to send mail from|"
        r"\bspf\b|\bdkim\b|\bdmarc\b|sender policy framework|unauthenticated|\barc validation|"
        r"(?<!smtp )authentication (?:check|results|fail)(?!\S{0,4}: smtp auth)",
    ),
    (
        Cause.POLICY,  # of the sender's own address or its domain, of encryption, of logging in, of closed groups
        r"from: ?domain|must (?:exist|resolve)|not owned by user|only in the same domain|\btls version|"
        r"domain of sender|domain name required|"
        r"sender (?:domain|address) (?:\S{1,120} )?(?:does not|not found|is not a valid|not valid|invalid|"
        r"has null|required|could not)|"
        r"sender address rejected: (?:domain|need|emetteur|user|un(?:verif|deliv)|malformed|not )|"
        r"sender (?:verif\S{1,10} fail|address verification)|bad sender|fake sender|verify mailfrom|"
        r"\b(?:sender|mail from|from address|return.path|originator)\b.{0,60}(?:invalid|unknown|not exist|"
        r"n't exist|not resolve|unresolv|not found|unverif|malformed|required|missing|not valid|mismatch|not own)|"
        r"must (?:authenticate|log ?in)|log ?in (?:first|required)|authentication (?:needed|cancel)|"
        r"invalid sender|emetteur invalide|sender domain|invalid dns mx|sending domain|"
        r"\btls (?:is )?required|(?:support|using a|over a|requires?) (?:\S{1,10} )?tls|starttls|certificate|"
        r"dnssec|\bdane\b|requiretls|authenticat\S{1,3} required|not authenticated|not a member of this|"
        r"not subscribed|fail authentication|smtp auth(?:entication)? fail|auth failed|allowed-senders|"
        r"notauthori[sz]ed|authrequired",
    ),
    (
        Cause.RATE_LIMITED,
        r"rate.?limit|temporarily deferred|deferred due",
    ),
    (
        Cause.RELAY_DENIED,
        r"relay(?:ing)? (?:access )?(?:is )?(?:temporarily )?(?:denied|not|disallowed|prohibited)|"
        r"relaying to .{0,80}prohibited|(?:to|unauthori[sz]ed|as a|denies|open|credentials for) relay|"
        r"domain is(?: not|n't) (?:configured to use|an? (?:\S{1,20} ){0,3}protected)|"
        r"domain (?:is |was )?(?:not|no longer) (?:hosted|handled|served|ours|local)|"
        r"(?:handle|host) (?:mail for )?(?:that|this|the) domain|(?:not|no|cannot|can't|don't|won't) relay|"
        r"relay mail|rcpthosts|not a (?:local|gateway)",
    ),
    (
        Cause.MAILBOX_FULL,
        r"(?:mail ?)?(?:box|folder|account|inbox).{0,40}\bfull\b|\bfull (?:mail)?box|"
        r"over (?:its |the |their )?(?:disk |storage )?-?quota|overquota|quota.{0,30}(?:exceed|full|violat)|"
        r"exceed\S{0,3}.{0,40}(?:quota|storage|mailbox size|space)|"
        r"(?:out of|insufficient|not enough) (?:disk |storage |system |free )*(?:storage|space)|storage full|"
        r"speicher\S{0,10} (?:über|ueber)schritten|disk space|maildir.{0,20}quota|"
        r"(?:mailbox|inbox) (?:size )?(?:limit )?exceed|mailbox (?:size )?limit|\bfile too large|system full|"
        r"exceeded storage|quota limit|plein|\bvoll\b|überfüllt|\bpien[ao]\b|\bllen[ao]\b|\bchei[ao]\b|"
        r"lotada|\bvol\b|przepełnion|jest pełna|je plná|переполнен|容量|空间不足|已满|いっぱい|가득|"
        r"brevlådan är full|dolu\b|täynnä|over its limit",
    ),
    (
        Cause.CONTENT,
        r"invalid mime|headers? (?:is |are )?too (?:long|large)|rfc ?[25][38]22|822\.?bis|"
        r"bare (?:cr|lf|linefeed|newline)|rfc ?822 ?compl|(?:from|message-id): header|in from:|"
        r"not \S{0,8} ?compliant",
    ),
    (
        Cause.TOO_LARGE,
        r"length of data|data (?:length|size)|(?:more than|over) \d+ ?(?:bytes|[km]i?b)|oversized?\b|"
        r"exceed\S{0,3} (?:the )?(?:allowed|permitted|maximum allowed) size|too (?:large|big)|"
        r"(?:message|attachment|mail|data) (?:is )?too long|(?:message|mail) ?size|size ?(?:limit|exceed)|"
        r"size.{0,30}exceed|exceed.{0,30}\bsize|exceeds? (?:the )?(?:maximum|size|fixed|configured|max)|"
        r"maximum (?:message )?size|databytes|sizelimit|number of attachments|message length|larger than|"
        r"zu gro(?:ß|ss)|trop (?:volumineux|gros|grand)|demasiado grande|muito grande|troppo grande|"
        r"слишком большо|te groot|za duż|太大|过大|body is too",
    ),
    (
        Cause.MAILBOX_DISABLED,
        r"disabled|\binactiv|(?<!delivery temporarily )suspended|deactivated|de-?activated|not activated|"
        r"discontinued|no longer (?:active|available|in use|accept|with|employ|receiv)|"
        r"(?:user|account|mailbox|status) (?:has been |is |is now )*(?:locked|expired|closed|blocked|terminated|"
        r"cancell?ed|deleted|removed|dormant|retired)|"
        r"expired account|mailbox (?:is )?(?:locked|unavailable at)|has moved|"
        r"temporarily unavailable.{0,20}mailbox|recipient temporarily unavailable|owner has changed|gesperrt|"
        r"geschlossen|addresses no longer|not an? active|not enabled|has left|"
        r"no longer (?:works?|employed|at\b|monitored)|non-?payment|unpaid|frozen|hang-?up|"
        r"not (?:currently |being ){0,2}accepted for this|désactiv|desactiv|deaktiv|disat+iv|disabilitat|"
        r"inattiv|nieaktywn|expirado|scadut|отключен|"
        r"(?:konto|skrzynka|indirizzo|casella|cuenta|conta|compte|ящик).{0,40}(?:zablok|blocc|bloqu|заблок)",
    ),
    (
        Cause.NO_SUCH_HOST,
        r"\bno mx\b|routing server fail|domain look ?up fail|dns records for",
    ),
    (
        Cause.EXPIRED,
        r"message (?:has )?expired|delivery time expired|queue\.expired|queue too long|max(?:imum)? time|"
        r"(?:could|can) ?not be delivered for|was aborted after|"
        r"not been collected|been in the queue|has been on the queue",
    ),
    (
        Cause.NO_SUCH_HOST,
        r"(?:recipient )?domain (?:\S{1,120} )?(?:does not (?:exist|accept)|not found|doesn.t exist|"
        r"couldn.t be found|could not be found|unknown)|"
        r"\bno (?:mx|a|address|dns) records?|"
        r"(?:can ?not|can't|could not|couldn't|unable to|failed to) (?:be )?resolve|not resolvable|"
        r"unroute?able (?:mail )?(?:domain|host)|resolving error|"
        r"(?:domain|host) (?:name )?(?:is |was )?(?:invalid|illegal|not (?:valid|known|resolv))|"
        r"(?:illegal|invalid|bad|wrong|non-?existent) (?:host|domain|mx)|invalid server address|"
        r"find the recipient domain|unknown (?:host|domain)|"
        r"host\S{0,2} (?!said)(?:\S{1,120} )?(?:unknown|not found|does not accept|doesn.t exist|does not exist|"
        r"couldn.t be found|could not be found)|"
        r"unresolvable|name or service not known|nxdomain|enotfound|no such (?:domain|host)|find any host|"
        r"name service error|dns error|dns (?:lookup|query)|bad destination (?:host|system)|invalid domain|"
        r"malformed or unexpected name server|null mx|mail exchanger|cname lookup|directory server|"
        r"unable to route|mx records|nameserver query|address lookups failed|no smtp service|nonexistent ?domain|"
        r"does not accept mail",
    ),
    (
        Cause.NO_SUCH_USER,
        r"user unknown|unknown user|unknown recipient|"
        r"no such (?:user|recipient|mailbox|account|address|person|local|customer)|"
        r"(?:user|userid|recipient|mailbox|address|addressee|account|e-?mail|alias|rcpt|"
        r"person)\S{0,2} (?:\S{1,80} ){0,2}?(?:is |was |are |does |do )?(?:unknown|undefined|missing|"
        r"non-?existent|not (?:found|exist|known|listed|valid|recogni|available|ok\b|allowed here|defined|"
        r"registered|here|local|hosted|in (?:our|the|this)|at this|on this)|doesn.t exist|does ?n.t exist|invalid|"
        r"unavailable|unallocated|could(?: not|n.t) be found|cannot be (?:found|verified)|wasn.t found|"
        r"rejected: (?:user|undeliverable|unknown|no such|invalid|not in)|path no exist|lookup)|"
        r"(?:unknown|invalid|bad|non-?existent|unavailable|undeliverable|unrouteable|unroutable|illegal|wrong|"
        r"correct|valid|verify) (?:\S{1,12} ){0,2}?(?:user|recipients?|rcpt|mailbox|address|account|alias|"
        r"destination mailbox|local|e-?mail)|"
        r"does(?: not|n.t) have (?:an?|any|the) .{0,60}?(?:account|mailbox)|no mailbox (?:here|by|for|with)|"
        r"not our customer|not (?:a valid|listed in|a known|a local|a user|user of)|no account|can.t find|"
        r"mailbox not|recip(?:ient)?notfound|exrecipnotfound|no valid recipients|"
        r"(?:no longer|not) (?:valid|exists?)\b|marked as invalid|not in recipient list|recipient rejected|"
        r"(?<!sender )verification (?:failed|problem)|malformed address|deliver mail for|user only|"
        r"no mail ?box|did not (?:exactly )?match|said: unknown|unverified address|no longer exists|"
        r"restricted characters|fully-qualified address|"
        r"(?:recipient|user|mailbox) (?:does(?! ?n.t want| not want| not accept)|not a member)|"
        r"don.t exists? that|user not local|name not allowed|ambiguous|suppression list|blank mailhost|"
        r"find alias|no one with|handle mail for|no such (?:mail|e-?mail)|nicht (?:gefunden|vorhanden)|"
        r"existiert nicht|unbekannt|inconnu|n'existe|inexist|inesistent|sconosciut|errat[oa]\b|desconocid|"
        r"desconhecid|no existe|non esiste|n[aã]o existe|nieznan|nie istnieje|nie ma takiego|onbekend|"
        r"bestaat niet|neexistuje|не существует|не найден|不存在|存在し(?:ない|ません)|見つかり|destinataire invalide|"
        r"uk(?:jent|endt) (?:bruger|bruker)|okänd (?:användare|mottagare)|neznámy používateľ|neznámý uživatel|"
        r"tuntematon (?:käyttäjä|vastaanottaja)|宛先不明|존재하지 않는|kullanıcı bilinmiyor|"
        r"bilinmeyen (?:kullanıcı|alıcı)|nicht im domino|niet in domino|name wurde nicht erkannt|"
        r"répertorié|introuvable|unrecogni[sz]ed address",
    ),
    (
        Cause.SPAM,
        _SPAM + r"|"
        r"\bubl\b|looks like spam|courrier ind[ée]sirable|indesejad|correo no deseado|\bспам|垃圾邮件|迷惑メール|"
        r"unsolicited|\bjunk\b|\bbulk\b|\buce\b|\bube\b|content filter|content (?:reject|denied)|surbl|uribl|"
        r"advertis|nature of the content|message filtered|mass mail|phish|\bscam\b|dt:spm|hvu:|\bb-url",
    ),
    (
        Cause.CONTENT,
        r"banned (?:content|file|attach)|file ?name|executable|dangerous|\bline (?:is )?too long|line limit|"
        r"attach\S{0,5} type|\bmime\b|(?<!original )headers?\b(?! based| of the )|character set|encoding|"
        r"encoded-word|smtputf8|utf-8|non-ascii|(?<!~ file )attachment|inhaltsfilter|\bcontent\b|bare linefeed|"
        r"malformed|\bnul\b|macros|conversion|partial final|unsafe|security issue|media not",
    ),
    (
        Cause.EXPIRED,
        r"number of (?:delivery )?attempts|too old|expired|giving up|given up|gave up|retry time|"
        r"retry timeout|retries|failing for a long time|timed? ?out.{0,40}(?:days|hours)",
    ),
    (
        Cause.NETWORK,
        r"connection (?:timed|refused|reset|lost|dropped|to \S+ (?:timed|refused)|fail|was (?:refused|dropped)|"
        r"died|expired)|"
        r"timed out|time-?out|unreachable|not reachable|no route|network (?:error|problem|failure|down)|"
        r"(?:could not|couldn.t|unable to|wasn.t able to|cannot) (?:establish|connect|contact)|"
        r"bad connection|able to establish|host (?:is )?(?:down|not respon)|connect to\b|not respond|"
        r"\bsocket|econn|etimedout|(?:bad|invalid) (?:server|response)|lost connection|conversation with|"
        r"no answer|read error|broken pipe|\btls\b|handshake|no mail servers appear",
    ),
    (
        Cause.BLOCKED,
        r"(?<!message has been )(?<!message was )(?<!email was )(?<!email has been )\bblock(?:ed|ing)?\b|"
        r"access denied|authorized to send e-?mail directly|connections? (?:will )?not (?:be )?accepted|"
        r"denial of connection|doesn't want|does not want|is forbidden|traffic not|"
        r"sender (?:\S{1,80} )?(?:is )?(?:rejected|refused|denied)|denies the sender|refused by|"
        r"denied by (?!policy)|ip (?:address|is) (?:\S{1,20} )?rejected|whitelist|client host rejected|"
        r"connection rejected",
    ),
    (
        Cause.SYSTEM,
        r"temporar|try (?:again )?later|(?:come|try) back|busy|service (?:not |un)available|"
        r"service is currently|system (?:error|config|problem|failure|not|incorrect)|"
        r"local (?:error|configuration|problem)|config|internal (?:error|server)|"
        r"unable to (?:open|write|create|lock|process)|i/o error|permission|server error|resources|"
        r"congestion|too many (?:\S{1,20} )?(?:errors|commands?|bad)|too much load|load (?:is )?too high|"
        r"shutting down|syntax|invalid command|protocol violation|replicated|service available",
    ),
)

# What is said of anything.
_ANYTHING = (
    Cause.POLICY,
    r"policy|prohibit|not (?:allowed|permitted|authori[sz]ed|accept)|administrative|reject|refuse|denied|"
    r"restrict|unauthori[sz]ed|forbidden|transaction failed|no permit|violat|authentication",
)

# Single words that tell something where nothing else does, in what a server answered but not in what a notice tells.
HINTS: tuple[tuple[Cause, str], ...] = (
    (
        Cause.RELAY_DENIED,
        r"\brelay",
    ),
    (
        Cause.MAILBOX_FULL,
        r"\bquota|\bfull\b|storage",
    ),
    (
        Cause.NO_SUCH_USER,
        r"unknown|not found|no such|not exist|n't exist|nobody|undeliverable|recipient (?:address )?rejected",
    ),
    (
        Cause.BLOCKED,
        r"\bhelo\b|\behlo\b|reputation|abuse|complain|dictionary|harvest|attack",
    ),
    (
        Cause.RATE_LIMITED,
        r"too many|limit|concurren|flood",
    ),
    (
        Cause.BLOCKED,
        r"\b(?:your (?:host|server|domain)|ip|client|connection|network|location|country|"
        r"region)s?\b.{0,40}(?:reject|refus|denied|not (?:allowed|accepted|permitted|authori)|forbidden|prohibit)",
    ),
    (
        Cause.NO_SUCH_HOST,
        r"\bdns\b|\bmx\b|resolve",
    ),
    (
        Cause.CONTENT,
        r"format|standards|conform|compliant|illegal char|invalid char|7-?bit|8-?bit|8bitmime|binary|"
        r"extension|\bzip\b|password|encrypt|line length|invalid (?:message|mail|body|date)",
    ),
    _ANYTHING,
    (
        Cause.SYSTEM,
        r"command|unavailable|not available|memory|database|queue|\berror|exception|fail(?:ed|ure)",
    ),
)

# What tells something in a notice that quotes no answer.
VAGUE: tuple[tuple[Cause, str], ...] = (_ANYTHING, (Cause.SYSTEM, r"command"))
