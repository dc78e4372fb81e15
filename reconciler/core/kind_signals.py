"""Knows every sign by which a mail shows what kind it is: one row a sign; deciding between them is the caller's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core import kind_wording as wording
from reconciler.core.mail_kind import Kind
from reconciler.core.mail_report import field_of
from reconciler.core.message import Body, Head, Message

RELAYED = frozenset({Kind.HUMAN})
"""The kinds that are passed on to a customer without a person's word."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as the signs look at it. `subject` and `words` are folded; `words` are only what the writer says."""

    head: Head
    body: Body
    subject: str
    words: str

    @property
    def answers(self) -> bool:
        """Whether it says to be the answer to something."""
        return bool(self.head.in_reply_to or self.head.references or wording.ANSWER_PREFIX.match(self.subject))

    @property
    def by_hand(self) -> bool:
        """Whether a person answers or forwards: then enclosed reports are what the person writes about."""
        return bool(wording.ANSWER_PREFIX.match(self.subject)) and self.head.return_path != "" and not daemon(self)


def look_at(message: Message) -> Seen:
    """`message` as the signs look at it."""
    return Seen(message.head, message.body, wording.fold(message.head.subject), wording.own_words(message.body.text))


@dataclass(frozen=True, slots=True)
class Signal:
    """One row: `sees` returns what was seen, short, or None."""

    slug: str
    source: str
    kind: Kind
    sees: Callable[[Seen], str | None]


_COMMENT = re.compile(r"\([^()]*\)")
_DAEMON = re.compile(r"(?:mailer[-_.]?daemon|mail[-_.]?daemon|mailerdaemon|mdaemon|microsoftexchange[0-9a-f]{20,})\b")
_SYSTEM = re.compile(r"(?:postmaster|mail-?system|mail[-_.]?delivery\S{0,20}|bounces?)\b")
_SYSTEM_NAME = re.compile(
    r"mail(?:er)?[\s-](?:delivery|daemon|system)|(?:mail|system) administrator|postmaster|microsoft outlook$"
)
_NO_REPLY = re.compile(
    r"(?:\S{0,60}[-_.+])?(?:"
    r"(?:no|do-?not|dont|never|nicht|ne-?pas|non)[-_.]?(?:reply|antworten?|repondre|rispondere|responder|beantwoorden)"
    r"|keine[-_.]?antwort|notifications?|auto-?mailer|robot)[-_.+@]"
)
_WEBMAIL_SCRIPT = re.compile(
    r"rcube|roundcube|program/|index\.php/mail|squirrel|horde|imp/|rainloop|snappymail|webmail|afterlogic"
)
_VACATION_PROGRAM = re.compile(r"vacation|auto-?respon|auto-?reply|^vrspond")

_AUTO_REPLY_HEADERS = (
    "x-autoreply", "x-auto-reply", "x-autorespond", "x-auto-respond", "x-autoresponder", "x-autoreply-from",
    "x-autoreply-to", "x-autoreply-domain", "x-autorespond-from", "x-mail-autoreply", "x-amazon-auto-reply",
    "x-vacation",
)  # fmt: skip
_NOTIFYING_HEADERS = (
    "x-github-reason", "x-gitlab-notificationreason", "x-gitlab-project", "x-jira-fingerprint", "x-bugzilla-reason",
    "x-cron-env", "x-fc-machinegenerated", "x-facebook-notify", "x-linkedin-class", "x-redmine-host",
    "x-trac-project", "x-launchpad-message-rationale", "x-gerrit-messagetype", "x-phabricator-sent-this-message",
)  # fmt: skip
_CAMPAIGN_HEADERS = (
    "x-campaign", "x-campaignid", "x-campaign-id", "x-mailchimp", "x-mc-user", "x-mailjet-campaign",
    "x-csa-complaints", "x-cleverreach-id", "x-rapidmail-campaign", "x-mailingid", "x-job", "x-sib-id",
)  # fmt: skip

_FIRST_SENTENCES = 300
_ROBOT_LETTER = 1500

_NO_VALUES = ("", "no", "none", "false", "0")


def _value(seen: Seen, name: str, *parts: str) -> str | None:
    """The first header `name` that says something other than "no", with one of `parts` in it if given."""
    for value in seen.head.all(name):
        plain = value.strip().lower()
        if plain not in _NO_VALUES and (not parts or any(part in plain for part in parts)):
            return f"{name}: {value[:80]}"
    return None


