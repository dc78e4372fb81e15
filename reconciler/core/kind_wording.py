"""Knows the words automatic mails are written in, by language; what they decide stands in the table of signals."""

from __future__ import annotations

import re
import unicodedata

_OWN_WORDS_LIMIT = 4000
_LINES_READ = 120

_QUOTE_BEGINS = re.compile(
    r"""-{2,}\s?(?:original message|forwarded message|urspr.ngliche nachricht|weitergeleitete nachricht
        |message d'origine|message transféré|mensaje original|messaggio originale|oorspronkelijk bericht)
      | (?:on|am|le|el|il|op)\s.{5,200}(?:wrote|schrieb|a\s.crit|escribi.|ha\sscritto|schreef).{0,80}:\s*$
      | (?:from|von|de|da|van)\s?:\s
      | _{10,}\s*$""",
    re.VERBOSE,
)

# The prefix a person's program puts before a subject when it answers or forwards, in the languages of Outlook.
ANSWER_PREFIX = re.compile(
    r"(?:\[[^\]]{1,60}\]\s*)?(?:re|aw|antw|antwort|sv|vs|r|rif|res|odp|ynt|vá|fw|fwd|wg|tr|rv|i|enc|doorst|fs|vl"
    r"|pd|továbbítás)"
    r"(?:\[\d{1,3}\]|\(\d{1,3}\))?\s?[:：]"
)

# A subject only a program writes: "prefix: the original subject", or the prefix alone.
AUTOMATIC_SUBJECT = re.compile(
    r"""(?:
        auto(?=\s?:) | automatic\s(?:reply|response) | auto[\s-]?(?:reply|response|responder)
        | automated\s(?:reply|response)
      | out[\s-]of[\s-](?:the[\s-])?office(?:\sauto[\s-]?reply)? | out-of-office\smessage | vacation\s(?:reply
        |message)
      | automatische\s(?:antwort|antwortmail|rückmeldung|eingangsbestätigung) | abwesenheits(?:notiz|nachricht|meldung
        |benachrichtigung|assistent|info) | autoantwort | auto-antwort
      | réponse\sautomatique | absence\sdu\sbureau | message\sd['’]absence | avis\sd['’]absence
        | notification\sd['’]absence
      | respuesta\sautomática | fuera\sde\s(?:la\s)?oficina | mensaje\sde\sausencia
      | risposta\sautomatica | fuori\s(?:sede|ufficio)
      | automatisch\s(?:antwoord|bericht) | afwezigheids(?:bericht|melding|assistent) | niet\saanwezig
      | resposta\sautomática | automatyczna\sodpowiedź | odpowiedź\sautomatyczna | autosvar | automatiskt?\ssvar
      | automaattinen\svastaus | automatická\sodpověď | automatikus\sválasz | otomatik\syanıt | răspuns\sautomat
      | автоматический\sответ | автоответ | 自動応答 | 自动答复
    )\s*(?:$|[:：(\[])""",
    re.VERBOSE,
)

