"""Knows what notices of absence and confirmations say, by language; what that decides is said elsewhere."""

from __future__ import annotations

from reconciler.core.phrases import Phrases

ABSENCE = Phrases(
    {
        "en": (
            r"out of (?:the |my )?office", r"away from (?:the |my )?(?:office|desk|e-?mail|computer)",
            r"on (?:\w+ )?(?:leave|holidays?|vacation|sabbatical|business trip)",
            r"(?:am|be|i['’]m|is|are) (?:currently |now )?(?:away|abroad|travell?ing|unavailable|absent)",
            r"not in the office", r"offices? (?:is |are |will be |is currently )?closed", r"we are closed",
            r"limited access to (?:my )?e-?mails?", r"no access to (?:my )?e-?mails?",
            r"(?:not|un)able to (?:check|read|respond to) (?:my )?e-?mails?",
            r"not (?:be )?(?:reading|checking) (?:my )?e-?mails?", r"on vacation", r"back in the office",
            r"no longer (?:with|employed|works?(?:ing)?|at)", r"has left the company",
            r"will (?:be back|return) (?:on|to)", r"return to the office", r"maternity leave",
            r"this (?:e-?mail )?(?:address|mailbox|inbox|account) is (?:no longer|not) (?:in use|monitored"
            r"|being monitored|active)",
        ),
        "de": (
            r"nicht (?:im (?:büro|haus|dienst|hause)|erreichbar|anwesend|am arbeitsplatz|am platz|persönlich)",
            r"(?:bin|ist|sind|bis|sei|derzeit|momentan|zurzeit|leider) (?:\S+ ){0,10}(?:abwesend|außer haus"
            r"|ausser haus|verreist|unterwegs|dienstreise)",
            r"(?:im|in) (?:\S+ )?(?:urlaub|elternzeit|mutterschutz|erziehungsurlaub)",
            r"auf (?:dienst|geschäfts)reise", r"betriebs(?:ferien|urlaub|ruhe)",
            r"büro (?:ist |bleibt )?(?:\S+ ){0,10}geschlossen",
            r"(?:wir haben|bleibt|bleiben|ist|sind) (?:\S+ ){0,10}geschlossen", r"keinen zugriff auf meine",
            r"e-?mails? nicht (?:lesen|gelesen|bearbeiten|abrufen)",
            r"wieder (?:erreichbar|im büro|im haus|für sie da|zurück|persönlich)",
            r"nicht mehr (?:im unternehmen|für .{1,40} tätig|bei .{1,40} (?:beschäftigt|tätig)|gelesen"
            r"|abgerufen)", r"erst (?:ab|am|nach|wieder|nach meiner rückkehr)", r"während meiner abwesenheit",
            r"meine[rs]? (?:rückkehr|abwesenheit|urlaubs)", r"abwesend", r"bin ab dem \S+ wieder",
        ),
        "fr": (
            r"absente?s? (?:du|de mon|des|jusqu|pour|actuellement|et)\S*",
            r"(?:suis|serai|sommes) (?:actuellement |en ce moment )?(?:\S+ ){0,3}(?:absente?s?|en (?:congés?"
            r"|vacances|déplacement|réunion|formation)|hors)", r"en congés?",
            r"bureaux? (?:est|sont|sera|seront) (?:actuellement )?fermés?", r"de retour (?:le|au|à)",
            r"pendant mon absence", r"congé (?:maternité|parental|de maternité)", r"mon retour",
        ),
        "es": (
            r"fuera de (?:la|mi) oficina",
            r"est(?:oy|aré|amos|aremos) (?:\S+ ){0,5}(?:ausentes?|fuera|de vacaciones|de viaje|cerrad[oa]s?)",
            r"de vacaciones", r"durante mi ausencia", r"a mi (?:regreso|vuelta)", r"acceso limitado",
        ),
        "it": (
            r"fuori (?:sede|ufficio)",
            r"(?:sono|sarò|siamo|saremo) (?:\S+ ){0,6}(?:assent[ei]|in ferie|chiusi|in trasferta|fuori)",
            r"in ferie", r"durante la mia assenza", r"al mio (?:rientro|ritorno)",
            r"uffici(?:o)? (?:è|sono|sarà|saranno) chius[oi]",
        ),
        "nl": (
            r"(?:ben|zijn|is) (?:\S+ ){0,8}(?:afwezig|niet aanwezig|niet op kantoor|op vakantie|met vakantie"
            r"|met verlof|gesloten|niet bereikbaar)", r"niet op kantoor", r"tijdens mijn afwezigheid",
            r"met zwangerschapsverlof", r"afwezig",
        ),
        "pt": (
            r"est(?:ou|arei|amos|aremos) (?:\S+ ){0,5}(?:ausentes?|fora do escritório|fora|de férias"
            r"|em férias|encerrad[oa]s?)", r"de férias", r"fora do escritório", r"durante a minha ausência",
            r"acesso limitado",
        ),
        "pl": (
            r"(?:jestem|będę) (?:\S+ ){0,4}(?:nieobecn[ya]|na urlopie|poza biurem|na zwolnieniu)",
            r"nieobecn[ya] w (?:biurze|pracy)", r"przebywam na urlopie", r"na urlopie",
            r"podczas mojej nieobecności", r"poza biurem",
        ),
        "sv": (
            r"(?:är|kommer) (?:\S+ ){0,5}(?:på semester|inte på kontoret|frånvarande|bortrest|föräldraledig"
            r"|tjänstledig|ledig)", r"på semester", r"inte på kontoret", r"åter på kontoret",
            r"tillbaka (?:på kontoret|den|igen)", r"begränsad tillgång till",
        ),
        "da": (
            r"(?:er|holder) (?:\S+ ){0,5}(?:på ferie|ikke på kontoret|fraværende|på barsel|ude af kontoret"
            r"|ferie)", r"på ferie", r"ikke på kontoret", r"tilbage (?:på kontoret|den|igen)",
        ),
        "no": (
            r"(?:er|har) (?:\S+ ){0,5}(?:på ferie|ikke på kontoret|fraværende|i permisjon|bortreist|ferie)",
            r"på ferie", r"ikke på kontoret", r"ute av kontoret", r"tilbake (?:på kontoret|den|igjen)",
        ),
        "fi": (
            r"(?:olen|on) (?:\S+ ){0,5}(?:lomalla|poissa(?: toimistosta)?|matkoilla|vanhempainvapaalla"
            r"|tavoittamattomissa)", r"lomalla", r"poissa toimistosta", r"palaan (?:töihin|toimistolle|takaisin)?",
        ),
        "cs": (
            r"(?:jsem|budu|nejsem) (?:\S+ ){0,5}(?:na dovolené|mimo kancelář|nepřítom\w+|v kanceláři"
            r"|dostupn\w+)", r"mimo kancelář", r"na dovolené", r"mám dovolenou", r"nie som v kancelárii",
            r"na dovolenke", r"čerpám dovolenou",
        ),
        "hu": (
            r"szabadságon (?:vagyok|leszek|tartózkodom)",
            r"(?:nem vagyok|nem leszek|házon|irodán) (?:\S+ ){0,3}(?:az irodában|elérhető|kívül)",
            r"távol(?:létem|vagyok| vagyok| leszek)", r"szabadságon",
        ),
        "ro": (
            r"(?:sunt|voi fi) (?:\S+ ){0,4}(?:în concediu|plecat\w?|absent\w?|în afara biroului|în vacanță)",
            r"în concediu", r"în afara biroului", r"nu (?:sunt|voi fi) (?:\S+ ){0,3}(?:la birou|disponibil\w?)",
        ),
        "tr": (
            r"(?:izinde|tatilde|yıllık izinde|ofis dışında|seyahatte)(?:yim|yiz|\w{0,10})",
            r"ofis(?:te)? (?:dışındayım|değilim|olmayacağım|bulunmayacağım)", r"ofis dışında", r"izinli(?:yim)?",
        ),
        "ru": (
            r"(?:нахожусь|буду|я|буду находиться) (?:\S+ ){0,4}(?:в отпуске|вне офиса|в командировке"
            r"|отсутств\w+|на больничном)", r"в отпуске", r"в командировке", r"отсутствую",
            r"меня (?:нет|не будет) (?:\S+ ){0,4}(?:в офисе|на рабочем месте|на месте)", r"вне офиса",
            r"в мое отсутствие",
        ),
        "uk": (
            r"у відпустці", r"у відрядженні", r"поза офісом", r"(?:мене|я) (?:не буде|відсутн\w+)(?: .{0,20})?",
            r"в моїй відсутності", r"відсутн(?:ій|я) (?:в офісі|на роботі|на робочому місці)",
        ),
        "bg": (r"в отпуск(?:а)?", r"извън офиса", r"в командировка"),
        "hr": (r"na (?:godišnjem odmoru|dopustu|odmoru)", r"izvan ureda", r"odsut\w+", r"nisam u (?:uredu|pisarni)"),
        "lt": (r"atostogauju", r"atostogose"),
        "et": (r"puhkusel", r"kontorist väljas"),
        "el": (
            r"(?:είμαι|βρίσκομαι|θα είμαι|θα απουσιάζω|απουσιάζω)(?: (?:\S+ ){0,4}(?:εκτός γραφείου|σε άδεια"
            r"|με άδεια))?", r"εκτός γραφείου", r"σε άδεια", r"με άδεια",
        ),
        "ja": (
            r"(?:不在|休暇|出張|外出|休業|夏季休業|冬季休業|年末年始休業)(?:に?して|中|と?させて|いただ|の為|のため"
            r"|となり)", r"不在です", r"休暇中", r"出張中", r"休業", r"席を外して", r"退職",
        ),
        "zh": (
            r"(?:正在|目前|现在|現在)?(?:休假|度假|出差|外出|请假|請假)(?:中|期间|期間)?", r"不在(?:办公室|辦公室)",
            r"无法及时(?:回复|查看)", r"無法(?:及時|即時)(?:回覆|查看)", r"已离职", r"已離職",
        ),
        "ko": (r"휴가 ?(?:중|입니다)", r"출장 ?중", r"부재 ?중", r"자리를 비(?:웁|우|워)", r"사무실에 없", r"퇴사"),
        "he": (r"בחופשה", r"מחוץ למשרד", r"לא נמצא\w? במשרד"),
        "ar": (r"خارج المكتب", r"في إجازة"),
    },
)  # fmt: skip
"""The writer is not there, or an office is closed."""

