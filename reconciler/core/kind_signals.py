"""Knows every sign by which a mail shows what kind it is: one row a sign; deciding between them is the caller's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core import kind_bounce as bounce
from reconciler.core import kind_wording as wording
from reconciler.core import notice_wording as notice
from reconciler.core.kind_seen import Seen
from reconciler.core.mail_kind import Kind


@dataclass(frozen=True, slots=True)
class Signal:
    """One row: `sees` returns what was seen, short, or None."""

    slug: str
    source: str
    kind: Kind
    sees: Callable[[Seen], str | None]


_COMMENT = re.compile(r"\([^()]*\)")
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

_ROBOT_LETTER = 1500
_NOTICE = 700
_NOTICE_BEGINS = 250


def _any_header(names: tuple[str, ...]) -> Callable[[Seen], str | None]:
    return lambda seen: next((found for name in names if (found := seen.value(name))), None)


def _header(name: str, *parts: str) -> Callable[[Seen], str | None]:
    return lambda seen: seen.value(name, *parts)


def _answering(sees: Callable[[Seen], str | None]) -> Callable[[Seen], str | None]:
    return lambda seen: sees(seen) if seen.answers or wording.AUTOMATIC_SUBJECT.match(seen.subject) else None


def _auto_submitted(*words: str) -> Callable[[Seen], str | None]:
    """The keyword of Auto-Submitted is one of `words`; without words, any but `no`."""

    def sees(seen: Seen) -> str | None:
        for value in seen.fields.get("auto-submitted", ()):
            keyword = (_COMMENT.sub(" ", value).replace(";", " ").lower().split() or [""])[0]
            if keyword in words or (not words and keyword not in ("", "no")):
                return f"Auto-Submitted: {value[:80]}"
        return None

    return sees


def _precedence(*words: str) -> Callable[[Seen], str | None]:
    def sees(seen: Seen) -> str | None:
        found = (f"{name}: {value[:40]}" for name in ("precedence", "x-precedence", "preference")
                 for value in seen.fields.get(name, ()) if value.strip().lower() in words)  # fmt: skip
        return next(found, None)

    return sees


def _null_return_path(seen: Seen) -> str | None:
    return f"Return-Path: <{seen.head.return_path}>" if seen.null_path else None


def _report(type_of_report: str, told: Callable[[Seen], object]) -> Callable[[Seen], str | None]:
    """A report by its structure (RFC 6522): the outer type says so, or one of the parts is machine-readable."""

    def sees(seen: Seen) -> str | None:
        outer = next(iter(seen.body.content_types), "")
        if outer.startswith("multipart/report") and f"report-type={type_of_report}" in outer:
            return outer
        return f"a {type_of_report} part" if told(seen) and not seen.by_hand else None

    return sees


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


_NOT_SAID = re.compile(r"[\"„“«][^\"„“”»]{3,120}[\"“”»]|[^.!?]{1,300}\?")
"""What stands in quotation marks or in a question is said of a machine, by a person."""
_ROBOT_SAYS = {
    "absence": notice.ABSENCE,
    "machine": notice.MACHINE,
    "received": notice.RECEIVED,
    "redirect": notice.REDIRECT,
    "thanks": notice.THANKS,
}


def _said(text: str) -> list[str]:
    return [name for name, words in _ROBOT_SAYS.items() if words.find(text)]


def _automatic_wording(seen: Seen) -> str | None:
    """Subject and text agree. A subject a person may have written needs a text that says more and asks nothing.

    A person may write "Absence next week" and tell of it; a robot's short letter thanks, explains and redirects.
    """
    certain = wording.AUTOMATIC_SUBJECT.match(seen.subject)
    if not certain and not wording.LOOSE_SUBJECT.find(seen.subject):
        return None
    said = _said(_NOT_SAID.sub(" ", seen.words))
    plain = len(seen.words) < _ROBOT_LETTER and "?" not in seen.words
    tells = len(said) >= 2 and ("absence" in said or "machine" in said)
    return f"{seen.subject[:50]} / {', '.join(said)}" if (certain and said) or (plain and tells) else None


def _automatic_letter(seen: Seen) -> str | None:
    """Under any subject: a letter that does nothing but say who is away and whom to ask, or that a machine wrote it."""
    if len(seen.words) > _NOTICE or not seen.words or "?" in seen.words:
        return None
    first = seen.words[:_NOTICE_BEGINS]
    said = _said(seen.words)
    away = notice.ABSENCE.find(first) is not None and "redirect" in said and ("thanks" in said or "machine" in said)
    machine = "machine" in said and "received" in said and "thanks" in said
    return f"letter / {', '.join(said)}" if away or machine else None


def _suppressing(seen: Seen) -> str | None:
    return seen.value("x-auto-response-suppress")


def _exchange_rule(seen: Seen) -> str | None:
    """The loop header also stands in a person's mail that a rule redirects; only with a companion is it an answer."""
    rule = seen.value("x-ms-exchange-inbox-rules-loop")
    companion = _suppressing(seen) or seen.value("x-ms-exchange-parent-message-id")
    return rule if rule and (companion or wording.AUTOMATIC_SUBJECT.match(seen.subject)) else None