# A subject a program may have written, and a person too.
LOOSE_SUBJECT = re.compile(
    r"""(?:ihre?\s.{0,30}?:\s?)?(?:
        eingangsbestätigung | empfangsbestätigung | bestätigung\sihrer\s(?:nachricht|anfrage|e-?mail)
      | ihre\s(?:nachricht|anfrage|e-?mail)\b.{0,40}(?:eingegangen|erhalten) | wir\shaben\sihre
      | (?:vielen\s)?dank\sfür\sihre | abwesen(?:d|heit) | (?:bin\s)?im\surlaub | urlaub\b\s?(?:$|bis|vom)
        | betriebs(?:ferien|urlaub)
      | nicht\sim\s(?:büro|haus) | außer\shaus | büro\sgeschlossen
      | thank\syou\sfor\s(?:contacting|your) | thanks\sfor\s(?:contacting|your) | we(?:['’]ve|\shave)?\sreceived\syour
      | your\s(?:request|message|e-?mail|enquiry|inquiry)\b.{0,40}(?:received|registered)
      | (?:confirmation|acknowledge?ment)\sof\sreceipt | request\sreceived
      | (?:our\s)?offices?\s(?:is\s|are\s)?closed | closed\s(?:until|till|for) | (?:i\sam\s|i['’]m\s)?(?:away
        |out\sof) | vacation
      | (?:i\sam\s|i['’]m\s)?on\s(?:annual\s|maternity\s|parental\s)?(?:leave|holiday|vacation)
      | accusé\sde\sréception | nous\savons\sbien\sreçu | absente?\b | absence | en\s(?:congés?|vacances)
      | acuse\sde\srecibo | hemos\srecibido | ausente | ausencia | (?:de\s)?vacaciones
      | conferma\sdi\s(?:ricezione|ricevimento) | abbiamo\sricevuto | assente | assenza | (?:in\s)?ferie
      | ontvangstbevestiging | wij\shebben\suw | afwezig(?:heid)? | (?:op|met)\s(?:vakantie|verlof)
    )""",
    re.VERBOSE,
)

ABSENCE = re.compile(
    r"""\b(?:bin|sind|werde|ist|bleibt|bleiben)\b.{0,90}?\b(?:nicht\sim\s(?:büro|haus|dienst)
        |nicht\s(?:erreichbar|anwesend)
        |abwesend|außer\shaus|im\surlaub|in\selternzeit|im\smutterschutz|geschlossen)\b | betriebsferien
      | \b(?:am|['’]m|are|be|is)\b.{0,60}?\b(?:out\sof\s(?:the\s)?office|on\s(?:\w+\s)?(?:leave|holiday|vacation)
        |away\b
        |not\sin\sthe\soffice|offices?\s(?:is\s|will\sbe\s)?closed) | \blimited\saccess\sto\s(?:my\s)?e-?mails?\b
      | \boffices?\s(?:is|are|will\sbe)\sclosed
      | \babsente?\s(?:du|de\smon|des|jusqu)|\b(?:suis|serai)\b.{0,30}?\b(?:absente?|en\s(?:congés?|vacances
        |déplacement))\b
        | \bbureaux?\s(?:est|sont|sera|seront)\s(?:actuellement\s)?fermés?
      | \bfuera\sde\s(?:la|mi)\soficina\b | \best(?:oy|aré|amos)\b.{0,30}?\b(?:ausentes?|fuera|de\svacaciones)\b
      | \bfuori\s(?:sede|ufficio)\b | \b(?:sono|sarò|siamo)\b.{0,30}?\b(?:assent[ei]|in\sferie|chiusi)\b
      | \bben\b.{0,50}?\b(?:afwezig|niet\s(?:aanwezig|op\skantoor)|op\svakantie|met\s(?:vakantie|verlof))\b
      | \best(?:ou|arei)\b.{0,30}?\b(?:ausente|fora\sdo\sescritório|de\sférias)\b""",
    re.VERBOSE,
)

MACHINE = re.compile(
    r"""\bautomatisch\s(?:erzeugt|erstellt|generiert|versen?d|versandt) | \bautomatische[nr]?\s(?:antwort
        |nachricht|e-?mail|eingangsb)
      | \bantworten\ssie\s(?:bitte\s)?nicht\s(?:auf\sdiese|darauf) | \bbitte\s(?:nicht\sauf\sdiese
        |antworten\ssie\snicht)
      | \b(?:automated|automatic|auto-generated|autogenerated)\s(?:response|reply|message|e-?mail|acknowledge)
        | \bautomatically\sgenerated
      | \bdo\snot\sreply\sto\sthis | \bauto-?repl(?:y|ies)\b
      | \b(?:message|courriel|mail|réponse)\s(?:est\s)?(?:automatique|générée?\sautomatiquement)
        | \bne\spas\srépondre\sà
      | \b(?:respuesta|mensaje|correo)\s(?:automátic[oa]|generado\sautomáticamente) | \bno\sresponda\sa\seste
      | \b(?:risposta|messaggio|e-?mail)\s(?:automatic[oa]|generat[oa]\sautomaticamente) | \bnon\srispondere\sa
      | \bautomatisch\s(?:gegenereerd|verzonden|antwoord|bericht)
        | \bniet\s(?:op\sdit\sbericht\s)?(?:te\s)?beantwoorden""",
    re.VERBOSE,
)