MACHINE = Phrases(
    {
        "en": (
            r"this is an? (?:\w+ )?(?:automat\w+|auto|auto-generated|computer-generated"
            r"|system-generated)[ -](?:\w+ )?(?:response|reply|message|e-?mail|acknowledg\w+|notification"
            r"|mail|confirmation|notice)", r"automat(?:ic|ed) (?:response|reply|acknowledg\w+|message|e-?mail)",
            r"automatically (?:generated|sent|created)", r"(?:auto|system|computer)-?generated",
            r"(?:please )?(?:do|does) not (?:reply|respond) to this",
            r"not (?:reply|respond) (?:directly )?to this (?:e-?mail|message|mail)",
            r"auto-?(?:reply|replies|response|responder)", r"cannot (?:receive|accept) replies",
            r"sent from an unmonitored", r"no-?reply (?:e-?mail|address)",
        ),
        "de": (
            r"automatisch\S{0,3} (?:erzeugt|erstellt|generiert|versen?d\w*|versandt|verschickt" r"|gesendet)\w{0,2}",
            r"automatische[nrs]? (?:antwort\w*|nachricht|e-?mail|mail|eingangsb\w+|empfangsb\w+"
            r"|benachrichtigung|rückmeldung)", r"antworten sie (?:bitte )?nicht (?:auf diese|darauf|direkt)",
            r"bitte (?:nicht auf diese|antworten sie nicht)",
            r"nicht auf diese (?:e-?mail|mail|nachricht) (?:zu )?antworten",
            r"maschinell (?:erstellt|erzeugt)\w{0,2}", r"system(?:generierte|nachricht)",
        ),
        "fr": (
            r"(?:message|courriel|mail|réponse|e-?mail) (?:est |a été |envoyé "
            r"|généré )?(?:une? )?(?:automatique|généré\w? automatiquement|envoyé\w? automatiquement"
            r"|automatiquement)", r"ne pas (?:y )?répondre", r"réponse automatique", r"merci de ne pas répondre",
        ),
        "es": (
            r"(?:respuesta|mensaje|correo|e-?mail) (?:es )?(?:automátic[oa]|generad[oa] automáticamente"
            r"|enviad[oa] automáticamente)", r"(?:no responda|no responder|no conteste) a este",
            r"por favor,? no respond\w+", r"generad[oa] de forma automática",
        ),
        "it": (
            r"(?:risposta|messaggio|e-?mail|mail) (?:è )?(?:stat[oa] )?(?:automatic[oa]"
            r"|generat[oa] automaticamente|inviat[oa] automaticamente)", r"non rispondere a",
            r"si prega di non rispondere", r"generat[oa] (?:in )?automatic\w+",
        ),
        "nl": (
            r"automatisch (?:gegenereerd\w?|verzonden|antwoord|bericht|aangemaakt)",
            r"niet (?:op dit bericht|op deze e-?mail) (?:te )?(?:beantwoorden|antwoorden|reageren)",
            r"(?:dit is een )?automatische? (?:antwoord|bericht|ontvangstbevestiging|e-?mail)",
        ),
        "pt": (
            r"(?:resposta|mensagem|e-?mail) (?:é )?(?:automátic[oa]|gerad[oa] automaticamente)",
            r"(?:não responda|não responder) (?:a |este)\S*", r"por favor,? não responda",
        ),
        "pl": (
            r"(?:wiadomość|odpowiedź|mail|e-?mail) (?:została )?(?:wygenerowan\w|automatyczn\w"
            r"|wysłan\w automatycznie)(?: automatycznie)?", r"automatyczna (?:odpowiedź|wiadomość)",
            r"prosimy (?:na nią )?nie odpowiadać", r"nie odpowiada(?:ć|j) na (?:tę|ten|tą)",
        ),
        "sv": (
            r"automatiskt? (?:svar|genererat|meddelande|skickat|mejl)", r"svara inte på detta",
            r"går inte att svara på",
        ),
        "da": (
            r"automatisk (?:svar|genereret|besked|mail|udsendt)", r"(?:kan ikke|ikke) (?:besvares|svare på denne)",
        ),
        "no": (r"automatisk (?:svar|generert|melding|e-post)", r"ikke svar på denne"),
        "fi": (
            r"automaattinen (?:vastaus|viesti|kuittaus)", r"älä vastaa tähän",
            r"automaattisesti (?:lähetetty|luotu)",
        ),
        "cs": (
            r"automatick\w+ (?:odpověď|odpoveď|zpráva|generovan\w+|vygenerovan\w+)",
            r"na tent?o (?:e-?mail|mail|zprávu) neodpovídejte", r"neodpovídejte na t\w+",
        ),
        "hu": (r"automatikus (?:válasz|üzenet|értesítés)\w*", r"ne válaszoljon erre", r"kérjük,? ne válaszoljon"),
        "ro": (r"(?:răspuns|mesaj) (?:generat )?automat", r"nu răspundeți (?:la acest)?"),
        "tr": (
            r"otomatik (?:yanıt|mesaj|cevap|olarak)\w*",
            r"(?:bu (?:mesaja|e-?postayı?a?)) (?:lütfen )?(?:yanıt vermeyin|cevap vermeyin\w*)",
            r"lütfen (?:bu )?\S* ?(?:yanıtlamayınız|yanıtlamayın)",
        ),
        "ru": (
            r"автоматическ\w+ (?:ответ|сообщение|уведомление)", r"(?:создано|сформировано|отправлено) автоматически",
            r"(?:не отвечайте|отвечать) на (?:это|него|данное)\S*(?: .{0,20}не нужно)?", r"автоответ\w*",
        ),
        "uk": (r"автоматичн\w+ (?:відповідь|повідомлення)", r"не відповідайте на це"),
        "el": (r"αυτόματ\w+ (?:απάντηση|μήνυμα)", r"μην απαντ\w+"),
        "ja": (r"自動(?:返信|応答|送信|配信|的に)", r"(?:このメール|本メール)(?:に|へ)(?:は)?(?:返信|ご返信)"),
        "zh": (
            r"自动(?:回复|答复|发送|生成)", r"自動(?:回覆|回復|發送|產生|寄出)", r"请勿(?:直接)?回复",
            r"請勿(?:直接)?回覆",
        ),
        "ko": (r"자동 ?(?:응답|회신|발송|답장|으로)", r"회신하지 마"),
    },
)  # fmt: skip
"""The mail says of itself that a machine wrote it."""

