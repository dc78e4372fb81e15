"""Knows the words mail systems tell a failed or late delivery with, by language; what they decide stands elsewhere.

Sources: the texts of the programs themselves (qmail, Exim, Postfix, Sendmail, Courier, OpenSMTPD, Exchange,
Outlook.com, Domino, GroupWise, MDaemon, MailEnable, IMail, James, PowerMTA), gateways and providers with texts of their
own.
"""

from __future__ import annotations

import re

from reconciler.core.phrases import Phrases

BOUNCE_SUBJECT = Phrases(
    {
        "en": (
            r"un-?deliver(?:able|ed|y)?", r"non-?deliver(?:y|able|ed)", r"mail delivery",
            r"(?:e-?mail|mail|message|letter) (?:delivery|failure|error)",
            r"(?:e-?mail|mail|message|letter) (?:system|transaction|processing|transfer) (?:error|failed"
            r"|failure)",
            r"(?:your )?(?:e-?mail|mail|message|letter)(?: to \S{1,60}| sent to \S{1,60})? (?:could not"
            r"|cannot|can ?not|can't|couldn't|was not|not|is not|has not)(?: been| be)?(?: yet)? (?:delivered"
            r"|sent|deliverable|accepted|processed)",
            r"(?:e-?mail|mail|message|letter)(?: was| is| has been)? (?:returned|rejected|delayed"
            r"|undeliverable|refused|blocked)",
            r"(?:returned|returning|delayed|failed|bounced?|rejected|blocked|refused) (?:e-?mail|mail|message"
            r"|letter)", r"returned to sender", r"returning to sender", r"return(?:ed)? to (?:the )?sender",
            r"(?:permanent |temporary |final )?delivery(?:[ -](?:failure|failed|error|problems?|delay(?:ed)?"
            r"|has failed|has been delayed|status|report|notification|unsuccessful|attempt|warning|incomplete"
            r"|is delayed|was delayed|suspended))", r"failure (?:notice|notification|delivery|report)",
            r"fail(?:ed|ure)? to deliver", r"failed delivery", r"unable to (?:deliver|send)",
            r"could not (?:deliver|send)", r"(?:permanent|temporary|fatal) (?:failure|error)",
            r"warning: (?:message|could not|your|e-?mail|mail|\S+@\S+)",
            r"(?:there was an )?error (?:sending|delivering|during delivery|in delivery|while delivering)",
            r"notice: mail delivery", r"status of (?:your )?(?:mail|message|delivery)",
            r"invalid (?:recipient|address|user|e-?mail)",
            r"(?:user|recipient|address|host|mailbox) (?:unknown|not found|full|unavailable|disabled)",
            r"unknown (?:user|recipient|address|host)", r"processing error",
            r"(?:mailbox|mail box|inbox) (?:is )?(?:full|over quota)", r"(?:over|exceeded) quota", r"quota exceeded",
            r"automatically rejected", r"bounced?", r"postmaster notify",
            r"(?:sorry, )?your (?:message|mail|e-?mail) (?:could not|cannot|was not|has not|bounced"
            r"|to \S+ (?:has been|was|could))", r"dsn", r"not delivered", r"mailer-?daemon", r"nondeliverable",
            r"delivered\? no", r"(?:message|mail) (?:expired|could not be)", r"reject(?:ed)? (?:mail|article|since)",
            r"message .{1,60} delayed",
        ),
        "de": (
            r"unzustellbar(?:e|er|es)?", r"nicht zustellbar", r"unzustellbarkeit\S*",
            r"zustell(?:ung|ungs|-)?(?:fehler|problem|status)",
            r"fehler (?:bei|beim|in) (?:der |dem )?(?:zustellung|nachrichtenzustellung|versand|versenden"
            r"|\S*übermittlung)", r"zustellung (?:fehlgeschlagen|nicht|verzögert|ihrer|der)",
            r"(?:ihre )?(?:e-?mail|mail|nachricht)(?: an \S{1,60})? konnte nicht",
            r"(?:e-?mail|mail|nachricht) (?:nicht|wurde nicht|unzustellbar|zurückgewiesen|verzögert)",
            r"benachrichtigung (?:zum|über den) \S*status.{0,30}", r"verzögerte zustellung", r"rückläufer",
            r"annahme verweigert",
        ),
        "fr": (
            r"non (?:remis|distribuable|distribué|délivré|remise)e?",
            r"échec (?:de|d['’]|lors) ?(?:la |l['’])?(?:remise|distribution|livraison|envoi).{0,20}",
            r"(?:message|courrier|courriel|mail|e-?mail) non (?:remis|distribué|délivré|distribuable)",
            r"(?:notification|avis|rapport) (?:d['’]état|de non|d['’]échec).{0,30}", r"retour de courrier",
            r"votre (?:message|courriel|mail) n['’]a (?:pas|pu).{0,30}", r"utilisateur (?:non recensé|inconnu)",
        ),
        "es": (
            r"no (?:se (?:puede|pudo|ha podido) entregar|entregado|entregable)",
            r"(?:mensaje|correo) (?:no entregado|devuelto|rechazado)",
            r"(?:error|fallo) (?:de|en la|en el) (?:entrega|envío)",
            r"notificación (?:de|del) estado de (?:la )?entrega", r"imposible entregar", r"devuelto",
            r"su (?:mensaje|correo) no (?:ha|pudo|se).{0,30}", r"entrega (?:fallida|retrasada)",
        ),
        "it": (
            r"non recapitabile", r"mancat[oa] (?:recapito|consegna)", r"impossibile recapitare",
            r"messaggio non (?:recapitato|consegnato)", r"notifica (?:dello |sullo )?stato.{0,30}",
            r"errore (?:di|nella) consegna", r"posta non recapitabile", r"avviso di mancata consegna",
        ),
        "nl": (
            r"onbestelbaar", r"niet bestelbaar", r"(?:kan|kon) niet worden (?:bezorgd|afgeleverd)",
            r"bezorging (?:mislukt|is mislukt|vertraagd)", r"niet (?:afgeleverd|bezorgd)",
            r"melding over (?:de )?bezorgingsstatus.{0,30}",
        ),
        "pt": (
            r"não (?:é possível entregar|entregue|entregável|foi entregue)", r"falha (?:na|de) entrega",
            r"(?:mensagem|e-?mail) (?:não entregue|devolvid[ao])",
            r"notificação (?:do|de) (?:status|estado) d[ea] entrega.{0,30}", r"erro (?:na|de) entrega",
            r"devolvid[ao]", r"impossível entregar",
        ),
        "pl": (
            r"niedostarcz(?:alne|alna|one|ona)", r"nie (?:można|udało się) dostarczyć", r"nie dostarczono",
            r"błąd dostarcz(?:ania|enia)", r"powiadomienie o stanie dostarcz(?:ania|enia).{0,20}", r"niedoręczalne",
            r"nie doręczono", r"zwrot (?:poczty|wiadomości)",
        ),
        "sv": (
            r"olevererbart?", r"oleverbart?", r"(?:kan|kunde) inte levereras", r"ej levererat",
            r"det gick inte att leverera", r"leveransstatus\S*",
        ),
        "da": (
            r"kan ikke leveres", r"kunne ikke leveres", r"ikke leveret", r"uleverbar", r"leveringsstatus\S*",
            r"uleveret",
        ),
        "no": (r"ikke levert", r"kunne ikke levere", r"uleverbar", r"kan ikke leveres", r"leveringsfeil"),
        "fi": (
            r"toimittaminen epäonnistui", r"ei voi(?:tu|da)? toimittaa", r"toimittamaton", r"toimitustilan ilmoitus",
            r"viestiä ei .{0,20}", r"ei toimitettavissa",
        ),
        "cs": (
            r"nedoručiteln[éáý]", r"nelze doručit", r"nedoručen[áoé]", r"oznámení o stavu doručení",
            r"nedoručiteľn[éá]", r"nebolo možné doručiť",
        ),
        "hu": (
            r"kézbesíthetetlen", r"kézbesítési \S{1,20}", r"nem kézbesíthető", r"sikertelen kézbesítés",
            r"nem sikerült kézbesíteni",
        ),
        "ro": (
            r"imposibil de livrat", r"nelivrat(?:e|ă)?", r"nu (?:a putut fi|se poate) livra\S{0,3}", r"nelivrabil",
        ),
        "tr": (r"teslim edile\S{1,10}", r"iletilemedi", r"teslim durumu.{0,20}", r"gönderilemedi"),
        "ru": (
            r"(?:ваше )?(?:сообщение|письмо) не (?:доставлено|может быть).{0,20}", r"недоставленное.{0,20}",
            r"не (?:доставлено|удалось доставить)", r"невозможно доставить", r"недоставлено",
            r"уведомление о (?:состоянии )?доставк.{0,5}", r"ошибка доставки", r"не удаётся доставить",
        ),
        "uk": (r"недоставлен[оеа]", r"не вдалося доставити", r"не доставлено", r"повідомлення не .{0,20}"),
        "bg": (r"недоставимо", r"не може да бъде доставено"),
        "el": (
            r"δεν ήταν δυνατή η παράδοση", r"δεν παραδόθηκε", r"αποτυχία παράδοσης", r"μη παραδοτέο", r"ανεπίδοτο",
        ),
        "ja": (
            r"配信不能", r"配信できません", r"配信に失敗", r"配信不可", r"送信できません", r"配達不能",
            r"配送(?:エラー|不能|できません)", r"未配信", r"エラーメール", r"送信エラー", r"配信エラー",
            r"戻りメール", r"配信されません", r"配信状況の通知",
        ),
        "zh": (
            r"无法送达", r"无法投递", r"退信", r"投递失败", r"未送达", r"無法(?:傳遞|遞送|投遞|送達)",
            r"无法(?:传递|递送)", r"傳送失敗", r"传输失败", r"發送失敗", r"发送失败", r"未傳遞", r"传递状态",
            r"傳遞狀態", r"未傳送", r"未发送成功",
        ),
        "ko": (
            r"배달(?:할 수 없음|되지|되지 않음| 실패|하지 못)", r"반송", r"(?:전송|발송|전달) ?실패",
            r"전달할 수 없", r"배달 상태 알림",
        ),
        "he": (r"לא ניתן למסירה", r"לא נמסר"),
        "ar": (r"تعذر (?:التسليم|تسليم)", r"غير قابل للتسليم"),
    },
    at_start=True,
)  # fmt: skip
"""How the subject of a bounce begins. A person may begin so too: it counts only beside other signs."""