RECEIVED = re.compile(
    r"""\b(?:haben|wurde|ist)\b.{0,60}?\b(?:erhalten|eingegangen|erfasst|aufgenommen)\b
      | \b(?:have|has\sbeen|was)\s(?:safely\s|successfully\s)?(?:received|registered|logged)\b
      | \bavons\sbien\sreçu\b | \bhemos\srecibido\b | \babbiamo\sricevuto\b | \bhebben\b.{0,40}?\bontvangen\b""",
    re.VERBOSE,
)

COURTESY = re.compile(
    r"""\bdank\sfür\sihre\s(?:nachricht|anfrage|e-?mail|mail) | \bin\sdringenden\sfällen\b
        | \bnicht\s(?:automatisch\s)?weitergeleitet\b
      | \bthank(?:s|\syou)\sfor\s(?:your\s(?:message|e-?mail|mail|enquiry|inquiry|request)|contacting) | \burgent\b
      | \bmerci\s(?:pour|de)\svotre\s(?:message|mail|courriel) | \bd?['’]?urgence\b
      | \bgracias\spor\ssu\s(?:mensaje|correo) | \burgen(?:te|cia|tes)\b
      | \bgrazie\sper\s(?:il\ssuo|la\ssua|il\stuo) | \burgenz[ae]\b
      | \b(?:bedankt|dank)\svoor\suw\s(?:bericht|e-?mail) | \bdringende\s(?:zaken|gevallen|vragen)\b""",
    re.VERBOSE,
)

BOUNCE_SUBJECT = re.compile(
    r"""undeliver(?:able|ed) | undelivered\smail\sreturned | unzustellbar | nicht\szustellbar
        | unzustellbare\snachricht
      | mail\sdelivery\s(?:failed|failure|system|subsystem|error) | delivery\s(?:failure|failed|error|delayed
        |has\sfailed)
      | delivery\sstatus\snotification | delivery\snotification | message\sdelivery\s(?:failure|delay)
      | returned\smail | failure\snotice | failed\smail | mail\ssystem\serror | mail\sreturned | delayed\smail
      | warning:\s(?:message\s\S{1,40}\sdelayed|could\snot\ssend) | message\s(?:delayed|undeliverable
        |could\snot\sbe\sdelivered)
      | benachrichtigung\szum\s(?:übermittlungs|zustell)status | fehler\sbei\sder\szustellung
        | zustellung\s(?:fehlgeschlagen|nicht)
      | non\sremis | échec\sde\s(?:la\s)?remise | message\snon\sdistribué | no\sse\spuede\sentregar | no\sentregado
      | non\srecapitabile | mancato\srecapito | messaggio\snon\srecapitato | onbestelbaar | niet\sbestelbaar
      | não\sé\spossível\sentregar | niedostarczalne | kan\sinte\slevereras | olevererbart""",
    re.VERBOSE,
)