RECEIVED = Phrases(
    {
        "en": (
            r"(?:have|has been|was|we) (?:safely |successfully |now )?(?:received|registered|logged)",
            r"(?:received|got) your (?:message|e-?mail|mail|request|enquiry|inquiry|ticket)",
            r"(?:will|shall) (?:get back to you|respond|reply|be in touch|contact you|answer|review)\w*",
            r"(?:ticket|request|case|reference) (?:number|id|no)",
            r"a (?:support )?(?:ticket|request|case) has been", r"acknowledge receipt",
            r"within (?:the next )?(?:\w+ )?(?:business|working) days?", r"as soon as (?:possible|we can)",
        ),
        "de": (
            r"(?:haben|wurde|ist|habe) (?:\S+ ){0,10}(?:erhalten|eingegangen|erfasst|aufgenommen|empfangen"
            r"|registriert)",
            r"(?:werden|melden) (?:uns|sie) (?:\S+ ){0,10}(?:melden|bearbeiten|beantworten|in verbindung)?",
            r"(?:schnellst|baldmöglich|umgehend|so bald wie)\S*", r"innerhalb von (?:\S+ )?(?:werk|arbeits)?tagen",
            r"(?:ticket|vorgangs|bearbeitungs)-?nummer", r"eingang ihrer",
        ),
        "fr": (
            r"(?:avons|a|été) bien (?:reçue?|été reçue?|pris|enregistrée?)",
            r"dans les (?:plus brefs|meilleurs) délais", r"sera traitée?", r"nous (?:vous répondrons|reviendrons)",
        ),
        "es": (
            r"hemos recibido", r"ha sido (?:recibid[oa]|registrad[oa])", r"a la (?:mayor brevedad|brevedad posible)",
            r"en breve", r"lo antes posible",
        ),
        "it": (
            r"abbiamo ricevuto", r"è stat[ao] (?:ricevut[ao]|registrat[ao])", r"al più presto", r"prima possibile",
        ),
        "nl": (
            r"hebben (?:\S+ ){0,6}(?:ontvangen|geregistreerd)", r"zo (?:snel|spoedig) mogelijk", r"is ontvangen",
            r"binnen \S+ werkdagen",
        ),
        "pt": (
            r"recebemos", r"foi (?:recebid[ao]|registrad[ao])", r"o mais (?:breve|rápido) possível",
            r"assim que possível",
        ),
        "pl": (
            r"otrzymaliśmy", r"zostało? (?:przyjęte|zarejestrowane|otrzymane)", r"jak najszybciej",
            r"skontaktujemy się",
        ),
        "sv": (r"har (?:tagit emot|mottagit|fått)", r"så snart (?:som möjligt|vi kan)?", r"återkommer"),
        "da": (r"har modtaget", r"hurtigst muligt", r"vender tilbage"),
        "no": (r"har mottatt", r"så snart som mulig", r"tar kontakt"),
        "fi": (r"on vastaanotettu", r"olemme vastaanottaneet", r"mahdollisimman pian"),
        "cs": (r"(?:obdrželi|přijali) jsme", r"byl\w? (?:přijat\w?|zaevidován\w?)", r"co nejdříve"),
        "hu": (r"megkaptuk", r"hamarosan", r"a lehető leghamarabb"),
        "ro": (r"am primit", r"cât mai curând"),
        "tr": (r"tarafımıza ulaş\w+", r"alınmıştır", r"en kısa sürede"),
        "ru": (r"(?:получено|получили|зарегистрирован\w*|принят\w*)", r"в ближайшее время"),
        "uk": (r"отримал[иоа]", r"найближчим часом"),
        "el": (r"λάβαμε", r"το συντομότερο"),
        "ja": (
            r"受け付け(?:ました|いたしました)", r"受付(?:いた)?しました", r"受信しました", r"承りました",
            r"改めて(?:ご)?(?:連絡|返信|回答)",
        ),
        "zh": (r"已(?:经)?收到", r"已(?:經)?收到", r"尽快", r"儘快", r"盡快"),
        "ko": (r"접수(?:되었|했)", r"받았습니다", r"빠른 시일"),
    },
)  # fmt: skip
"""The mail was received and will be dealt with."""