def _any_header(names: tuple[str, ...]) -> Callable[[Seen], str | None]:
    return lambda seen: next((found for name in names if (found := _value(seen, name))), None)


def _header(name: str, *parts: str) -> Callable[[Seen], str | None]:
    return lambda seen: _value(seen, name, *parts)


def _answering(sees: Callable[[Seen], str | None]) -> Callable[[Seen], str | None]:
    return lambda seen: sees(seen) if seen.answers or wording.AUTOMATIC_SUBJECT.match(seen.subject) else None


def _auto_submitted(*words: str) -> Callable[[Seen], str | None]:
    """The keyword of Auto-Submitted is one of `words`; without words, any but `no`."""

    def sees(seen: Seen) -> str | None:
        for value in seen.head.all("auto-submitted"):
            keyword = (_COMMENT.sub(" ", value).replace(";", " ").lower().split() or [""])[0]
            if keyword in words or (not words and keyword not in ("", "no")):
                return f"Auto-Submitted: {value[:80]}"
        return None

    return sees


def _precedence(*words: str) -> Callable[[Seen], str | None]:
    def sees(seen: Seen) -> str | None:
        found = (f"{name}: {value[:40]}" for name in ("precedence", "x-precedence", "preference")
                 for value in seen.head.all(name) if value.strip().lower() in words)  # fmt: skip
        return next(found, None)

    return sees


def _null_return_path(seen: Seen) -> str | None:
    """The null sender, also as Postfix writes it out for programs (pipe(8), null_sender)."""
    path = seen.head.return_path
    return f"Return-Path: <{path}>" if path is not None and (not path or _DAEMON.match(path.lower())) else None


def daemon(seen: Seen) -> str | None:
    """The sender, if it is a mail system by its very name."""
    return _sender(seen, _DAEMON)


def _sender(seen: Seen, local: re.Pattern[str]) -> str | None:
    """The address in From, also one without a domain, if it begins as `local` says."""
    written = seen.head.sender.address if seen.head.sender else (seen.head.first("from") or "").lstrip('"<')
    return f"sender {written[:80]}" if local.match(written[:320].lower()) else None


def _mail_system(seen: Seen) -> str | None:
    name = seen.head.sender.name.lower() if seen.head.sender else ""
    by_name = f"sender {name[:60]}" if _SYSTEM_NAME.match(name) else None
    return daemon(seen) or _sender(seen, _SYSTEM) or by_name


def _report(type_of_report: str, told: Callable[[Seen], object]) -> Callable[[Seen], str | None]:
    """A report by its structure (RFC 6522): the outer type says so, or one of the parts is machine-readable."""

    def sees(seen: Seen) -> str | None:
        outer = next(iter(seen.body.content_types), "")
        if outer.startswith("multipart/report") and f"report-type={type_of_report}" in outer:
            return outer
        return f"a {type_of_report} part" if told(seen) and not seen.by_hand else None

    return sees


_DELIVERY = _report("delivery-status", lambda seen: seen.body.report.delivery or seen.body.report.recipients)


def _delivered(seen: Seen) -> str | None:
    """A delivery status that reports nothing but success."""
    actions = {(field_of(group, "action") or "").lower() for group in seen.body.report.recipients}
    good = bool(actions) and actions <= {"delivered", "relayed", "expanded"}
    return f"action {', '.join(sorted(actions))}" if good and _DELIVERY(seen) else None


def _calendar(seen: Seen) -> str | None:
    for part in seen.body.attachments:
        if part.content_type == "text/calendar" and part.inline:
            stated = next((kind for kind in seen.body.content_types if kind.startswith("text/calendar; method=")), None)
            return stated or ("text/calendar" if b"METHOD:" in part.payload[:2000].upper() else None)
    outer = next(iter(seen.body.content_types), "")
    return outer if outer.startswith("text/calendar") else None


def _both(subject: re.Pattern[str], words: re.Pattern[str]) -> Callable[[Seen], str | None]:
    """Subject and text agree; either alone may be a person writing about such a mail."""

    def sees(seen: Seen) -> str | None:
        found = subject.match(seen.subject)
        said = words.search(seen.words) if found else None
        return f"{found.group()[:50]} / {said.group()[:60]}" if found and said else None

    return sees