BOUNCE_INTRO = Phrases(
    {
        "en": (
            r"hi\. this is the",
            r"this is the (?:mail system|mail delivery|postfix|mailer-daemon|dragonfly|qmail|deliver program"
            r"|mta|\S{1,40} program|mail(?:er)? (?:system|server|agent|transfer))",
            r"(?:created|generated|sent) automatically by (?:the )?(?:mail|e-?mail|\S{1,40} mail)",
            r"sorry to have to inform you", r"the original message was received at",
            r"permanent fatal (?:delivery )?errors?",
            r"(?:delivery|delevery) (?:to|of|for) (?:the following|this|your|\S+@\S+|e-?mail|these)",
            r"delivery (?:has )?failed",
            r"(?:e-?mail|mail|message|letter)(?: below| that you sent| you sent| sent to \S+"
            r"| to \S+)? (?:could not|cannot|can ?not|can't|couldn't|was not|wasn't|is not|has not been"
            r"|hasn't been|did not|have not been)(?: be| been)?(?: yet)?(?: \w+)? (?:delivered|sent|reach"
            r"|processed|accepted|relayed|forwarded to)", r"(?:un|not |wasn't )able to (?:deliver|send|relay)",
            r"(?:could|can) ?not (?:deliver|be delivered)", r"couldn't be delivered", r"failed to deliver",
            r"did not (?:reach|receive)", r"(?:message|mail) (?:is|was) undeliverable", r"not delivered to",
            r"was not delivered", r"(?:mail|message) (?:has been|was|is being|being) (?:returned|rejected)",
            r"automatically rejected", r"delivery status notification",
            r"(?:delivery|delevery) (?:failure|error|problems|attempts?)", r"address not found",
            r"message (?:blocked|not delivered|expired)", r"non-delivery report", r"transcript of session follows",
            r"failed recipients?", r"failure reasons", r"undeliverable (?:address|to)",
            r"had (?:delivery )?(?:problems|errors)", r"(?:has|have) been (?:postponed|delayed|deferred)",
            r"error was detected while processing", r"mail that you sent on",
            r"your mail (?:sent|attempted to be delivered) on", r"error message below", r"trouble delivering",
            r"error while attempting to deliver", r"delivery report", r"unknown user", r"user (?:not known|unknown)",
            r"no such user", r"invalid (?:final delivery userid|recipient)", r"rejected your message",
            r"returned (?:to (?:you|sender)|because)", r"exceeded maximum delivery attempts", r"mailbox is full",
            r"is not accepting (?:any )?mail", r"not accepting mail", r"delivery to \S+ (?:failed|has been)",
            r"i wasn't able to deliver", r"could not be delivered",
            r"the following address(?:es)?(?:\(es\))? failed", r"recipients? (?:could|can)(?:not| not) be reached",
            r"intended recipient", r"wasn't delivered", r"couldn't deliver", r"were not delivered",
            r"message has not been delivered",
        ),
        "de": (
            r"hat (?:einige oder alle|den|die folgenden) empfänger nicht erreicht",
            r"fehler bei der (?:nachrichten)?zustellung",
            r"konnten? (?:\S+ ){0,12}nicht (?:zugestellt|übermittelt|ausgeliefert|zustellen|gesendet"
            r"|weitergeleitet|empfangen)(?: werden)?", r"konnte nicht zugestellt werden",
            r"nicht (?:zugestellt|zustellbar|ausgeliefert)", r"fehler beim (?:zustellen|versenden|senden)",
            r"zustellung (?:an|der|ihrer) .{0,60}(?:fehlgeschlagen|nicht möglich|verzögert)",
            r"empfänger (?:unbekannt|existiert nicht|nicht gefunden)", r"fehlgeschlagen",
            r"postfach (?:ist )?(?:voll|überfüllt)", r"wurde vom mailserver automatisch erzeugt",
            r"annahme verweigert",
        ),
        "fr": (
            r"n['’](?:a|ont) (?:pas )?(?:pas )?pu [êe]tre (?:remis|délivré|delivre|distribué|envoyé"
            r"|transmis)\w*", r"échec de (?:la )?(?:remise|distribution)",
            r"n['’]a pas été (?:remis|délivré|distribué)", r"impossible de (?:remettre|délivrer|distribuer)",
            r"n['’]est pas parvenu", r"adresse (?:introuvable|inconnue)", r"boîte (?:aux lettres )?(?:est )?pleine",
        ),
        "es": (
            r"no se (?:pudo|ha podido|puede) entregar", r"no (?:ha sido|fue|pudo ser|pudieron ser) entregad[oa]s?",
            r"error (?:de|en la) entrega", r"no se encontró la dirección", r"no ha llegado",
            r"buzón (?:está )?lleno", r"imposible entregar",
        ),
        "it": (
            r"(?:impossibile|non (?:è stato|è) possibile|non è stato) (?:recapitare|consegnare|recapitato"
            r"|consegnato|inviare)", r"indirizzo non trovato", r"non (?:ha|hanno) raggiunto", r"mancata consegna",
        ),
        "nl": (
            r"kon(?:den)? niet worden (?:bezorgd|afgeleverd|verzonden)", r"niet (?:bezorgd|afgeleverd)",
            r"adres niet gevonden", r"bezorging (?:is )?mislukt", r"heeft de volgende geadresseerden niet bereikt",
        ),
        "pt": (
            r"não (?:pôde|foi possível|pode|foi) (?:ser )?entreg\w+", r"falha na entrega",
            r"endereço não encontrado", r"não (?:chegou|alcançou)", r"caixa (?:de correio )?(?:está )?cheia",
        ),
        "pl": (
            r"nie (?:można|udało się|mogła? zostać|została?) .{0,30}(?:dostarcz\w+|doręcz\w+)", r"nie dostarczono",
            r"adresu nie znaleziono", r"nie znaleziono adresu",
        ),
        "sv": (r"(?:kunde|kan) inte (?:levereras|nå)", r"det gick inte att leverera", r"nådde inte", r"misslyckades"),
        "da": (r"kunne ikke leveres", r"blev ikke leveret", r"nåede ikke", r"kan ikke leveres"),
        "no": (r"kunne ikke leveres", r"ble ikke levert", r"nådde ikke"),
        "fi": (r"ei voitu toimittaa", r"toimittaminen epäonnistui", r"ei toimitettu", r"ei tavoittanut"),
        "cs": (r"nelze doručit", r"nebyl[ao]? doručen[ao]?", r"nepodařilo se doručit", r"doručení .{0,30}selhalo"),
        "hu": (r"nem (?:sikerült|lehetett|lehet) (?:a )?kézbesíteni", r"nem kézbesíthető", r"kézbesítése sikertelen"),
        "ro": (r"nu a (?:putut fi|fost) livrat", r"livrarea .{0,30}eșuat"),
        "tr": (r"teslim edilemedi", r"iletilemedi", r"ulaşmadı", r"teslim edilemiyor"),
        "ru": (
            r"не (?:может быть|удалось|было|удаётся) доставлен\w*", r"не удалось доставить", r"не доставлено",
            r"не могло быть доставлено", r"адрес не найден", r"письмо создано автоматически сервером",
        ),
        "uk": (r"не вдалося доставити", r"не може бути доставлен\w+", r"не доставлено"),
        "el": (r"δεν ήταν δυνατή η παράδοση", r"δεν παραδόθηκε", r"απέτυχε η παράδοση"),
        "ja": (
            r"配信できませんでした", r"送信できませんでした", r"配信に失敗", r"送信に失敗", r"お届けできません",
            r"宛先不明", r"存在しません", r"届きませんでした", r"配送できません", r"届けることができません",
            r"見つかりません", r"自動的に生成して送信",
        ),
        "zh": (
            r"无法(?:送达|投递|传递|递送|发送)", r"無法(?:傳遞|投遞|送達|遞送|傳送)", r"投递失败", r"退信",
            r"被退回", r"不存在", r"未能送达", r"退回",
        ),
        "ko": (
            r"배달(?:하지 못|되지 않|할 수 없)", r"전송(?:하지 못|되지 않|에 실패)", r"반송", r"존재하지 않",
            r"전달되지",
        ),
    },
)  # fmt: skip
"""What a mail system says first."""

