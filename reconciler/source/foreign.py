"""Reads the list of accounts that an admin has (CSV, a row an account, English or German words) as accounts of ours.

It judges what a row's words mean and keeps no password; whether the accounts are valid together is judged elsewhere.
No problem repeats a cell: where the columns have slipped it may be the password.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.errors import Invalid
from reconciler.core.secret import SLUG_PATTERN


@dataclass(frozen=True, slots=True)
class Row:
    """A row that could be read. `line` is that of the file, from 1; `tenant` None: the row names none.

    `tenant_text` is the tenant as the list writes it; `has_password`: the list shows a password, which is not kept.
    """

    line: int
    tenant: str | None
    tenant_text: str
    account: Mapping[str, Any]
    has_password: bool


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A row that cannot be carried over: why, and what to do about it."""

    line: int
    reason: str
    mend: str


@dataclass(frozen=True, slots=True)
class ForeignList:
    """What a list holds. `ignored`: columns with values that nothing here corresponds to."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    ignored: tuple[str, ...]


_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "tenant": ("tenant", "mandant"),
    "id": ("id", "kennung"),
    "name": ("name", "displayname", "anzeigename"),
    "address": ("address", "email", "emailaddress", "mailaddress", "emailadresse", "mailadresse", "adresse"),
    "type": ("type", "accounttype", "systemkonto", "systemkontotyp", "typ", "kontotyp"),
    "channel": ("channel", "kanal"),
    "protocol": ("protocol", "protokoll"),
    "host": ("host", "server", "serverhost", "hostname", "mailserver", "posteingangsserver"),
    "port": ("port",),
    "security": ("security", "encryption", "verschlusselung", "verschluesselung", "sicherheit"),
    "username": ("username", "user", "login", "benutzer", "benutzername"),
    "password": ("password", "passwort", "kennwort"),
    "weight": ("weight", "gewichtung"),
    "folder": ("folder", "ordner"),
    "smtp_host": ("smtphost", "smtpserver", "postausgangsserver"),
    "smtp_port": ("smtpport",),
    "smtp_security": ("smtpsecurity", "smtpencryption", "smtpverschlusselung", "smtpverschluesselung"),
    "smtp_username": ("smtpusername", "smtpuser", "smtpbenutzer", "smtpbenutzername"),
    "smtp_password": ("smtppassword", "smtppasswort", "smtpkennwort"),
}
_NEEDED = ("name", "address", "type", "protocol", "host", "username")

_TYPES = {
    **dict.fromkeys(("inbound", "inboundaccount", "eingangskonto", "eingang"), "inbound"),
    **dict.fromkeys(("reply", "replyaccount", "antwortkonto", "antwort"), "reply"),
    **dict.fromkeys(
        ("secondlevelreply", "secondlevelreplyaccount", "2ndlevelantwort", "2ndlevelantwortkonto", "2ndlevelreply"),
        "second-level-reply",
    ),
}
_SECURITY = {
    **dict.fromkeys(("tls", "ssl", "ssltls", "tlsssl", "implicit", "implicittls"), "tls"),
    "starttls": "starttls",
    **dict.fromkeys(("none", "keine", "nein", "no", "off", "unverschlusselt"), "none"),
}
_STARTTLS_PORTS = frozenset({25, 110, 143, 587})
_PROTOCOLS = {"imap": ("imap", None), "imap4": ("imap", None), "imaps": ("imap", "tls")} | {
    "pop": ("pop3", None),
    "pop3": ("pop3", None),
    "pop3s": ("pop3", "tls"),
}
_EMAIL_CHANNELS = frozenset({"", "email", "mail"})
_SLUG = re.compile(SLUG_PATTERN)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def slug(text: str) -> str:
    """A name made of a text: `Müller & Söhne` is `mueller-soehne`; empty if nothing is left."""
    plain = unicodedata.normalize("NFKD", text.lower().translate(_UMLAUTS)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")


def read_csv(data: bytes, protocols: Collection[str]) -> ForeignList:
    """Read the list. `protocols`: those that accounts may have. Raises Invalid if it is no such list at all."""
    lines = _lines(data)
    head = next(lines, None)
    if head is None:
        raise Invalid("the list is empty; its first row names the columns")
    columns = _columns(head[1])
    rows: list[Row] = []
    problems: list[Problem] = []
    ignored: dict[str, None] = {}
    taken: set[tuple[str | None, str]] = set()
    for number, cells in lines:
        if not any(cells):
            continue
        ignored |= {
            head[1][i]: None for i, cell in enumerate(cells[: len(head[1])]) if cell and i not in columns.values()
        }
        values = {name: cells[i] if i < len(cells) else "" for name, i in columns.items()}
        try:
            if len(cells) > len(head[1]):
                raise _Odd("has more cells than the first row", "put cells that hold the delimiter in quotes")
            row = _row(number, values, protocols)
        except _Odd as odd:
            problems.append(Problem(number, odd.reason, odd.mend))
            continue
        rows.append(_with_own_id(row, values, taken))
    return ForeignList(tuple(rows), tuple(problems), tuple(ignored))


class _Odd(Exception):
    """A row that cannot be carried over."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.reason, self.mend = reason, mend