def _bounce_prose(seen: Seen) -> str | None:
    """A mail system tells it in prose: its subject or its first sentences say that something did not arrive."""
    system = _mail_system(seen)
    if system is None or seen.by_hand:
        return None
    found = wording.BOUNCE_SUBJECT.match(seen.subject) or wording.BOUNCE_INTRO.search(seen.words[:_FIRST_SENTENCES])
    return f"{system}; {found.group()[:60]}" if found else None


def _bounce_wording(seen: Seen) -> str | None:
    found = wording.BOUNCE_SUBJECT.match(seen.subject)
    begins = wording.BOUNCE_INTRO.search(seen.words[:_FIRST_SENTENCES]) if found else None
    return f"{found.group()[:50]} / {begins.group()[:60]}" if found and begins else None


_ROBOT_SAYS = {
    "absence": wording.ABSENCE,
    "machine": wording.MACHINE,
    "received": wording.RECEIVED,
    "courtesy": wording.COURTESY,
}


def _automatic_wording(seen: Seen) -> str | None:
    """Subject and text agree. A subject a person may have written needs a text that says more and asks nothing.

    A person may write "Absence next week" and tell of it; a robot's short letter thanks, explains and redirects.
    """
    certain = wording.AUTOMATIC_SUBJECT.match(seen.subject)
    if not certain and not wording.LOOSE_SUBJECT.match(seen.subject):
        return None
    said = [name for name, words in _ROBOT_SAYS.items() if words.search(seen.words)]
    plain = len(seen.words) < _ROBOT_LETTER and "?" not in seen.words
    tells = len(said) >= 2 and ("absence" in said or "machine" in said)
    return f"{seen.subject[:50]} / {', '.join(said)}" if (certain and said) or (plain and tells) else None


def _suppressing(seen: Seen) -> str | None:
    return _value(seen, "x-auto-response-suppress")


def _exchange_rule(seen: Seen) -> str | None:
    """The loop header also stands in a person's mail that a rule redirects; only with a companion is it an answer."""
    rule = _value(seen, "x-ms-exchange-inbox-rules-loop")
    companion = _suppressing(seen) or _value(seen, "x-ms-exchange-parent-message-id")
    return rule if rule and (companion or wording.AUTOMATIC_SUBJECT.match(seen.subject)) else None


def _suppress_and_subject(seen: Seen) -> str | None:
    return _suppressing(seen) if wording.AUTOMATIC_SUBJECT.match(seen.subject) else None


def _autogenerated(seen: Seen) -> str | None:
    return _value(seen, "x-autogenerated", "reply", "letter") or _value(seen, "x-post-messageclass", "autoresponder")


def _vacation_program(seen: Seen) -> str | None:
    value = seen.head.first("x-mailer") or ""
    return f"X-Mailer: {value[:60]}" if _VACATION_PROGRAM.search(value.lower()) else None


def _form_script(seen: Seen) -> str | None:
    value = seen.head.first("x-php-originating-script") or seen.head.first("x-php-script") or ""
    form = bool(value) and not seen.answers and not _WEBMAIL_SCRIPT.search(value.lower())
    return f"script {value[:60]}" if form else None


def _hops(seen: Seen) -> str | None:
    count = len(seen.head.all("received"))
    return f"{count} Received headers" if count >= 100 else None