REDIRECT = Phrases(
    {
        "en": (
            r"(?:for |in |if |very |any |your |is |it's |are )?(?:urgent|emergency|immediate)(?: \w+)?",
            r"please (?:contact|call|direct|send|e-?mail|forward|write)",
            r"(?:not|be) (?:be )?(?:automatically )?forwarded", r"in my absence",
            r"will (?:respond|reply|answer|get back|read).{0,40}", r"until (?:i|then|my)", r"upon my return",
            r"when i (?:return|get back|am back)",
        ),
        "de": (
            r"in dringenden (?:fällen|angelegenheiten)", r"dringend\w*",
            r"nicht (?:automatisch )?(?:weitergeleitet|weitergeleitet werden|bearbeitet)",
            r"(?:wenden|wende) (?:sie|dich|euch) sich", r"wenden sie sich", r"(?:vertretung|vertritt|vertreten)\w*",
            r"nach meiner rückkehr",
            r"(?:werde|wird) (?:\S+ ){0,8}(?:weitergeleitet|beantworten|beantwortet|antworten|melden|lesen)",
            r"kontaktieren sie", r"(?:meine|an meine|mein|meinen) kolleg\w+", r"notfällen?",
        ),
        "fr": (
            r"(?:en cas d['’])?urgen(?:ce|t|te)s?",
            r"(?:veuillez|merci de|vous pouvez) (?:contacter|vous adresser|joindre|écrire)", r"à mon retour",
            r"ne sera pas (?:transféré|transmis|lu|redirigé)\w*", r"prendrai connaissance",
        ),
        "es": (
            r"urgen(?:te|cia|cias|tes)", r"(?:contacte|contactar|póngase en contacto|diríjase)",
            r"a mi (?:regreso|vuelta)", r"no será reenviado",
        ),
        "it": (
            r"urgen(?:za|ze|te|ti)", r"(?:contattare|rivolgersi|contatti)", r"al mio (?:rientro|ritorno)",
            r"non verrà inoltrat\w",
        ),
        "nl": (
            r"(?:dringend|spoed|urgente?)\w*", r"(?:contact opnemen|neem contact op|neemt u contact|kunt u)",
            r"niet doorgestuurd", r"bij mijn terugkomst",
        ),
        "pt": (
            r"urgen(?:te|tes|cia|cias)|urgênci(?:a|as)",
            r"(?:contacte|contactar|contate|entre em contato|favor contatar)", r"no meu regresso",
            r"quando (?:regressar|retornar)",
        ),
        "pl": (r"piln(?:ych|e|a|ej)", r"proszę o kontakt", r"po (?:moim )?powrocie", r"nagłych", r"w sprawach"),
        "sv": (r"brådskande", r"kontakta", r"när jag (?:är tillbaka|kommer)"),
        "da": (r"haster|hastende|akutte?", r"kontakt\w*", r"når jeg (?:er tilbage|kommer)"),
        "no": (r"haster|hastesaker", r"kontakt\w*", r"når jeg (?:er tilbake|kommer)"),
        "fi": (r"kiireelli\w+", r"ota\w* yhteyttä", r"palattuani", r"palaan"),
        "cs": (r"naléhav\w+|urgent\w+", r"(?:kontaktujte|obraťte se)", r"po (?:svém )?návratu"),
        "hu": (r"sürgős\w*", r"forduljon|keresse"),
        "ro": (r"urgent\w*|urgențe", r"contactați"),
        "tr": (r"acil\w*", r"(?:iletişime|irtibata) geç\w+|ulaş\w+", r"döndüğümde"),
        "ru": (
            r"срочн\w+", r"(?:обращайтесь|обратитесь|свяжитесь|пишите|звоните)", r"по возвращени\w+",
            r"после возвращения",
        ),
        "uk": (r"термінов\w+", r"звертайтеся|зверніться"),
        "el": (r"επείγ\w+", r"επικοινων\w+"),
        "ja": (r"急ぎ|緊急|至急", r"(?:連絡|問い合わせ)(?:ください|下さい|をお願い)", r"戻り次第|復帰後"),
        "zh": (r"紧急|緊急|急事", r"请联系|請聯[絡繫]|联系我的同事", r"回来后|返回后|回來後"),
        "ko": (r"급한|긴급", r"연락(?:해|주|바|하)", r"복귀 ?후"),
    },
)  # fmt: skip
"""Whom else to ask, or when an answer will come."""

