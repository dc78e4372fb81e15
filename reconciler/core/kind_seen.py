"""Knows a message as the signs of its kind look at it: its headers' values, its sender, what its writer says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from reconciler.core import kind_wording as wording
from reconciler.core.mail_kind import Kind
from reconciler.core.message import Body, Head, Message

RELAYED = frozenset({Kind.HUMAN})
"""The kinds that are passed on to a customer without a person's word."""

_DAEMON = re.compile(
    r"(?:mailer[-_.]?daemon|mail[-_.]?daemon|mailerdaemon|mdaemon|microsoftexchange[0-9a-f]{20,}|amavisd-new)\b"
)
_SYSTEM = re.compile(
    r"(?:post[-_.]?master|mail[-_.]?system|mail[-_.]?delivery\S{0,30}|bounces?|mail[-_.]?adm(?:in)?"
    r"|delivery[-_.]?(?:sub)?system|delivery[-_.]?(?:failure|status|notification)s?|ndr|mta|imss"
    r"|(?:\S{0,20}_)?smtp[-_.]?(?:mail[-_.]?)?(?:service|gateway|server)\S{0,20}|interscan\S{0,20}"
    r"|symantec\S{0,40}|scanmail"
    r"|mail[-_.]?(?:server|gateway|error|failure|return|robot)|\"?system administrator\"?|sys-?admin|sysop"
    r"|listserv|mailer|smtp)\b"
)
_SYSTEM_NAME = re.compile(
    r"(?:\S{1,30}[\s-])?mail(?:er)?[\s-](?:delive\w{1,5}|daemon|system|administrator|server|service)"
    r"|(?:internet )?mail delivery"
    r"|(?:mail|e-?mail|system|network) administrator|system-?administrator|(?:\S{1,30} )?delivery (?:sub)?system"
    r"|postmaster|mailer|post office"
    r"|courier mail server|pmdf|interscan|scanmail|symantec|microsoft outlook$|microsoft exchange|postbeamter"
    r"|systemadministrat\w+|administrat\w{2,5} (?:d[ue]|del?|di)[\s'’]|amministratore|systeembeheerder"
    r"|järjestelmänvalvoja"
    r"|administrator systemu|správce|rendszergazda|sistem yöneticisi|системный администратор"
    r"|システム管理者|系统管理员|系統管理員"
)


@dataclass(frozen=True)
class Seen:
    """A message as the signs look at it. `subject` and `words` are folded; `words` are only what the writer says."""

    head: Head
    body: Body

    @cached_property
    def subject(self) -> str:
        return wording.fold(self.head.subject[:1000])

    @cached_property
    def words(self) -> str:
        return wording.own_words(self.body.text)

    @cached_property
    def fields(self) -> dict[str, list[str]]:
        """Every value by the lower-case name of its header, topmost first."""
        found: dict[str, list[str]] = {}
        for name, value in self.head.fields:
            found.setdefault(name, []).append(value)
        return found

    @cached_property
    def answers(self) -> bool:
        """Whether it says to be the answer to something."""
        return self.refers or wording.ANSWER_PREFIX.match(self.subject) is not None

    @property
    def refers(self) -> bool:
        """Whether its headers name a mail that it answers."""
        return bool(self.head.in_reply_to or self.head.references)

    @property
    def null_path(self) -> bool:
        """The null sender, also as Postfix writes it out for programs (pipe(8), null_sender)."""
        path = self.head.return_path
        return path is not None and (not path or _DAEMON.match(path.lower()) is not None)

    @cached_property
    def by_hand(self) -> bool:
        """Whether a person answers or forwards: then enclosed reports are what the person writes about."""
        return bool(wording.ANSWER_PREFIX.match(self.subject)) and not self.null_path and not self.daemon

    @cached_property
    def daemon(self) -> str | None:
        """The sender, if it is a mail system by its very name."""
        return self.sender(_DAEMON)

    @cached_property
    def mail_system(self) -> str | None:
        """The sender, if it looks like a mail system; a person may look so too."""
        name = self.head.sender.name if self.head.sender else (self.head.first("from") or "").partition("<")[0]
        folded = wording.fold(name[:200]).strip("\"' ")
        by_name = f"sender {folded[:60]}" if _SYSTEM_NAME.match(folded) else None
        return self.daemon or self.sender(_SYSTEM) or by_name

    def sender(self, local: re.Pattern[str]) -> str | None:
        """The address in From, also one without a domain, if it begins as `local` says."""
        written = self.head.sender.address if self.head.sender else (self.head.first("from") or "").lstrip('"<')
        return f"sender {written[:80]}" if local.match(written[:320].lower()) else None

    def value(self, name: str, *parts: str) -> str | None:
        """The first header `name` that says something other than "no", with one of `parts` in it if given."""
        for value in self.fields.get(name, ()):
            plain = value.strip().lower()
            if plain not in _NO_VALUES and (not parts or any(part in plain for part in parts)):
                return f"{name}: {value[:80]}"
        return None


_NO_VALUES = ("", "no", "none", "false", "0")


def look_at(message: Message) -> Seen:
    """`message` as the signs look at it."""
    return Seen(message.head, message.body)
