"""Knows the words automatic mails are written in, by language; what they decide stands in the table of signals.

The words of bounces stand in `bounce_wording`, what notices of absence say in `notice_wording`.
Sources: what Outlook, Exchange, Gmail, Lotus Notes, Zimbra, OTRS and
other programs write by themselves, and what people write into their vacation notices.
"""

from __future__ import annotations

import re
import unicodedata

from reconciler.core.phrases import Phrases
from reconciler.core.quoting import without_quotes

_OWN_WORDS_LIMIT = 4000
_LINES_READ = 120

# The prefix a person's program puts before a subject when it answers or forwards, in the languages of Outlook.
ANSWER_PREFIX = re.compile(
    r"(?:\[[^\]]{1,60}\]\s*)?(?:re|aw|antw|antwort|sv|vs|r|rif|res|odp|ynt|ilt|vá|fw|fwd|wg|tr|rv|i|enc|doorst|fs|vl|vb|bls|"
    r"ref|réf|pd|továbbítás|továb|atb|σχετ|απ|πρθ|на|отв|пер|fwd|回复|答复|转发|回覆|轉寄|返信|転送|회신|전달|הועבר|תגובה|رد|svar|redir)"
    r"(?:\[\d{1,3}\]|\(\d{1,3}\)|\d)?\s?[:：]"
)

# A subject only a program writes: "prefix: the original subject", or the prefix alone.
AUTOMATIC_SUBJECT = re.compile(
    r"""(?:
        auto(?=\s?:)
        | \[?(?:automatic|automated|auto[\s-]?(?:matic)?)[\s-]?(?:reply|response|responder|answer|acknowledg\w+|e-?mail
        |message|confirmation)\]?
        | autoreply | autoresponse
        | out[\s-]of[\s-](?:the[\s-])?office(?:\s(?:auto[\s-]?)?(?:reply|response|notification|message|notice))?
        | ooo | out-of-office\smessage | vacation\s(?:reply|message|response|notice)
        | away\s(?:from\s(?:my\s)?mail|notice|message) | absence\snotice
        | automatische[sr]?\s(?:antwort(?:mail|nachricht)?|rückmeldung
        |eingangsbestätigung|empfangsbestätigung|e-?mail|abwesenheits\S{1,16}|nachricht)
        | abwesenheits(?:notiz|nachricht|meldung|benachrichtigung|assistent|info|mitteilung|mail|hinweis)
        | autoantwort | auto-antwort | urlaubs(?:notiz|meldung
        |benachrichtigung|abwesenheit) | abwesend(?=\s?:) | out\sof\soffice-antwort
        | automatisch\s(?:generierte|erzeugte|erstellte)\s\S{1,30}
        | réponse\sautomatique | réponse\sd['’]absence | absence\sdu\sbureau | message\s(?:automatique\s)?d['’]absence
        | avis\sd['’]absence | message\sautomatique
        | notification\sd['’]absence | absent\sdu\sbureau | accusé\sde\sréception\sautomatique
        | respuesta\sautomática | contestación\sautomática | fuera\sde\s(?:la\s)?oficina
        | mensaje\sde\s(?:ausencia|vacaciones) | autorrespuesta | respuesta\sde\sausencia
      | risposta\sautomatica | fuori\s(?:sede|ufficio) | messaggio\s(?:automatico|di\sassenza) | notifica\sdi\sassenza
        | automatisch\s(?:antwoord|bericht) | afwezigheids(?:bericht|melding|assistent) | niet\saanwezig
        | automatische\sbeantwoording
        | resposta\sautomática | ausência\s(?:temporária|do\sescritório) | fora\sdo\sescritório
        | mensagem\s(?:automática|de\sausência)
        | automatyczna\sodpowiedź | odpowiedź\sautomatyczna | autoodpowiedź
        | nieobecność(?:\sw\s(?:biurze|pracy))?(?=\s?:) | poza\sbiurem
        | autosvar | automatiskt?\ssvar | frånvaro(?:meddelande)? | frånvarande | automatisk\sbesvarelse
        | ikke\stil\sstede | fraværs\w+ | ute\sav\skontoret | ikke\spå\skontoret
      | automaattinen\s(?:poissaolo)?vastaus | poissaolo\w*(?=\s?:) | poissa\stoimistosta
      | automatická\s(?:odpověď|odpoveď) | mimo\skancelář | nepřítomnost\w*(?:\s(?:v\s)?kanceláři)? | mimo\skancelárie
        | automatikus\sválasz | házon\skívül | irodán\skívül | távollét\w* | otomatik\s(?:yanıt|cevap) | ofis\sdışında
        | răspuns\sautomat | absent\s(?:din|de\sla)\sbirou
        | автоматический\sответ | автоответ(?:чик)? | отсутствие\sна\sрабочем\sместе | нет\sна\sместе | вне\sофиса
        | автоматична\sвідповідь | автовідповідь | поза\sофісом
        | автоматичен\sотговор | automatski\sodgovor | samodejni\sodgovor | automatinis\satsakymas
        | automātiska\satbilde | automaatvastus | automatsko\sodgovaranje
      | αυτόματη\sαπάντηση | εκτός\sγραφείου | תשובה\sאוטומטית | מענה\sאוטומטי | رد\sتلقائي | الرد\sالتلقائي
        | 自動(?:応答|返信|回覆|答覆|回答)(?:メッセージ|メール)? | 不在(?:通知|連絡|メール|のお知らせ) | 外出中
        | 休暇(?:通知|のお知らせ)? | 自动(?:答复|回复|回覆)
        | 外出(?:通知)? | 休假(?:通知)? | 不在办公室 | 不在辦公室 | 자동\s?(?:회신|응답|답장)
        | 부재\s?중(?:\s?(?:자동\s?)?(?:응답|알림))?
      | trả\slời\stự\sđộng | balasan\sotomatis | ตอบกลับอัตโนมัติ
    )\s*(?:$|[:：(\[!.])""",
    re.VERBOSE,
)