THANKS = Phrases(
    {
        "en": (r"thank(?:s| you)(?: very much)? for (?:your|contacting|reaching|getting|writing|e-?mailing)",),
        "de": (r"dank für (?:ihre|deine|eure|die)n? ?\S*",),
        "fr": (r"merci (?:pour|de) (?:votre|ton|nous)", r"vous remerci\w+"),
        "es": (r"gracias por (?:su|tu|contactar|escribir|ponerse)", r"agradec\w+"),
        "it": (r"grazie per (?:il|la|aver|averci)",),
        "nl": (r"(?:be)?dankt? voor (?:uw|je|het)",),
        "pt": (r"obrigad[oa] p(?:or|elo|ela)", r"agradecemos"),
        "pl": (r"dzięku(?:ję|jemy) za",),
        "sv": (r"tack för (?:ditt|ert|att)",),
        "da": (r"tak for (?:din|deres|jeres)",),
        "no": (r"takk for (?:din|deres|e-posten|henvendelsen|meldingen)",),
        "fi": (r"kiitos (?:viestistä\w*|yhteydenot\w+|sähköposti\w+)",),
        "cs": (r"děkuj(?:i|eme) za",),
        "hu": (r"köszön(?:öm|jük)",),
        "ro": (r"mulțum(?:im|esc) pentru",),
        "tr": (r"(?:mesajınız|e-?postanız|iletiniz) için teşekkür\w*", r"teşekkür ederi\w"),
        "ru": (r"(?:спасибо|благодар\w+) за (?:ваше|письмо|обращение|сообщение|вашу)",),
        "uk": (r"дяку(?:ю|ємо) за",),
        "el": (r"(?:σας )?ευχαριστ\w+ για",),
        "ja": (r"ありがとうございま",),
        "zh": (r"(?:感谢|感謝|谢谢|謝謝)(?:您|你)?的",),
        "ko": (r"감사합니다|감사드립니다",),
    },
)  # fmt: skip