BOUNCE_INTRO = re.compile(
    r"""hi\.\sthis\sis\sthe\s(?:qmail-send\sprogram|deliver\sprogram|mail)
        | created\sautomatically\sby\smail\sdelivery\ssoftware
      | this\sis\sthe\s(?:mail\ssystem|postfix\sprogram|mail\sdelivery)\b.{0,20}(?:at\shost|agent)
        | sorry\sto\shave\sto\sinform\syou\sthat
      | the\soriginal\smessage\swas\sreceived\sat | had\spermanent\sfatal\serrors | delivery\shas\sfailed\sto\sthese
      | your\smessage\sdid\snot\sreach\ssome\sor\sall | (?:could\snot|couldn['’]t|wasn['’]t
        |was\snot)\s(?:be\s)?(?:\w+\s)?delivered\b
      | delivery\sto\sthe\sfollowing\srecipients?\b.{0,30}(?:failed|delayed) | failed\sto\sdeliver\sto
        | address\snot\sfound
      | unable\sto\sdeliver\s(?:your|the|this)\smessage | message\sthat\syou\ssent\b.{0,60}not\sbe\sdelivered
      | hat\seinige\soder\salle\sempfänger\snicht\serreicht | fehler\sbei\sder\s(?:nachrichten)?zustellung
      | konnten?\s.{0,60}?nicht\s(?:zugestellt|übermittelt|ausgeliefert)\swerden
      | n['’]a\spas\spu\sêtre\s(?:remis|délivré|distribué) | échec\sde\sla\sremise | no\sse\s(?:pudo
        |ha\spodido)\sentregar
      | (?:impossibile|non\s(?:è\sstato|è)\spossibile)\s(?:recapitare|consegnare)
        | kon(?:den)?\sniet\sworden\s(?:bezorgd|afgeleverd)""",
    re.VERBOSE,
)

DELAY = re.compile(
    r"""delayed | still\sbeing\sretried | could\snot\ssend\smessage\sfor\spast | delivery\s(?:is\s)?delay
        | (?:nachricht|zustellung)
        \s(?:wurde\s)?verzögert | will\s(?:be\sretried|keep\strying|continue\sto\stry)
        | do\snot\sneed\sto\sresend | status_delayed""",
    re.VERBOSE,
)

RECEIPT_SUBJECT = re.compile(
    r"(?:gelesen|read|lu|leído|letto|gelezen|lida|not read|nicht gelesen|ungelesen gelöscht|non lu|return receipt"
    r"|lesebestätigung|read receipt|empfangsbestätigung \(angezeigt\))\s?(?:[:：]|$|-)"
)
RECEIPT_WORDS = re.compile(
    r"\bwurde\b.{0,80}\b(?:gelesen|angezeigt|gelöscht)\b|\bwas (?:read|displayed|opened|deleted)\b"
    r"|\bthis is a (?:return|read) receipt\b"
    r"|\ba été (?:lu|affiché)\b|\bha sido leído\b|\bè stato letto\b|\bis gelezen\b"
    r"|\bempfangsbestätigung für die mail\b"
)

CHALLENGE_SUBJECT = re.compile(
    r"please (?:confirm|verify) (?:your|that|this|you)|(?:sender )?(?:address )?verification (?:required|request)"
    r"|confirm your (?:message|e-?mail)"
    r"|your (?:message|e-?mail)\b.{0,60}(?:requires|awaits|awaiting|needs) (?:verification|confirmation|approval)"
    r"|bitte bestätigen sie (?:ihre|die) (?:nachricht|e-?mail|zustellung)|merci de confirmer votre (?:message|envoi)"
)
CHALLENGE_WORDS = re.compile(
    r"\byou are (?:a )?(?:human|real person|not a (?:spammer|robot))|\b(?:held|quarantined"
    r"|waiting)\b.{0,60}\b(?:until|pending|confirm|verif)"
    r"|\b(?:approved|allowed|safe|guest) ?(?:senders? )?list\b|\bwhitelist|\bone-time (?:verification|confirmation)"
    r"|\bnachricht (?:wird )?erst .{0,40}zugestellt\b|\bspam ?(?:arrest|protection|schutz)"
)


def fold(text: str) -> str:
    """`text` as the tables read it: one line, lower case, composed, every kind of blank a space."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def own_words(text: str) -> str:
    """What the writer of `text` says himself, folded: without quoted lines and what follows a quotation's head line."""
    kept: list[str] = []
    for line in text[: 2 * _OWN_WORDS_LIMIT].split("\n")[:_LINES_READ]:
        words = fold(line)
        if words.startswith(">"):
            continue
        if _QUOTE_BEGINS.match(words):
            break
        kept.append(words)
    return " ".join(" ".join(kept).split())[:_OWN_WORDS_LIMIT]