# A subject a program may have written, and a person too.
LOOSE_SUBJECT = Phrases(
    {
        "en": (
            r"thank(?:s| you) for (?:contacting|your|reaching|getting|e-?mailing|writing|the)",
            r"we(?:['’]ve| have)? received your",
            r"(?:your|the) (?:request|message|e-?mail|enquiry|inquiry|ticket|query|order).{0,40}(?:received"
            r"|registered|logged|created)", r"(?:confirmation|acknowledge?ment) (?:of receipt|of your|-)",
            r"request received", r"(?:our )?offices? (?:is |are )?closed", r"closed (?:until|till|for|from|between)",
            r"(?:i am |i['’]m )?(?:currently )?(?:away|out of|on) ?(?:the )?(?:office|leave|holidays?"
            r"|vacation)?", r"vacation", r"holidays?", r"annual leave", r"(?:maternity|parental|sick) leave",
            r"not in (?:the )?office", r"no longer (?:with|at|working)", r"left the company",
            r"changed? (?:of )?(?:e-?mail )?address", r"receipt of your", r"message received",
        ),
        "de": (
            r"(?:ihre? .{0,30}?: ?)?(?:eingangs|empfangs)bestätigung",
            r"bestätigung ihrer (?:nachricht|anfrage|e-?mail|mail)",
            r"ihre (?:nachricht|anfrage|e-?mail|mail).{0,60}", r"wir haben ihre",
            r"(?:vielen |herzlichen )?dank für ihre?n?", r"abwesen(?:d|heit)",
            r"(?:bin )?(?:im |in )?(?:urlaub|elternzeit|mutterschutz|erziehungsurlaub)",
            r"betriebs(?:ferien|urlaub|ruhe)", r"nicht (?:im (?:büro|haus|dienst)|da|erreichbar|am platz)",
            r"außer haus", r"büro geschlossen", r"(?:wir haben )?geschlossen",
            r"nicht mehr (?:im unternehmen|tätig|bei)", r"neue (?:e-?mail-?)?adresse", r"eingang ihrer",
        ),
        "fr": (
            r"accusé de réception", r"nous avons bien reçu", r"absente?", r"absence",
            r"en (?:congés?|vacances|déplacement)", r"merci (?:pour|de) votre", r"congés?", r"fermeture",
            r"votre (?:message|demande|courriel|mail).{0,40}",
        ),
        "es": (
            r"acuse de recibo", r"hemos recibido", r"ausente", r"ausencia", r"(?:de )?vacaciones",
            r"gracias por (?:su|tu|contactar|escribir)", r"fuera de", r"confirmación de recepción", r"cerrado",
        ),
        "it": (
            r"conferma di (?:ricezione|ricevimento|lettura)", r"abbiamo ricevuto", r"assente", r"assenza",
            r"(?:in )?ferie", r"grazie per", r"chiusura", r"chiuso", r"fuori",
        ),
        "nl": (
            r"ontvangstbevestiging", r"(?:wij|we) hebben uw", r"afwezig(?:heid)?", r"(?:op|met) (?:vakantie|verlof)",
            r"(?:be)?dank(?:t)? voor uw", r"gesloten", r"vakantie", r"verlof",
        ),
        "pt": (
            r"confirmação de rece(?:p|b)\w+", r"recebemos", r"ausente", r"ausência", r"(?:de |em )?férias",
            r"obrigad[oa] p(?:or|elo)", r"fora do",
        ),
        "pl": (
            r"potwierdzenie (?:otrzymania|odbioru)", r"nieobecność", r"urlop", r"otrzymaliśmy", r"dziękujemy za",
            r"jestem (?:nieobecn|na urlopie|poza)\w*",
        ),
        "sv": (r"semester", r"frånvar\w+", r"tack för (?:ditt|ert)", r"mottagningsbekräftelse", r"föräldraledig"),
        "da": (r"ferie", r"fraværende", r"tak for (?:din|deres)", r"kvittering", r"barsel"),
        "no": (r"ferie", r"fravær\w*", r"takk for (?:din|deres)", r"permisjon"),
        "fi": (r"loma\w*", r"poissa\w*", r"kiitos (?:viestistäsi|yhteydenotosta\w*)", r"lomalla"),
        "cs": (
            r"dovolená", r"nepřítom\w+", r"děkujeme za", r"potvrzení (?:o )?přijetí", r"jsem (?:mimo|na dovolené)",
        ),
        "hu": (r"szabadság\w*", r"köszönjük", r"távol\w*"),
        "ro": (r"concediu", r"absent\w?", r"vă mulțumim pentru"),
        "tr": (r"izin\w*", r"tatil\w*", r"mesajınız alındı", r"teşekkür\w*"),
        "ru": (
            r"отпуск\w*", r"в отпуске", r"отсутств\w+", r"спасибо за (?:ваше|обращение)",
            r"ваше (?:обращение|письмо|сообщение).{0,30}", r"командировк\w+",
        ),
        "uk": (r"відпустк\w+", r"у відпустці", r"дякуємо за"),
        "el": (r"άδεια", r"σε άδεια", r"απουσ\w+", r"ευχαριστούμε"),
        "ja": (r"お問い合わせ(?:ありがとう|を受け付け|いただき)", r"受付(?:完了|確認)", r"休業", r"不在", r"休暇"),
        "zh": (r"感谢您的", r"感謝您的", r"已收到", r"休假", r"外出", r"不在"),
        "ko": (r"문의(?:가|해)", r"접수", r"휴가", r"부재"),
    },
    at_start=True,
)  # fmt: skip

