"""How a mail of ours is written: headers, body and attachments as bytes any server takes; not to whom or why it goes.

Everything is built from values, nothing is copied from a received mail's bytes (RFC 5322, 2045-2047, 2231).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from urllib.parse import quote

from reconciler.core.address import Address
from reconciler.core.errors import Invalid, Unsafe
from reconciler.core.message import Attachment
from reconciler.core.token import TOKEN_LENGTH

MOST_LINE_BYTES = 998
MOST_HEADER_CHARACTERS = 500
LAST_REFERENCES = 20

_FOLD_AT = 76
_WORD_BYTES = 42
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,99}/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}")
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
_PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9 ._()+-]{1,60}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# C0 and C1 controls and the line and paragraph separators; overrides and isolates of the bidirectional algorithm.
_BREAKS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_TEXT_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TOKEN_SHAPE = re.compile(r"[a-z2-7]{34}", re.ASCII | re.IGNORECASE)
_ADDRESS_TOKENS = re.compile(r"((?:(?:[+-]|%2b|&#43;)[a-z2-7]{34})+)(?=@|%40|&#64;|&commat;)", re.ASCII | re.IGNORECASE)
_MESSAGE_ID_TOKEN = re.compile(
    r"([a-z2-7]{34})\.h[0-9]{1,3}\.[a-z0-9-]{1,40}(?:@|%40|&#64;)[a-z0-9.-]{1,200}", re.ASCII | re.IGNORECASE
)
_HEADER_LINE = re.compile(rb"[!-9;-~]+: ?[\t -~]*")
_ONCE = (b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type")


class AutoSubmitted(StrEnum):
    """What RFC 3834 lets a mail say that no person wrote."""

    REPLIED = "auto-replied"
    GENERATED = "auto-generated"


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail to one recipient. `date` is aware; `message_id`, `in_reply_to` and `references` are ids with <>,
    oldest first; `auto_submitted` is None for a person's mail. Attachments are sent as files, never inline."""

    sender: Address
    reply_to: Address | None
    to: Address
    subject: str
    date: datetime
    message_id: str
    in_reply_to: str | None
    references: tuple[str, ...]
    text: str
    attachments: tuple[Attachment, ...]
    auto_submitted: str | None


def build(mail: OutgoingMail) -> bytes:
    """The mail as it goes on the wire; equal mails give equal bytes.

    Tokens of ours that the mail's own headers do not carry are removed from its text, subject, names and text files.
    Raises Invalid for an address or Message-ID that cannot be sent, Unsafe if the result broke a rule of `violations`.
    """
    own = _own_tokens(mail)
    boundary = "=_" + hashlib.sha256(mail.message_id.encode("utf-8", "replace")).hexdigest()[:32]
    lines = [*_headers(mail, own)]
    text_part = list(_text_part(strip_foreign_tokens(mail.text, own)))
    if mail.attachments:
        lines += ["Content-Type: multipart/mixed;", f' boundary="{boundary}"', "", f"--{boundary}", *text_part]
        for attachment in mail.attachments:
            lines += [f"--{boundary}", *_attachment_part(attachment, own)]
        lines += [f"--{boundary}--", ""]
    else:
        lines += text_part
    raw = "\r\n".join(lines).encode("ascii", "strict")
    if wrong := violations(raw):
        raise Unsafe(f"the mail was not built cleanly and is not sent: {'; '.join(wrong)}")
    return raw


def violations(raw: bytes) -> tuple[str, ...]:
    """What keeps these bytes from being sent, in words; empty for a clean mail."""
    found: list[str] = []
    rest = raw.replace(b"\r\n", b"")
    for name, byte in (("CR", b"\r"), ("LF", b"\n"), ("NUL", b"\0")):
        if byte in rest:
            found.append(f"a bare {name}" if name != "NUL" else "a NUL")
    if not raw.isascii():
        found.append("bytes above 127")
    if max(map(len, raw.split(b"\r\n"))) > MOST_LINE_BYTES:
        found.append(f"a line of more than {MOST_LINE_BYTES} bytes")
    head, separator, _ = raw.partition(b"\r\n\r\n")
    if not separator:
        found.append("no end of the headers")
    unfolded = re.sub(rb"\r\n(?=[\t ])", b"", head).split(b"\r\n")
    if not all(_HEADER_LINE.fullmatch(line) for line in unfolded):
        found.append("a header that is none")
    names = [line.partition(b":")[0].lower() for line in unfolded]
    found += [f"{name.decode()} does not stand there once" for name in _ONCE if names.count(name) != 1]
    return tuple(found)


