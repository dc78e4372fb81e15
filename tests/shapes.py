"""Account files, good and bad, as the models and the JSON schemas must judge them: one table for both."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.states import account

GONE = object()
"""Instead of a value: the key is taken away."""

TENANT: dict[str, Any] = {
    "version": 1,
    "tenant": "acme",
    "name": "Acme",
    "owners": ["admins@acme.example"],
    "accounts": [
        account(
            "support",
            smtp={"host": "mail.acme.example", "username": "support", "password": {"secret": "support"}},
            subaddressing="+",
            reply_via="experts",
        ),
        account("experts", "reply", send_from="support", default=True),
        {
            **account("spool", send_from="support", protocol="maildir", maildir={"path": "/var/mail/acme"}),
            "imap": None,
        },
    ],
    "templates": {"reply": {"subject": "Re: {{ subject }}", "text": "{{ text }}"}},
    "referrals": {"remind": {"after": "2d"}, "answer_from": "domain"},
    "routing": [{"id": "invoices", "when": {"subject": {"contains": "invoice"}}, "then": {"queue": "billing"}}],
    "tests": [{"name": "t", "mail": {"account": "support", "subject": "invoice"}, "expect": {"rule": "invoices"}}],
}
MAIN: dict[str, Any] = {
    "version": 1,
    "accounts": [
        account("main-reply", "reply", smtp={"host": "mail.acme.example"}),
        account("main-second", "second-level-reply", send_from="main-reply"),
    ],
}
DOCUMENTS: Mapping[str, dict[str, Any]] = {"tenant": TENANT, "main": MAIN}

SUPPORT = ("accounts", 0)
EXPERTS = ("accounts", 1)
SPOOL = ("accounts", 2)
RULE = ("routing", 0)
TEST = ("tests", 0)


OAUTH = {"token_endpoint": "https://login.example/token", "client_id": "app", "client_secret": {"secret": "app"}}
NO_SECRET, NO_TLS = OAUTH | {"client_secret": None}, OAUTH | {"token_endpoint": "http://login.example/token"}
TOKEN_SMTP = {"host": "mail.acme.example", "username": "support", "oauth": OAUTH}


@dataclass(frozen=True)
class Shape:
    """A change to a good file. `code`: what `validate` must find; without one the file stays good.

    `unsayable`: why the schema, which sees only the values of one file, cannot refuse it.
    """

    name: str
    place: tuple[str | int, ...]
    value: Any
    code: str = ""
    unsayable: str = ""
    of: str = "tenant"

    def document(self) -> dict[str, Any]:
        """The changed file."""
        made = copy.deepcopy(DOCUMENTS[self.of])
        inner: Any = made
        for part in self.place[:-1]:
            inner = inner[part]
        if self.value is GONE:
            del inner[self.place[-1]]
        elif isinstance(inner, list) and self.place[-1] == len(inner):
            inner.append(self.value)
        else:
            inner[self.place[-1]] = self.value
        return made

    def text(self) -> str:
        """The changed file as it is written; JSON is YAML."""
        return json.dumps(self.document(), indent=1)


def _text(name: str, place: tuple[str | int, ...]) -> list[Shape]:
    return [Shape(f"{name} is {value!r}", place, value, "E203") for value in (7, True, [], {})]


WRONG_TYPES = [
    *_text("name", (*SUPPORT, "name")),
    *_text("owner", ("owners", 0)),
    *_text("template", ("templates", "reply", "text")),
    Shape("accounts are a map", ("accounts",), {}, "E203"),
    Shape("accounts are null", ("accounts",), None, "E203"),
    Shape("an account is text", SUPPORT, "support", "E203"),
    Shape("a block is text", (*SUPPORT, "imap"), "mail.acme.example", "E203"),
    Shape("a weight in quotes", (*SUPPORT, "weight"), "5", "E203"),
    Shape("a weight with a fraction", (*SUPPORT, "weight"), 2.5, "E203"),
    Shape("a weight as 5.0", (*SUPPORT, "weight"), 5.0, "E203", "JSON knows no difference between 5 and 5.0"),
    Shape("a rate in quotes", (*SUPPORT, "messages_per_second"), "2", "E203"),
    Shape("a rate of true", (*SUPPORT, "messages_per_second"), True, "E203"),
    Shape("yes instead of true", (*SUPPORT, "enabled"), "yes", "E203"),
    Shape("1 instead of true", (*EXPERTS, "default"), 1, "E203"),
    Shape("a test expects yes", (*TEST, "expect", "hold"), "yes", "E203"),
    Shape("a port in quotes", (*SUPPORT, "imap", "port"), "993", "E203"),
    Shape("folders are text", (*SUPPORT, "imap", "folders"), "INBOX", "E203"),
    Shape("settings are a list", (*SUPPORT, "settings"), [], "E203"),
    Shape("a size in quotes", (*RULE, "when", "size"), {"over": "1000"}, "E203"),
    Shape("when is a list", (*RULE, "when"), [], "E203"),
    Shape("templates are a list", ("templates",), [], "E203"),
    Shape("reminders at most 1.5", ("referrals", "remind", "max"), 1.5, "E203"),
]
UNKNOWN_AND_MISSING = [
    *(
        Shape(f"unknown key of {'/'.join(map(str, place)) or 'the file'}", (*place, "bogus"), 1, "E201")
        for place in (
            (),
            SUPPORT,
            (*SUPPORT, "imap"),
            (*SUPPORT, "smtp"),
            (*SPOOL, "maildir"),
            ("referrals",),
            ("referrals", "remind"),
            ("templates", "reply"),
            RULE,
            (*RULE, "when"),
            (*RULE, "when", "subject"),
            (*RULE, "then"),
            TEST,
            (*TEST, "mail"),
            (*TEST, "expect"),
        )
    ),
    *(
        Shape(f"{'/'.join(map(str, place))} missing", place, GONE, "E202")
        for place in (
            ("version",),
            ("tenant",),
            *((*SUPPORT, key) for key in ("id", "name", "type", "address", "protocol")),
            *((*SUPPORT, "imap", key) for key in ("host", "username")),
            (*SUPPORT, "smtp", "host"),
            (*SPOOL, "maildir", "path"),
            ("templates", "reply", "subject"),
            (*RULE, "when"),
            (*TEST, "mail", "account"),
        )
    ),
    Shape("a key of a tenant in main.yaml", ("routing",), [], "E207", of="main"),
]
NOT_ALLOWED = [
    Shape("another version", ("version",), 2, "E206"),
    Shape("version in quotes", ("version",), "1", "E206"),
    Shape("version as true", ("version",), True, "E206"),
    Shape("version as 1.0", ("version",), 1.0, "E206", "JSON knows no difference between 1 and 1.0"),
    Shape("another language", ("language",), "fr", "E204"),
    Shape("21 owners", ("owners",), ["a@acme.example"] * 21, "E204"),
    Shape("an owner without domain", ("owners", 0), "admins", "E204"),
    Shape("upper case in an id", (*SUPPORT, "id"), "Support", "E204"),
    Shape("an id of 41 characters", (*SUPPORT, "id"), "a" * 41, "E204"),
    Shape("an empty name", (*SUPPORT, "name"), "", "E204"),
    Shape("a line end in a name", (*SUPPORT, "name"), "a\r\nBcc: x", "E204"),
    Shape("a name that turns the line round", (*SUPPORT, "name"), "a\u202eb", "E204"),
    Shape("an unknown type", (*SUPPORT, "type"), "inbox", "E204"),
    Shape("two at signs", (*SUPPORT, "address"), "a@b@acme.example", "E204"),
    Shape("weight 0", (*SUPPORT, "weight"), 0, "E204"),
    Shape("weight 101", (*SUPPORT, "weight"), 101, "E204"),
    *(
        Shape(f"bytes_per_day {size!r}", (*SUPPORT, "bytes_per_day"), size, "E204")
        for size in (0, -1, 10**18 + 1, True, 2.5, "2500", "2500mb", "2.5GB", "0MB", "many")
    ),
    *(
        Shape(f"messages_per_second {rate!r}", (*SUPPORT, "messages_per_second"), rate, "E204")
        for rate in (0, -0.5, 1001)
    ),
    Shape("a duration in words", (*SUPPORT, "poll"), "soon", "E204"),
    Shape("a duration as a number", (*SUPPORT, "poll"), 60, "E204"),
    Shape("a domain with a slash", (*SUPPORT, "sends_for"), ["acme.example/"], "E204"),
    Shape("an unknown delimiter", (*SUPPORT, "subaddressing"), "_", "E204"),
    Shape("a host with a scheme", (*SUPPORT, "imap", "host"), "imap://mail.acme.example", "E204"),
    Shape("a host with a port", (*SUPPORT, "imap", "host"), "mail.acme.example:993", "E204"),
    Shape("port 65536", (*SUPPORT, "imap", "port"), 65536, "E204"),
    Shape("unknown security", (*SUPPORT, "imap", "security"), "ssl", "E204"),
    Shape("no folder", (*SUPPORT, "imap", "folders"), [], "E204"),
    Shape("an unknown after_fetch", (*SUPPORT, "imap", "after_fetch"), "archive", "E204"),
    Shape("move without target", (*SUPPORT, "imap", "after_fetch"), "move", "E204"),
    Shape("a target without move", (*SUPPORT, "imap", "move_to"), "Fetched", "E204"),
    Shape("a Maildir's move without target", (*SPOOL, "maildir", "after_fetch"), "move", "E204"),
    Shape("an unknown start", (*SUPPORT, "imap", "start"), "tomorrow", "E204"),
    Shape("a day that is none", (*SUPPORT, "imap", "start"), "2026-02-30", "E204"),
    Shape("a relative path", (*SPOOL, "maildir", "path"), "mail/acme", "E204"),
    Shape(
        "a path with ..", (*SPOOL, "maildir", "path"), "/var/../acme", "E204", "one pattern would hide what is meant"
    ),
    Shape(
        "moved into a folder that is read",
        (*SUPPORT, "imap"),
        {**TENANT["accounts"][0]["imap"], "after_fetch": "move", "move_to": "INBOX"},
        "E204",
        "compares two values",
    ),
    Shape("an unknown template", ("templates", "answer"), {"subject": "s", "text": "t"}, "E204"),
    Shape("a subject of 501 characters", ("templates", "reply", "subject"), "s" * 501, "E204"),
    Shape("21 reminders", ("referrals", "remind", "max"), 21, "E204"),
    Shape("answers from nobody", ("referrals", "answer_from"), "nobody", "E204"),
    Shape("an empty word", (*RULE, "when", "subject", "contains"), "", "E204"),
    Shape("an empty list of words", (*RULE, "when", "subject", "contains"), [], "E204"),
    Shape("an unknown kind", (*RULE, "when", "kind"), "spam", "E204"),
    Shape("an unknown kind in a list", (*RULE, "when", "kind"), ["bounce", "spam"], "E204"),
    Shape("an account id in capitals", (*RULE, "when", "account"), "Support", "E204"),
    Shape("a header with a colon", (*RULE, "when", "header"), {"X-A:": {"equals": "b"}}, "E204"),
    Shape("an unknown priority", (*RULE, "then", "priority"), "asap", "E204"),
    Shape("no regular expression", (*RULE, "when", "subject"), {"matches": "("}, "E204", "RE2 judges it"),
]
SECRETS = [
    Shape("a literal password", (*SUPPORT, "imap", "password"), "hunter2", "E205"),
    Shape("a password as a number", (*SUPPORT, "imap", "password"), 1234, "E205"),
    Shape(
        "the key of tokens as a password",
        (*SUPPORT, "imap", "password"),
        {"secret": "token-keys"},
        "E319",
        "in main.yaml only",
        of="main",
    ),
    Shape("a secret that is no name", (*SUPPORT, "imap", "password"), {"secret": "../main/reply"}, "E205"),
    Shape("a key beside the secret", (*SUPPORT, "smtp", "password"), {"secret": "a", "value": "b"}, "E205"),
]
ACROSS_KEYS = [
    Shape("the protocol's block missing", (*SUPPORT, "imap"), GONE, "E208"),
    Shape("the protocol's block null", (*SUPPORT, "imap"), None, "E208"),
    Shape("an unknown protocol", (*SUPPORT, "protocol"), "imaps", "E209"),
    Shape("a block of another protocol", (*SUPPORT, "maildir"), {"path": "/var/mail/a"}, "E210"),
    Shape("an unknown channel", (*SUPPORT, "channel"), "fax", "E211"),
    Shape("a system account that cannot send", (*EXPERTS, "send_from"), GONE, "E307"),
    Shape("no way to log in", (*SUPPORT, "imap", "password"), GONE, "E204"),
    Shape("an empty password", (*SUPPORT, "imap", "password"), None, "E204"),
    Shape("two ways to log in", (*SUPPORT, "imap", "oauth"), OAUTH, "E204"),
    Shape("two ways to log in for sending", (*SUPPORT, "smtp", "oauth"), OAUTH, "E310"),
    Shape("a token without login", (*SUPPORT, "smtp"), {"host": "mail.acme.example", "oauth": OAUTH}, "E310"),
    Shape("tokens without a secret", (*SUPPORT, "smtp"), TOKEN_SMTP | {"oauth": NO_SECRET}, "E204"),
    Shape(
        "tokens without TLS",
        (*SUPPORT, "smtp"),
        TOKEN_SMTP | {"oauth": OAUTH | {"token_endpoint": "http://a/"}},
        "E204",
    ),
    Shape("an old version of TLS", (*SUPPORT, "imap", "min_tls"), "1.1", "E204"),
    Shape("a path for a certificate", (*SUPPORT, "imap", "ca"), "/etc/ssl/ca.pem", "E204"),
    Shape("a pin of another kind", (*SUPPORT, "imap", "pin"), ["sha1/AAAA"], "E204"),
    Shape("a login without password", (*SUPPORT, "smtp", "password"), GONE, "E310"),
    Shape("a password without login", (*SUPPORT, "smtp", "username"), GONE, "E310"),
    Shape("a local part too long for tokens", (*SUPPORT, "address"), f"{'a' * 30}@acme.example", "E314"),
    Shape("a key of inbound accounts", (*EXPERTS, "reply_via"), "experts", "E315"),
    Shape("a key of system accounts", (*SUPPORT, "retire_after"), "1d", "E315"),
    Shape("two ways to send", (*SUPPORT, "send_from"), "spool", "E317"),
    Shape("no TLS", (*SUPPORT, "smtp", "security"), "none", "E309", "the operators' policy may allow it"),
]
MAIN_FILE = [
    Shape("no accounts", ("accounts",), [], "E304", of="main"),
    Shape("no key of accounts", ("accounts",), GONE, "E304", of="main"),
    Shape("one type only", (*EXPERTS, "type"), "reply", "E304", of="main"),
    Shape(
        "a third account", SPOOL, {**MAIN["accounts"][0], "id": "third", "address": "t@acme.example"}, "E304", of="main"
    ),
    Shape("a disabled account", (*SUPPORT, "enabled"), False, "E304", of="main"),
    Shape("an inbound account", (*EXPERTS, "type"), "inbound", "E207", of="main"),
]
_OTHER = "an account is compared with others"
ACROSS_ACCOUNTS = [
    Shape("an id twice", (*SPOOL, "id"), "support", "E301", _OTHER),
    Shape("a mailbox twice", (*EXPERTS, "imap", "username"), "support", "E302", _OTHER),
    Shape("an address twice", (*EXPERTS, "address"), "Support@acme.example", "E303", _OTHER),
    Shape("no account of that name", (*SUPPORT, "reply_via"), "nobody", "E306", _OTHER),
    Shape("a domain its sender does not have", (*SPOOL, "address"), "a@b.example", "E308", _OTHER),
    Shape("two defaults", SPOOL, account("more", "reply", smtp={"host": "a.example"}, default=True), "E305", _OTHER),
    Shape("a rule's id twice", ("routing", 1), TENANT["routing"][0], "E311", "a rule is compared with others"),
    Shape(
        "a template that calls", ("templates", "reply", "text"), "{{ text.upper() }}", "E312", "a language of its own"
    ),
    Shape(
        "an inquiry for nobody",
        (*RULE, "then", "refer"),
        {"kind": "inquiry", "to": "expert@carrier.example", "text": "Whose fault is it?"},
        "E320",
        "what a rule asks for is compared with the rest of it",
    ),
    Shape("a refer to nobody", (*RULE, "then", "refer"), {"to": []}, "E204"),
    Shape("six to notify", (*RULE, "then", "notify"), [f"{n}@b.example" for n in range(6)], "E204"),
    Shape("a language nobody speaks", (*RULE, "when", "language"), "klingon", "E204"),
    Shape("a test that fails", (*TEST, "mail", "subject"), "hello", "E313", "the rules are run"),
]


def rule(**when: Any) -> dict[str, Any]:
    """A second rule with these conditions."""
    return {"id": "more", "when": when, "then": {"priority": "high"}}


GOOD = [
    Shape("a token instead of a password", (*SUPPORT, "smtp"), TOKEN_SMTP),
    Shape("a version of TLS without quotes", (*SUPPORT, "imap", "min_tls"), 1.3),
    Shape("pins", (*SUPPORT, "imap", "pin"), ["sha256/" + "A" * 43 + "=", "0a" * 32, ":".join(["0A"] * 32)]),
    Shape("as it is", ("version",), 1),
    Shape("main.yaml as it is", ("version",), 1, of="main"),
    Shape("a tenant without accounts", ("tests",), []),
    Shape("a date", (*SUPPORT, "imap", "start"), "2026-01-31"),
    Shape("moved", (*SUPPORT, "imap"), {**TENANT["accounts"][0]["imap"], "after_fetch": "move", "move_to": "Old"}),
    Shape("optional keys null", (*SUPPORT, "moved_from"), None),
    Shape("words in a list", ("routing", 1), rule(**{"from": {"ends": ["@a.example", "@b.example"]}})),
    Shape("a long word", ("routing", 1), rule(subject={"contains": "w" * 400})),
    Shape("one to notify", (*RULE, "then", "notify"), "colleague@staff.example"),
    Shape("one expert to ask", (*RULE, "then", "refer"), {"to": "expert@carrier.example"}),
    Shape("one kind", ("routing", 1), rule(**{"not": {"kind": "bounce"}})),
    Shape("kinds in a list", ("routing", 1), rule(any={"kind": ["list", "bulk"]})),
    Shape(
        "an account and a header in a rule", ("routing", 1), rule(account="support", header={"X-A": {"equals": "b"}})
    ),
    Shape("plain text on loopback", (*SUPPORT, "smtp"), {"host": "localhost", "security": "none"}),
    *(Shape(f"bytes_per_day {s!r}", (*SUPPORT, "bytes_per_day"), s) for s in (1, 2_500_000_000, "2500MB", "1KB", None)),
    *(Shape(f"messages_per_second {r!r}", (*SUPPORT, "messages_per_second"), r) for r in (0.5, 4, 1000, None)),
    Shape("any settings", (*SUPPORT, "settings"), {"crm": {"deep": [1, None]}}),
]
BAD = [
    *WRONG_TYPES,
    *UNKNOWN_AND_MISSING,
    *NOT_ALLOWED,
    *SECRETS,
    *ACROSS_KEYS,
    *MAIN_FILE,
    *ACROSS_ACCOUNTS,
]