def _suppress_and_subject(seen: Seen) -> str | None:
    return _suppressing(seen) if wording.AUTOMATIC_SUBJECT.match(seen.subject) else None


def _autogenerated(seen: Seen) -> str | None:
    return seen.value("x-autogenerated", "reply", "letter") or seen.value("x-post-messageclass", "autoresponder")


def _vacation_program(seen: Seen) -> str | None:
    value = seen.head.first("x-mailer") or ""
    return f"X-Mailer: {value[:60]}" if _VACATION_PROGRAM.search(value.lower()) else None


def _form_script(seen: Seen) -> str | None:
    value = seen.head.first("x-php-originating-script") or seen.head.first("x-php-script") or ""
    form = bool(value) and not seen.answers and not _WEBMAIL_SCRIPT.search(value.lower())
    return f"script {value[:60]}" if form else None


def _hops(seen: Seen) -> str | None:
    count = len(seen.fields.get("received", ()))
    return f"{count} Received headers" if count >= 100 else None


# The first row that sees something decides; every other that does is kept as further evidence.
# Structure comes before headers, headers before senders' names, names before words.
SIGNALS: tuple[Signal, ...] = (
    Signal("rfc5321-hop-count", "RFC 5321 section 6.3", Kind.LOOP, _hops),
    Signal("rfc5965-feedback-report", "RFC 5965 section 2", Kind.FEEDBACK,
           _report("feedback-report", lambda seen: seen.body.report.feedback)),
    Signal("rfc5429-refusal", "RFC 5429 section 2.2.2", Kind.BOUNCE, bounce.refused_by_filter),
    Signal("rfc8098-disposition", "RFC 8098 section 3", Kind.RECEIPT,
           _report("disposition-notification", lambda seen: seen.body.report.disposition)),
    Signal("rfc3464-delivered", "RFC 3464 section 2.3.3", Kind.RECEIPT, bounce.delivered),
    Signal("rfc3464-delivery-status", "RFC 3464 section 2", Kind.BOUNCE, bounce.reported),
    Signal("rfc6047-calendar", "RFC 6047 section 2.4", Kind.CALENDAR, _calendar),
    Signal("exim-failed-recipients", "Exim specification, chapter 46", Kind.BOUNCE, _header("x-failed-recipients")),
    Signal("mailer-daemon-sender", "RFC 5321 section 4.5.5 and usage", Kind.BOUNCE, lambda seen: seen.daemon),
    Signal("mail-system-prose", "texts of mail systems", Kind.BOUNCE, bounce.told_by_system),
    Signal("null-sender-prose", "RFC 5321 section 4.5.5; texts of mail systems", Kind.BOUNCE, bounce.told_to_nobody),
    Signal("bounce-wording", "texts of mail systems", Kind.BOUNCE, bounce.told_by_anybody),
    Signal("returned-with-reason", "RFC 5321 section 4.2; texts of mail systems", Kind.BOUNCE,
           bounce.given_back_with_reason),
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
    Signal("automatic-letter", "notices of absence, confirmations", Kind.AUTO_REPLY, _automatic_letter),
    Signal("receipt-wording", "Outlook, Lotus", Kind.RECEIPT, _both(wording.RECEIPT_SUBJECT, wording.RECEIPT_WORDS)),
    Signal("null-return-path", "RFC 5321 section 4.5.5", Kind.NOTIFICATION, _null_return_path),
    Signal("no-reply-sender", "usage", Kind.NOTIFICATION, lambda seen: seen.sender(_NO_REPLY)),
    Signal("form-script", "PHP mail.add_x_header", Kind.NOTIFICATION, _form_script),
)  # fmt: skip