def subaddressed(address: str, delimiter: str | None, token: str) -> str:
    """The address that carries the token, or the address itself without a delimiter.

    Raises Invalid if the local part would exceed 64 characters (RFC 5321, 4.5.3.1.1).
    """
    if delimiter is None:
        return address
    local, _, domain = address.rpartition("@")
    if len(local) + len(delimiter) + len(token) > 64:
        raise Invalid(
            f"{address}: the part before the @ is too long for subaddressing "
            f"({64 - len(delimiter) - len(token)} characters at most); set `subaddressing: off` or shorten the address"
        )
    return f"{local}{delimiter}{token}@{domain}"


def strip_foreign_tokens(text: str, keep: frozenset[str]) -> str:
    """The text without tokens of ours other than `keep` (34 lower-case characters each); the plain address stays."""
    # Addresses first: taking a token out of one may leave a Message-ID behind, never the other way round.
    text = _ADDRESS_TOKENS.sub(lambda run: _kept(run[1], keep), text)
    return _MESSAGE_ID_TOKEN.sub(lambda shape: shape[0] if shape[1].lower() in keep else "[removed]", text)


def one_line(text: str) -> str:
    """The text as one line a header may hold: no control, line break, bidirectional override or lone surrogate."""
    line = _BREAKS.sub(" ", _BIDI.sub("", _SURROGATE.sub("\ufffd", text)))
    return line.strip()[:MOST_HEADER_CHARACTERS].rstrip()


def _kept(run: str, keep: frozenset[str]) -> str:
    parts = re.findall(r"(?:[+-]|%2b|&#43;)[a-z2-7]{34}", run, re.ASCII | re.IGNORECASE)
    return "".join(part for part in parts if part[-TOKEN_LENGTH:].lower() in keep)


def _own_tokens(mail: OutgoingMail) -> frozenset[str]:
    addresses = [mail.sender.address, mail.reply_to.address if mail.reply_to else "", mail.to.address]
    ids = [mail.message_id, mail.in_reply_to or "", *mail.references]
    return frozenset(token.lower() for text in (*addresses, *ids) for token in _TOKEN_SHAPE.findall(text))


def _headers(mail: OutgoingMail, own: frozenset[str]) -> Iterator[str]:
    yield from _mailbox("From", mail.sender, own)
    if mail.reply_to:
        yield from _mailbox("Reply-To", mail.reply_to, own)
    yield from _mailbox("To", mail.to, own)
    yield from _folded("Subject", _words(one_line(strip_foreign_tokens(mail.subject, own))))
    yield f"Date: {format_datetime(mail.date.replace(microsecond=0))}"
    if not _MESSAGE_ID.fullmatch(mail.message_id):
        raise Invalid("the Message-ID must be <…@…> in printable ASCII without spaces")
    yield from _folded("Message-ID", [mail.message_id])
    if mail.in_reply_to and _MESSAGE_ID.fullmatch(mail.in_reply_to):
        yield from _folded("In-Reply-To", [mail.in_reply_to])
    thread = [reference for reference in mail.references if _MESSAGE_ID.fullmatch(reference)]
    if thread:
        yield from _folded("References", thread[:1] + thread[1:][-LAST_REFERENCES:])
    if mail.auto_submitted:
        if mail.auto_submitted not in frozenset(AutoSubmitted):
            raise Invalid(f"Auto-Submitted is one of {', '.join(AutoSubmitted)}, or not said")
        yield f"Auto-Submitted: {mail.auto_submitted}"
    yield "MIME-Version: 1.0"


def _mailbox(header: str, mailbox: Address, own: frozenset[str]) -> Iterator[str]:
    address = _wire_address(mailbox.address)
    name = one_line(strip_foreign_tokens(mailbox.name, own))
    if not name:
        return _folded(header, [address])
    if _PLAIN_PHRASE.fullmatch(name) and "=?" not in name:
        return _folded(header, [*_words(name), f"<{address}>"])
    if name.isascii() and "=?" not in name and len(name) <= _FOLD_AT:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return _folded(header, [f'"{quoted}"', f"<{address}>"])
    return _folded(header, [*_encoded_words(name), f"<{address}>"])