DELAY = Phrases(
    {
        "en": (
            r"still (?:being retried|trying|in the queue|undelivered)",
            r"will (?:be retried|keep (?:on )?trying|continue (?:to )?(?:try|attempt|be attempted)"
            r"|be attempted again|try again|retry)", r"(?:do|does) not need to re-?send", r"no action is required",
            r"could not send message for past", r"status_delayed", r"has not yet been delivered",
            r"not yet been delivered", r"delivery (?:is|was|has been) (?:delayed|postponed|deferred)",
            r"has been (?:delayed|postponed|deferred)", r"(?:message|mail) delayed", r"delayed mail",
            r"delivery (?:status notification )?\(?delay(?:ed)?\)?", r"warning message only",
            r"there(?:'s| is) no need to re-?send", r"temporary (?:problem|failure) delivering", r"continue to try",
            r"message \S{1,40} delayed", r"(?:temporarily|temporary) deferred",
            r"attempts? (?:to deliver (?:the|this|your) (?:message|mail) )?will continue", r"incomplete delivery",
            r"delayed \d+ hours?", r"still undeliverable",
        ),
        "de": (
            r"zustellung (?:wurde |ist |der .{0,40})?verzögert", r"verzögert(?:e zustellung)?",
            r"wird weiter(?:hin)? versucht", r"weitere zustellversuche", r"noch nicht (?:zugestellt|ausgeliefert)",
            r"es wird (?:weiter )?versucht",
        ),
        "fr": (
            r"retardée?", r"(?:n['’]a|pas) (?:pas )?encore été (?:remis|distribué|délivré)",
            r"nouvelles? tentatives?", r"différée?",
        ),
        "es": (r"retras(?:o|ado|ada)", r"aún no se ha entregado", r"se seguirá intentando", r"demorad[oa]"),
        "it": (r"in ritardo", r"ritardat[oa]", r"non è (?:stato )?ancora", r"continuerà a tentare"),
        "nl": (r"vertraagd", r"nog niet (?:bezorgd|afgeleverd)"),
        "pt": (r"atrasad[oa]", r"ainda não foi entregue", r"atraso"),
        "pl": (r"opóźnion[eay]", r"nie został[ao]? jeszcze"),
        "sv": (r"fördröj\w+", r"försenad"),
        "da": (r"forsinket",),
        "no": (r"forsinket",),
        "fi": (r"viivästy\w+",),
        "cs": (r"zpožděn\w*", r"opožděn\w*"),
        "hu": (r"késleltet\w+",),
        "tr": (r"gecikti", r"gecikme\w*"),
        "ru": (r"задерж\w+", r"отложен\w*", r"ещё не доставлено"),
        "ja": (r"遅延", r"再送を試み", r"まだ配信されて"),
        "zh": (r"延迟", r"延遲", r"继续尝试", r"繼續嘗試"),
        "ko": (r"지연", r"계속 시도"),
    },
)  # fmt: skip
"""The mail system goes on trying."""