GREETING = Phrases(
    {
        "en": (r"hi,? \w+", r"hello", r"dear", r"good (?:morning|afternoon|evening)"),
        "de": (
            r"hallo", r"guten (?:tag|morgen|abend)", r"sehr geehrte?r?", r"lieber?", r"moin", r"servus",
            r"grüß gott",
        ),
        "fr": (r"bonjour", r"chère?s?", r"madame", r"monsieur", r"salut"),
        "es": (r"hola", r"estimad[oa]s?", r"buen[oa]s (?:días|tardes)"),
        "it": (r"buongiorno", r"gentile", r"salve", r"ciao", r"egregio"),
        "nl": (r"beste", r"geachte", r"goede(?:morgen|middag|ndag)", r"hoi"),
        "pt": (r"olá", r"bom dia", r"boa tarde", r"prezad[oa]s?", r"car[oa]s?"),
        "pl": (r"dzień dobry", r"szanown\w+", r"witam", r"cześć"),
        "sv": (r"hej",),
        "cs": (r"dobrý den", r"vážen\w+"),
        "hu": (r"tisztelt", r"kedves"),
        "ru": (r"здравствуйте", r"добрый (?:день|вечер)", r"уважаем\w+"),
        "tr": (r"merhaba", r"sayın"),
    },
)  # fmt: skip
"""A person speaks to a person."""

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
    lines = text[: 2 * _OWN_WORDS_LIMIT].split("\n", _LINES_READ)[:_LINES_READ]
    return fold(without_quotes("\n".join(lines)))[:_OWN_WORDS_LIMIT]