def _wire_address(address: str) -> str:
    local, _, domain = address.rpartition("@")
    try:
        ascii_address = f"{local}@{domain if domain.isascii() else domain.encode('idna').decode('ascii')}"
    except UnicodeError as error:
        raise Invalid("the domain of a mail address cannot be written in a mail; correct the address") from error
    if not _ADDRESS.fullmatch(ascii_address):
        raise Invalid("a mail address must be ASCII letters, digits and signs around one @; correct the address")
    return ascii_address


def _words(line: str) -> list[str]:
    """The line in pieces that folding may part: its own words, or encoded words where those would not survive."""
    words = line.split(" ")
    if line.isascii() and "=?" not in line and all(len(word) <= _FOLD_AT for word in words):
        return words
    return _encoded_words(line)


def _encoded_words(line: str) -> list[str]:
    pieces: list[bytes] = [b""]
    for character in line:
        raw = character.encode("utf-8")
        if len(pieces[-1]) + len(raw) > _WORD_BYTES:
            pieces.append(b"")
        pieces[-1] += raw
    return [f"=?utf-8?b?{base64.b64encode(piece).decode('ascii')}?=" for piece in pieces]


def _folded(header: str, words: list[str]) -> Iterator[str]:
    line = f"{header}:"
    for word in words:
        if len(line) + 1 + len(word) > _FOLD_AT and line.strip() and line != f"{header}:":
            yield line
            line = ""
        line += f" {word}"
    yield line


def _text_part(text: str) -> Iterator[str]:
    clean = _SURROGATE.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")
    clean = _TEXT_CONTROLS.sub("", clean).rstrip("\n") + "\n"
    lines = clean.split("\n")
    # "=_" is how a boundary begins, "From " and "." are what servers and mail folders change.
    readable = clean.isascii() and all(
        len(line) <= 78 and "=_" not in line and not line.startswith(("From ", ".")) for line in lines
    )
    yield "Content-Type: text/plain; charset=utf-8"
    yield f"Content-Transfer-Encoding: {'7bit' if readable else 'quoted-printable'}"
    yield ""
    if readable:
        yield from lines
    else:
        yield from _quoted_printable(clean).split("\n")


def _quoted_printable(text: str) -> str:
    encoded = binascii.b2a_qp(text.encode("utf-8"), istext=True).decode("ascii")
    return re.sub(r"(?m)^From ", "=46rom ", encoded)


def _attachment_part(attachment: Attachment, own: frozenset[str]) -> Iterator[str]:
    media_type = attachment.content_type.lower()
    if not _MEDIA_TYPE.fullmatch(media_type) or media_type.startswith(("multipart/", "message/")):
        # Those two may not be base64 (RFC 2046, 5.1 and 5.2.1), and as they came they are not sent.
        media_type = "application/octet-stream"
    payload = attachment.payload
    if media_type.startswith("text/"):
        payload = strip_foreign_tokens(payload.decode("latin-1"), own).encode("latin-1")
    yield f"Content-Type: {media_type}"
    yield "Content-Transfer-Encoding: base64"
    yield "Content-Disposition: attachment;"
    yield from _file_name(strip_foreign_tokens(attachment.name, own))
    yield ""
    encoded = base64.b64encode(payload).decode("ascii")
    yield from (encoded[start : start + _FOLD_AT] for start in range(0, len(encoded), _FOLD_AT))


def _file_name(name: str) -> Iterator[str]:
    """The parameter of Content-Disposition, continued over lines where it is long (RFC 2231, 3 and 4)."""
    clean = one_line(name).replace("/", "_").replace("\\", "_").strip(" .") or "attachment"
    if len(clean) > 150:
        clean = clean[:130] + clean[-20:]
    if _PLAIN_FILE_NAME.fullmatch(clean):
        yield f' filename="{clean}"'
        return
    pieces = re.findall(r"(?:%[0-9A-F]{2}|[^%]){1,50}", quote(clean, safe=""))
    for number, piece in enumerate(pieces):
        start = "utf-8''" if number == 0 else ""
        end = ";" if number < len(pieces) - 1 else ""
        yield f" filename*{number}*={start}{piece}{end}"