# The first row that sees something decides; every other that does is kept as further evidence.
# Structure comes before headers, headers before senders' names, names before words.
SIGNALS: tuple[Signal, ...] = (
    Signal("rfc5321-hop-count", "RFC 5321 section 6.3", Kind.LOOP, _hops),
    Signal("rfc5965-feedback-report", "RFC 5965 section 2", Kind.FEEDBACK,
           _report("feedback-report", lambda seen: seen.body.report.feedback)),
    Signal("rfc8098-disposition", "RFC 8098 section 3", Kind.RECEIPT,
           _report("disposition-notification", lambda seen: seen.body.report.disposition)),
    Signal("rfc3464-delivered", "RFC 3464 section 2.3.3", Kind.RECEIPT, _delivered),
    Signal("rfc3464-delivery-status", "RFC 3464 section 2", Kind.BOUNCE, _DELIVERY),
    Signal("rfc6047-calendar", "RFC 6047 section 2.4", Kind.CALENDAR, _calendar),
    Signal("exim-failed-recipients", "Exim specification, chapter 46", Kind.BOUNCE, _header("x-failed-recipients")),
    Signal("mailer-daemon-sender", "RFC 5321 section 4.5.5 and usage", Kind.BOUNCE, daemon),
    Signal("mail-system-prose", "qmail, Exim, Postfix, Sendmail, Exchange texts", Kind.BOUNCE, _bounce_prose),
    Signal("bounce-wording", "qmail, Exim, Postfix, Sendmail, Exchange texts", Kind.BOUNCE, _bounce_wording),
    Signal("challenge-wording", "challenge-response systems", Kind.CHALLENGE,
           _both(wording.CHALLENGE_SUBJECT, wording.CHALLENGE_WORDS)),
    Signal("notifying-system", "headers of trackers, networks and cron", Kind.NOTIFICATION,
           _any_header(_NOTIFYING_HEADERS)),
    Signal("rfc3834-auto-replied", "RFC 3834 section 5", Kind.AUTO_REPLY, _auto_submitted("auto-replied")),
    Signal("autoresponder-header", "headers of cPanel, Gmail and other responders", Kind.AUTO_REPLY,
           _any_header(_AUTO_REPLY_HEADERS)),
    Signal("autoresponder-class", "headers of CommuniGate and cPanel", Kind.AUTO_REPLY, _autogenerated),
    Signal("precedence-auto-reply", "cPanel and usage", Kind.AUTO_REPLY,
           _precedence("auto_reply", "auto-reply", "autoreply")),
    Signal("exchange-rules-agent", "Exchange", Kind.AUTO_REPLY,
           _header("x-ms-exchange-generated-message-source", "rules agent")),
    Signal("exchange-inbox-rule", "Exchange", Kind.AUTO_REPLY, _exchange_rule),
    Signal("exchange-suppress-and-subject", "MS-OXCMAIL section 2.1.3.2.21", Kind.AUTO_REPLY, _suppress_and_subject),
    Signal("vacation-program", "X-Mailer of vacation programs", Kind.AUTO_REPLY, _vacation_program),
    Signal("delivered-by-autoresponder", "usage", Kind.AUTO_REPLY, _header("delivered-to", "autoresponder")),
    Signal("rfc3834-auto-generated-answer", "RFC 3834 section 5", Kind.AUTO_REPLY,
           _answering(_auto_submitted("auto-generated"))),
    Signal("campaign-header", "headers of newsletter systems", Kind.BULK, _any_header(_CAMPAIGN_HEADERS)),
    Signal("rfc2919-list-id", "RFC 2919", Kind.LIST, _header("list-id")),
    Signal("rfc2369-list-post", "RFC 2369 section 3.4", Kind.LIST,
           _any_header(("list-post", "mailing-list", "x-mailman-version"))),
    Signal("precedence-list", "RFC 3834 section 3.1.8", Kind.LIST, _precedence("list")),
    Signal("rfc3834-auto-submitted", "RFC 3834 section 5", Kind.NOTIFICATION, _auto_submitted()),
    Signal("rfc2369-list-unsubscribe", "RFC 2369 section 3.2", Kind.BULK, _header("list-unsubscribe")),
    Signal("precedence-bulk-answer", "RFC 3834 section 3.1.8", Kind.AUTO_REPLY,
           _answering(_precedence("bulk", "junk"))),
    Signal("precedence-bulk", "RFC 3834 section 3.1.8", Kind.BULK, _precedence("bulk", "junk")),
    Signal("ticket-system-loop", "OTRS, Znuny", Kind.AUTO_REPLY, _any_header(("x-otrs-loop", "x-znuny-loop"))),
    Signal("null-return-path-answer", "RFC 5321 section 4.5.5", Kind.AUTO_REPLY, _answering(_null_return_path)),
    Signal("automatic-wording", "Exchange, Outlook, Lotus and hand-made texts", Kind.AUTO_REPLY, _automatic_wording),
    Signal("receipt-wording", "Outlook, Lotus", Kind.RECEIPT, _both(wording.RECEIPT_SUBJECT, wording.RECEIPT_WORDS)),
    Signal("null-return-path", "RFC 5321 section 4.5.5", Kind.NOTIFICATION, _null_return_path),
    Signal("no-reply-sender", "usage", Kind.NOTIFICATION, lambda seen: _sender(seen, _NO_REPLY)),
    Signal("form-script", "PHP mail.add_x_header", Kind.NOTIFICATION, _form_script),
)  # fmt: skip