def _lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of each row."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    first = text.partition("\n")[0]
    delimiter = max(";,\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Invalid(f"line {begins}: not CSV ({error}); save the list anew as CSV") from error
        yield begins, [cell.strip() for cell in cells]


def _columns(head: list[str]) -> dict[str, int]:
    """Which column holds what. Raises Invalid if one is missing or stands twice."""
    words = {word: name for name, spellings in _COLUMNS.items() for word in spellings}
    found: dict[str, int] = {}
    for index, cell in enumerate(head):
        name = words.get(_word(cell))
        if name is None:
            continue
        if name in found:
            raise Invalid(f"the columns {head[found[name]]!r} and {cell!r} mean the same; remove one of them")
        found[name] = index
    if missing := [name for name in _NEEDED if name not in found]:
        raise Invalid(
            f"no column for {', '.join(missing)}; the first row names the columns, such as Name, E-Mail-Adresse, Typ, "
            "Protokoll, Server, Benutzer"
        )
    return found


def _word(text: str) -> str:
    """What a heading or a value says, without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "", plain)


def _row(number: int, values: Mapping[str, str], protocols: Collection[str]) -> Row:
    for name in _NEEDED:
        if not values[name]:
            raise _Odd(f"has no {name}", "fill the cell")
    kind = _known(_TYPES, values["type"], "type", "Antwortkonto, 2nd-Level-Antwort or Eingangskonto")
    if _word(values.get("channel", "")) not in _EMAIL_CHANNELS:
        raise _Odd("is of another channel than e-mail", "only e-mail accounts can be carried over; leave the row out")
    protocol, security = _protocol(values["protocol"], protocols)
    tenant_text = values.get("tenant", "")
    account = {"id": _id(values), "name": values["name"], "type": kind, "address": values["address"]}
    block = _endpoint(values, "", security) | {"password": {"secret": account["id"]}}
    if values.get("folder"):
        block["folders"] = [values["folder"]]
    made: dict[str, Any] = dict(account)
    if values.get("weight"):
        made["weight"] = _number(values["weight"], "weight", 100)
    made |= {"protocol": protocol, protocol: block}
    if values.get("smtp_host"):
        made["smtp"] = _smtp(values, block, account["id"])
    elif kind != "inbound":
        mend = "fill a column SMTP-Server (and SMTP-Port, SMTP-Verschlüsselung): forwards and inquiries go out there"
        raise _Odd("is a system account without a submission server", mend)
    has_password = bool(values.get("password") or values.get("smtp_password"))
    return Row(number, slug(tenant_text) or None, tenant_text, made, has_password)


def _id(values: Mapping[str, str]) -> str:
    given = values.get("id", "")
    if given and (not _SLUG.fullmatch(given) or len(given) > 40):
        raise _Odd("has an id that is no name", "write a-z, 0-9 and single hyphens, 40 characters at most")
    made = given or slug(values["address"].partition("@")[0])
    if not made:
        raise _Odd("has an address no id can be made of", "add a column `id`")
    return made


def _with_own_id(row: Row, values: Mapping[str, str], taken: set[tuple[str | None, str]]) -> Row:
    """Ids that were made of equal local parts are told apart by the domain; given ones stay as they are."""
    own = row
    if not values.get("id") and (row.tenant, row.account["id"]) in taken:
        made = slug(values["address"])
        account = {**row.account, "id": made}
        for key, block in row.account.items():
            if isinstance(block, Mapping) and block.get("password") == {"secret": row.account["id"]}:
                account[key] = {**block, "password": {"secret": made}}
        own = Row(row.line, row.tenant, row.tenant_text, account, row.has_password)
    taken.add((own.tenant, own.account["id"]))
    return own


def _protocol(text: str, protocols: Collection[str]) -> tuple[str, str | None]:
    name, security = _PROTOCOLS.get(_word(text), (_word(text), None))
    if name not in protocols:
        known = " or ".join(sorted(protocols))
        raise _Odd("has a protocol that is not installed", f"write {known}, or install a plug-in")
    return name, security


def _endpoint(values: Mapping[str, str], prefix: str, security: str | None) -> dict[str, Any]:
    """host, port, security and username; a port that is used after STARTTLS only settles what TLS means."""
    made: dict[str, Any] = {"host": values[f"{prefix}host"]}
    if values.get(f"{prefix}port"):
        made["port"] = _number(values[f"{prefix}port"], "port", 65535)
    if text := values.get(f"{prefix}security", ""):
        security = _known(_SECURITY, text, "encryption", "TLS, STARTTLS or none")
        if security == "tls" and _word(text) == "tls" and made.get("port") in _STARTTLS_PORTS:
            security = "starttls"
    if security is not None:
        made["security"] = security
    if values.get(f"{prefix}username"):
        made["username"] = values[f"{prefix}username"]
    return made


def _smtp(values: Mapping[str, str], block: Mapping[str, Any], account_id: str) -> dict[str, Any]:
    """The same login as the mailbox's, unless the list says another one."""
    made = {"username": block["username"]} | _endpoint(values, "smtp_", None)
    order = ("host", "port", "security", "username")
    same = made["username"] == block["username"]
    password = values.get("smtp_password", "")
    own = bool(password) and password != values.get("password", "") if same else True
    secret = f"{account_id[:35].rstrip('-')}-smtp" if own else account_id
    return {key: made[key] for key in order if key in made} | {"password": {"secret": secret}}


def _known(words: Mapping[str, str], text: str, what: str, examples: str) -> str:
    found = words.get(_word(text))
    if found is None:
        raise _Odd(f"has an unknown {what}", f"write {examples}")
    return found


def _number(text: str, what: str, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= most:
        raise _Odd(f"has a {what} that is no number from 1 to {most}", "correct the cell")
    return int(text)
