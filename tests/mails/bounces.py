"""Bounces as mail systems tell them in prose: who sends, the subject, the text, and if it is for good.

The forms are those of the programs named; words are cut to what matters, and every address is an example.
"""

from __future__ import annotations

from typing import NamedTuple

TO = "expert@partner.example"
ORIGINAL = """Received: from mail.service.example (mail.service.example [192.0.2.1])
From: Service <service@service.example>
To: Expert <expert@partner.example>
Subject: Forwarded request
Message-ID: <forward-1@service.example>

Please answer.
"""


class Told(NamedTuple):
    name: str
    sender: str
    subject: str
    text: str
    permanent: bool | None
    null: bool = False


PROSE = [
    Told("qmail", "MAILER-DAEMON@mx.partner.example", "failure notice", f"""Hi. This is the qmail-send program at mx.partner.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{TO}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

{ORIGINAL}""", True),
    Told("qmail other name", "postbox@mx.partner.example", "failure notice", f"""Hi. This is the qmail-send program at mx.partner.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<{TO}>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 User unknown
Giving up on 192.0.2.7.

--- Below this line is a copy of the message.

{ORIGINAL}""", True),
    Told("exim", "Mailer-Daemon@mx.partner.example", "Mail delivery failed: returning message to sender", f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {TO}
    host mx.partner.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<{TO}>:
    550 5.1.1 <{TO}>: Recipient address rejected: User unknown

------ This is a copy of the message, including all the headers. ------

{ORIGINAL}""", True),
    Told("exim delay", "Mailer-Daemon@mx.partner.example", "Warning: message 1oAbCd-0001 delayed 24 hours", f"""This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.partner.example.

The address to which the message has not yet been delivered is:

  {TO}
    Delay reason: Connection refused

No action is required on your part. Delivery attempts will continue for
some time, and this warning may be repeated at intervals.""", False),
    Told("postfix", "MAILER-DAEMON@mx.partner.example", "Undelivered Mail Returned to Sender", f"""This is the mail system at host mx.partner.example.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<{TO}>: host mx.partner.example[192.0.2.7] said: 550 5.1.1
    <{TO}>: Recipient address rejected: User unknown (in reply to RCPT TO command)""", True),
    Told("postfix delay", "MAILER-DAEMON@mx.partner.example", "Delayed Mail (still being retried)", f"""This is the mail system at host mx.partner.example.

####################################################################
# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #
####################################################################

Your message could not be delivered for more than 4 hour(s).
It will be retried until it is 5 day(s) old.

<{TO}>: connect to mx.partner.example[192.0.2.7]:25: Connection timed out""", False),
    Told("sendmail", "MAILER-DAEMON@mx.partner.example", "Returned mail: see transcript for details", f"""The original message was received at Tue, 3 Mar 2026 09:00:00 +0100
from localhost

   ----- The following addresses had permanent fatal errors -----
<{TO}>
    (reason: 550 5.1.1 <{TO}>... User unknown)

   ----- Transcript of session follows -----
... while talking to mx.partner.example.:
>>> DATA
<<< 550 5.1.1 <{TO}>... User unknown
550 5.1.1 <{TO}>... User unknown""", True),
    Told("sendmail warning", "MAILER-DAEMON@mx.partner.example", "Warning: could not send message for past 4 hours", f"""    **********************************************
    **      THIS IS A WARNING MESSAGE ONLY      **
    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **
    **********************************************

The original message was received at Tue, 3 Mar 2026 09:00:00 +0100

   ----- Transcript of session follows -----
<{TO}>... Deferred: Connection timed out with mx.partner.example.
Warning: message still undelivered after 4 hours
Will keep trying until message is 5 days old""", False),
    Told("sendmail 5", "Mail Delivery Subsystem <daemon@mx.partner.example>", "Returned mail: User unknown", f"""   ----- Transcript of session follows -----
550 {TO}... User unknown

   ----- Unsent message follows -----
{ORIGINAL}""", True),
    Told("exchange 2003", "System Administrator <postmaster@partner.example>", "Undeliverable: Forwarded request", f"""Your message

  To:      Expert
  Subject: Forwarded request
  Sent:    Tue, 3 Mar 2026 09:00:00 +0100

did not reach the following recipient(s):

{TO} on Tue, 3 Mar 2026 09:00:05 +0100
    The recipient name is not recognized
    The MTS-ID of the original message is: c=de;a= ;p=partner
    MSEXCH:IMS:Partner:MX:MX 0 (000C05A6) Unknown Recipient""", True),
    Told("exchange german", "Systemadministrator <postmaster@partner.example>", "Unzustellbar: Anfrage", f"""Ihre Nachricht hat einige oder alle Empfänger nicht erreicht.

      Betreff:  Anfrage
      Gesendet am:  03.03.2026 09:00

Folgende(r) Empfänger kann/können nicht erreicht werden:

      {TO} am 03.03.2026 09:00
            Das E-Mail-Konto ist in der Organisation nicht vorhanden.
            <mx.partner.example #5.1.1>""", True),
    Told("exchange french", "Administrateur système <postmaster@partner.example>", "Non remis : Demande", f"""Votre message n'a pas pu être remis à certains des destinataires.

      {TO} le 03/03/2026 09:00
            <mx.partner.example #5.1.1>""", True),
    Told("exchange spanish", "Administrador del sistema <postmaster@partner.example>", "No se puede entregar: Solicitud", f"""El mensaje no ha llegado a algunos de los destinatarios.

      {TO} el 03/03/2026 9:00
            <mx.partner.example #5.1.1>""", True),
    Told("exchange italian", "Amministratore di sistema <postmaster@partner.example>", "Non recapitabile: Richiesta", f"""Il messaggio non ha raggiunto alcuni destinatari.

      {TO} il 03/03/2026 09:00
            <mx.partner.example #5.1.1>""", True),
    Told("exchange dutch", "Systeembeheerder <postmaster@partner.example>", "Onbestelbaar: Verzoek", f"""Uw bericht heeft de volgende geadresseerden niet bereikt.

      {TO} op 3-3-2026 9:00
            <mx.partner.example #5.1.1>""", True),
    Told("outlook japanese", "postmaster@partner.example", "配信不能: 依頼", f"次の受信者またはグループへの配信に失敗しました:\n\n{TO}\n入力したメール アドレスは見つかりませんでした。\n550 5.1.1 RESOLVER.ADR.RecipNotFound", True),
    Told("outlook chinese", "postmaster@partner.example", "无法送达: 请求", f"无法将邮件传递给这些收件人或组:\n\n{TO}\n找不到您输入的电子邮件地址。\n550 5.1.1 User unknown", True),
    Told("outlook russian", "postmaster@partner.example", "Недоставленное: Запрос", f"Не удалось доставить сообщение следующим получателям:\n\n{TO}\nАдрес не найден.\n550 5.1.1 User unknown", True),
    Told("outlook polish", "postmaster@partner.example", "Niedostarczalne: Zapytanie", f"Nie można dostarczyć wiadomości do następujących odbiorców:\n\n{TO}\n550 5.1.1 User unknown", True),
    Told("outlook turkish", "postmaster@partner.example", "Teslim edilemedi: İstek", f"İletiniz şu alıcılara teslim edilemedi:\n\n{TO}\n550 5.1.1 User unknown", True),
    Told("domino", "Postmaster <postmaster@partner.example>", "DELIVERY FAILURE: User expert (expert@partner.example) not listed in Domino Directory", f"""Your message

  Subject: Forwarded request

was not delivered to:

  {TO}

because:

  User expert ({TO}) not listed in Domino Directory""", True),
    Told("notes", "postmaster@partner.example", "Undeliverable message", f"""------- Failure Reasons  --------

User not listed in public Name & Address Book
{TO}

------- Returned Message --------

{ORIGINAL}""", True),
    Told("groupwise", "Mailer-Daemon@partner.example", "Message status - undeliverable", f"""The attached file had the following undeliverable recipient(s):
\t{TO}

Transcript of session follows:
Command: RCPT TO:<{TO}>
Response: 550 No such recipient""", True),
    Told("courier", "Courier mail server at mx.partner.example <@>", "NOTICE: mail delivery status.", f"""This is a delivery status notification from mx.partner.example,
running the Courier mail server, version 0.73.

The original message was received on Tue, 3 Mar 2026 09:00:00 +0100

---------------------------------------------------------------------------

                           UNDELIVERABLE MAIL

Your message to the following recipients cannot be delivered:

<{TO}>:
    mx.partner.example [192.0.2.7]:
<<< 550 User unknown.""", True),
    Told("courier delay", "Courier mail server at mx.partner.example <@>", "WARNING: delayed mail.", f"""This is a delivery status notification from mx.partner.example.

                           DELAYED MAIL

Your message to the following recipients is delayed.  There's no need to resend your message at this time, delivery attempts will continue.

<{TO}>: Connection refused.""", False),
    Told("opensmtpd", "Mailer Daemon <MAILER-DAEMON@mx.partner.example>", "Delivery status notification: error", f"""    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this email.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

{TO}: 550 5.1.1 <{TO}>: Recipient address rejected

    Below is a copy of the original message:

{ORIGINAL}""", True),
    Told("dragonfly", "<>", "Mail delivery failed", f"""This is the DragonFly Mail Agent v0.13 at mx.partner.example.

There was an error delivering your mail to <{TO}>.

mx.partner.example [192.0.2.7] did not like our RCPT TO:
550 5.1.1 <{TO}>: Recipient address rejected

Original message follows.

{ORIGINAL}""", True, True),
    Told("mailenable", "POSTMASTER@partner.example", "Message Delivery Failure", f"""MailEnable: Message could not be delivered to some recipients.
The following recipient(s) could not be reached:

\tRecipient: [SMTP:{TO}]
\tReason: Remote SMTP Server Returned: 550 5.1.1 Unknown user

Message headers follow:

{ORIGINAL}""", True),
    Told("imail", "Postmaster <postmaster@partner.example>", "Undeliverable Mail", f"""Unknown user: {TO}

RCPT TO generated following response:
550 5.1.1 <{TO}>... User unknown

Original message follows.

{ORIGINAL}""", True),
    Told("mdaemon", "MDaemon@partner.example", "Permanent Delivery Failure", f"""The attached message had PERMANENT fatal delivery errors!

YOUR MESSAGE WAS NOT DELIVERED!

The following addresses did NOT receive a copy of your message:

> {TO}

--- Session Transcript ---
 RCPT To:<{TO}>
 550 <{TO}>, Recipient unknown""", True),
    Told("hmailserver", "mailer-daemon@partner.example", "Message undeliverable", f"""Your message did not reach some or all of the intended recipients.

   Sent: Tue, 3 Mar 2026 09:00:00 +0100
   Subject: Forwarded request

The following recipient(s) could not be reached:

{TO}
   Error Type: SMTP
   Remote server (192.0.2.7) issued an error.
   hMailServer sent: RCPT TO:<{TO}>
   Remote server replied: 550 No such user here""", True),
    Told("kerio", "Mail Delivery Subsystem <mailer@partner.example>", "Undeliverable Mail", f"Your message was not delivered to the following recipients:\n\n{TO}: 550 5.1.1 Mailbox unknown", True),
    Told("surgemail", "postmaster@partner.example", "Delivery Failure", f"Your message cannot be delivered to the following recipients:\n\nRecipient address: {TO}\nReason: 550 user unknown", True),
    Told("icewarp", "Postmaster <postmaster@partner.example>", "Mail System Error - Returned Mail", f"This Message was undeliverable due to the following reason:\n\nEach of the following recipients was rejected by a remote mail server.\nRecipient: <{TO}>\nReason:    5.1.1 <{TO}>: Recipient address rejected", True),
    Told("james", "postmaster@partner.example", "[BOUNCE]", f"""Hi. This is the James mail server at mx.partner.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

Message details:
  Subject: Forwarded request
  MAIL FROM: service@service.example
  RCPT TO: {TO}

Error message below:
550 - Requested action not taken: no such user here""", True),
    Told("powermta", "PowerMTA <mailer-daemon@partner.example>", "Delivery report", f"Hello, this is the mail server on mx.partner.example.\n\nI am sending you this message to inform you on the delivery status of a\nmessage you previously sent. Immediately below you will find a list of\nthe affected recipients.\n\n  <{TO}>: delivery failed\n 550 5.1.1 user unknown", True),
    Told("imss", "imss@partner.example", "Mail could not be delivered", f"****** Message from InterScan Messaging Security Suite ******\n\nSent <<< RCPT TO:<{TO}>\nReceived >>> 550 5.1.1 <{TO}>... user unknown\n\nUnable to deliver message to <{TO}>.", True),
    Told("imss japanese", '"InterScan MSS" <mss@partner.example>', "メッセージを配信できません。", f"****** InterScan Messaging Security Suite からのメッセージ ******\n\nSent <<< RCPT TO:<{TO}>\nReceived >>> 550 5.1.1 user unknown\n{TO} へメッセージを配信できませんでした。", True),
    Told("m-filter", "postmaster@partner.example", "failure notice", f"このメールは「m-FILTER」が自動的に生成して送信しています。\nメールサーバーとの通信中、下記の理由により\nこのメールは送信できませんでした。\n\n以下のメールアドレスへの送信に失敗しました。\n{TO}\n\n-------server message\n550 5.1.1 unknown user <{TO}>\n\n-------original message\n{ORIGINAL}", True),
    Told("mailmarshal", "postmaster@partner.example", 'Undeliverable Mail: "Forwarded request"', f"Your message:\n   From:    service@service.example\n   Subject: Forwarded request\n\nCould not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected: \n    {TO}", True),
    Told("mcafee", "WebShield <webshield@partner.example>", "Delivery Status", f"--- The following addresses had delivery problems ---\n\n<{TO}>   (User unknown {TO})\n\n--- Transcript ---\n550 5.1.1 User unknown", True),
    Told("mailfoundry", "mailadm@partner.example", "Message delivery has failed", f"This is an error report. Unable to deliver message to: <{TO}>\nDelivery failed for the following reason:\nServer mx.partner.example[192.0.2.7] failed with: 550 <{TO}> No such user here", True),
    Told("surfcontrol", "postmaster@partner.example", "Message Delivery Failure", f"Your message could not be delivered.\nUnable to deliver to <{TO}>\n550 User unknown", True),
    Told("messagelabs", "MAILER-DAEMON@mx.partner.example", "Mail Delivery Failure", f"This is the mail delivery agent at mx.partner.example.\nI was not able to deliver your message to the following addresses.\n\n<{TO}>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 Requested action not taken: mailbox unavailable", True),
    Told("mimecast", "postmaster@partner.example", "[Postmaster] Email Delivery Failure", f"This is a delivery failure notification message indicating that\nan email addressed to email address :\n-- {TO}\n\ncould not be delivered. The problem appears to be :\n-- Recipient email server rejected the message\n\nAdditional information follows :\n-- 550 5.1.1 Recipient not found", True),
    Told("gmail", "Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", f"** Address not found **\n\nYour message wasn't delivered to {TO} because the address couldn't be found, or is unable to receive mail.\n\nThe response was:\n\n550 5.1.1 The email account that you tried to reach does not exist.", True),
    Told("gmail delay", "Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Delay)", f"This is an automatically generated Delivery Status Notification\n\nTHIS IS A WARNING MESSAGE ONLY.\n\nYOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\nDelivery to the following recipient has been delayed:\n\n     {TO}\n\nMessage will be retried for 2 more day(s)", False),
    Told("yahoo", "MAILER-DAEMON@yahoo.example", "Failure Notice", f"Sorry, we were unable to deliver your message to the following address.\n\n<{TO}>:\n554: delivery error: dd This user doesn't have an account", True),
    Told("mail.ru", "Mailer-Daemon@mail.example", "Ваше сообщение не доставлено. Mail failure.", f"Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.\n\nК сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:\n\n{TO}\n    550 user not found", True),
    Told("gmx", "GMX Mailer Daemon <mailer-daemon@gmx.example>", "Mail delivery failed: returning message to sender", f"This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to\none or more of its recipients. This is a permanent error.\nThe following address(es) failed:\n\n\"{TO}\":\nSMTP error from remote server after RCPT command:\nhost: mx.partner.example\n5.1.1 <{TO}>... User is unknown", True),
    Told("t-online", "Mail System <mailer-daemon@t.example>", "Unzustellbare Nachricht / Undeliverable message", f"|------------------------- Message log follows: -------------------------|\n no valid recipients were found for this message\n|------------------------- Failed addresses follow: ---------------------|\n <{TO}> ... unknown user\n|------------------------- Message text follows: ------------------------|\n{ORIGINAL}", True),
    Told("facebook", "Facebook <mailer-daemon@mx.facebook.example>", "Sorry, your message could not be delivered", f"This message was created automatically by Facebook.\n\nSorry, your message could not be delivered to {TO}.\n550 5.1.1 RCP-P1", True),
    Told("verizon", "post_master@vtext.example", "Undeliverable Message", f"Error: 550 - Requested action not taken: no such user here\n\nMessage details:\n  Subject: Forwarded request\n  MAIL FROM: service@service.example\n  RCPT TO: {TO}", True),
    Told("ezweb", "Postmaster@ez.example", "Mail System Error - Returned Mail", f"The user(s) {TO} does not exist.\n\n<{TO}>: user unknown", True),
    Told("kddi", "no-reply@app.au.example", "mail", f"Your mail sent on: Tue, 3 Mar 2026 09:00:00 +0900\n    Could not be delivered to: <{TO}>\n    As their mailbox is full.", None, True),
    Told("docomo", "mail-daemon@docomo.example", "Returned mail", f"This message could not be delivered.\n<{TO}>\n550 Unknown user {TO}", True),
    Told("x6", "postbox@relay.example", "There was an error sending your mail", f"We had trouble delivering your message. Full details follow:\n\nSubject: 'Forwarded request'\n\nError: 550 no such user <{TO}>", True),
    Told("x2", "Delivery Service <relay@relay.example>", "fail to deliver", f"Unable to deliver message to the following address.\n\n<{TO}>:\n550 5.1.1 unknown", True),
    Told("nameless gateway", "gateway@relay.example", "Mail could not be delivered", f"The following mail could not be delivered.\nReason: Exceeded Maximum Delivery Attempts for {TO}.\n\n{ORIGINAL}", None),
    Told("fax robot", "E500_Mail_Service@relay.example", "Returned Mail - Error During Delivery", f"------ Failed Recipients ------\n<{TO}>: Requested action not taken: mailbox unavailable. [SMTP Error Code 550]\n-------- Returned Mail --------\n{ORIGINAL}", True),
    Told("non-delivery", "admin@relay.example", "Non-Delivery: Forwarded request", f'--- Non-Delivery Report ---\nThe email below could not be delivered to the following user:\n"{TO}"\n\nOld message:\n{ORIGINAL}', None),
    Told("full", "postmaster@relay.example", "Mail Delivery Warning", f'This is an advisory-only email.  Please do not reply to it.\n\nDelivery of email to this address\n\n"{TO}"\n\nhas been postponed due to a full mailbox.\n\nWe will continue to try to deliver your message over the next few days.', False),
    Told("over quota", "MAILER-DAEMON@mx.partner.example", "Returned mail: User over quota", f"<{TO}>\n452 4.2.2 Mailbox full", False),
    Told("greylist", "MAILER-DAEMON@mx.partner.example", "failure notice", f"<{TO}>:\n451 4.7.1 Greylisted, try again later\nI'm not going to try again; this message has been in the queue too long.", False),
    Told("french gateway", "passerelle@relay.example", "RE: Demande : non remis (delivery failed)", f"***********\nVotre message n'a pas pu etre delivre a\n{TO}\n***********\nYour message could not be delivered to\n{TO}", None),
    Told("german provider", "Mail-Server <mailserver@relay.example>", "Ihre E-Mail konnte nicht zugestellt werden", f"Diese Nachricht wurde vom Mailserver automatisch erzeugt.\n\nIhre E-Mail an {TO} konnte nicht zugestellt werden:\n550 Empfänger unbekannt", True),
    Told("spanish provider", "Sistema <correo@relay.example>", "Correo devuelto", f"Su mensaje no pudo ser entregado a:\n\n<{TO}>\n550 5.1.1 usuario desconocido", True),
    Told("portuguese provider", "postmaster@relay.example", "Falha na entrega", f"A mensagem não foi entregue a\n\n{TO}\n550 5.1.1 usuário inexistente", True),
    Told("korean provider", "postmaster@relay.example", "반송: 요청", f"메일이 다음 수신자에게 전송되지 않았습니다.\n\n{TO}\n550 5.1.1 User unknown", True),
    Told("list manager", "listserv@relay.example", "Undelivered mail", f"An error was detected while processing the enclosed message.\n\n--> Error description:\n\nError-for:  {TO}\nError-Text: 554 No such user", True),
]  # fmt: skip