GIVEN_UP = Phrases(
    {
        "en": (
            r"given up", r"giving up", r"failed permanently", r"permanent(?:ly)? (?:error|failure|failed|fatal)",
            r"permanent fatal errors", r"will not be (?:retried|attempted|tried again)",
            r"could not be delivered for", r"has been removed from the (?:mail )?queue", r"too old",
            r"retry time(?:out)? (?:not reached for any host after a long failure period|exceeded)",
            r"has been in the queue too long", r"i've given up", r"not be delivered after",
            r"no further (?:delivery )?attempts", r"this is a permanent error", r"delivery (?:time )?expired",
            r"message expired", r"unable to deliver in \d+",
        ),
        "de": (r"endgültig", r"keine weiteren (?:zustell)?versuche", r"aufgegeben"),
        "fr": (r"définitivement", r"abandonnée?"),
        "es": (r"definitiv\w+",),
    },
)  # fmt: skip
"""It does so no longer, however late the mail was before."""

SMTP_REPLY = re.compile(r"(?<![\d.])([245])\d\d(?:[ -]#?[45]\.\d{1,3}\.\d{1,3}|[ -](?=[^\d\s])|\)|\]|$)", re.MULTILINE)
"""What a server answered: a reply code (RFC 5321 section 4.2.1) before words or an enhanced status (RFC 3463)."""

RETURNED = re.compile(
    r"^[ >\t*=_#.-]{0,60}(?:(?:this is |here is |below is |below this line is )?(?:a )?(?:the )?(?:copy|header"
    r"|first part|beginning)s? of (?:the|your)"
    r"(?: (?:original|source|returned))? (?:message|mail)|(?:the )?(?:unsent|original|returned|undelivered|failed"
    r"|old|rejected) "
    r"(?:message|mail|e-?mail)(?: headers?)?(?: (?:as )?(?:received|follows?|attached|below|text|info|details))?"
    r"|message header|(?:the )?headers? (?:of|from)"
    r"|(?:your )?message (?:headers|reads)|(?:start of |enclosed is |included is )?(?:the )?(?:first"
    r"|top) \d+ lines of|original header"
    r"|(?<=\n)(?:>\s?)?(?:received: (?:from|by|\()|return-path: ?<|message-id: ?<)"
    r"|diagnostic information for administrators|start of returned"
    r"|ursprüngliche nachricht|originalnachricht|元のメール|メールの内容)",
    re.MULTILINE | re.IGNORECASE,
)  # fmt: skip
"""Where a mail system begins to give back the mail that did not arrive."""
