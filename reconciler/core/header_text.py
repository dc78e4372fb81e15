"""Knows how to read one header value: line folding, encoded words, parameters, message ids; knows no header by name."""

from __future__ import annotations

import binascii
import re
from email.utils import decode_params, unquote
from itertools import islice

from reconciler.core.charset import decode_text

# RFC 2047 section 2, and what real senders make of it: blanks and lone question marks inside the text.
_WORD = re.compile(r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*(?:(?<!=)\?(?!=)[^?]*){0,8})\?=")
_BREAK = re.compile(r"[\r\n]+[ \t]*")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MESSAGE_ID = re.compile(r"<([^<>]{1,998})>")
_BARE_ID = re.compile(r"[^\s<>,;\"]{1,500}@[^\s<>,;\"]{1,498}")
_PARAMETER = re.compile(r';[ \t]*([^\s=;"]{1,80})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;]*)')

_PARAMETERS_LIMIT = 100


def unfold(raw: str) -> str:
    """A value as the parser gives it (bytes above 127 as surrogates) on one line, its 8-bit bytes decoded."""
    line = _BREAK.sub(" ", raw).strip()
    if line.isascii():
        return line
    return decode_text(line.encode("utf-8", "surrogateescape"), None)


def decode_words(line: str) -> str:
    """`line` with its encoded words (RFC 2047) decoded and every control character turned into a space."""
    if "=?" in line:
        line = _decode_runs(line)
    return _UNPRINTABLE.sub(" ", line).strip()


def message_ids(line: str) -> tuple[str, ...]:
    """The message ids of a References, In-Reply-To or Message-ID value in order, each with its angle brackets.

    Blanks that folding put inside an id are taken out; a value without any bracket may be one bare id.
    """
    found = []
    for inner in _MESSAGE_ID.findall(line):
        parts = inner.split()
        if len(parts) == 1 or (parts and "@" in inner):
            found.append(f"<{''.join(parts)}>")
    if not found and (bare := _BARE_ID.fullmatch(line.strip())):
        found.append(f"<{bare.group()}>")
    return tuple(found)


def parameters(line: str) -> dict[str, str]:
    """The parameters of a Content-Type or Content-Disposition value: lower-case name to decoded value (RFC 2231).

    Reads the first 100 only; the first of two equal names wins.
    """
    pairs = [("", "")]
    for name, value in (found.groups() for found in islice(_PARAMETER.finditer(line), _PARAMETERS_LIMIT)):
        quoted = value.startswith('"')
        pairs.append((name.lower(), re.sub(r"\\(.)", r"\1", value[1:-1]) if quoted else value.strip()))
    known: dict[str, str] = {}
    for name, value in decode_params(pairs)[1:]:
        if isinstance(value, tuple):
            charset, _, percent = value
            text = decode_text(unquote(percent).encode("latin-1", "replace"), charset)
        else:
            text = unquote(value)
        known.setdefault(name.lower(), decode_words(text))
    return known


def _decode_runs(line: str) -> str:
    """Decodes neighbouring words of one charset as one run of bytes: senders cut characters in two."""
    out: list[str] = []
    run, run_charset, end = b"", "", 0
    for word in _WORD.finditer(line):
        charset, encoding, text = word.groups()
        gap = line[end : word.start()]
        joined = bool(run_charset) and not gap.strip()
        if not joined or charset.lower() != run_charset:
            out.append(decode_text(run, run_charset))
            run = b""
        if not joined:
            out.append(gap)
        run, run_charset, end = run + _word_bytes(encoding, text), charset.lower(), word.end()
    out.append(decode_text(run, run_charset))
    out.append(line[end:])
    return "".join(out)


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)
    kept = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    # One left-over character carries no whole byte and makes the decoder refuse all the others.
    kept = kept[: len(kept) - (len(kept) % 4 == 1)]
    return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))
