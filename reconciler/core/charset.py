"""Knows how to turn the bytes of a mail into text whatever charset they claim; knows nothing of headers or parts."""

from __future__ import annotations

import codecs
import re

_LABEL = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,39}")

# What senders write and what they mean; the first three follow the WHATWG encoding standard.
_MEANT = {
    "iso-8859-1": "cp1252",
    "us-ascii": "utf-8",
    "gb2312": "gb18030",
    "ansi_x3.4-1968": "utf-8",
    "ascii": "utf-8",
    "iso-8859-8-i": "iso-8859-8",
    "ks_c_5601-1987": "cp949",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "x-sjis": "shift_jis",
}

# Python knows codecs that are no charsets (`unicode_escape`) and some that take quadratic time (`idna`, `punycode`).
_CHARSET = re.compile(r"(utf-|iso8859|iso2022|cp\d|koi8|gb|big5|euc|shift_jis|mac|hz$|johab|tis-620|ptcp154|kz1048)")

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode_text(data: bytes, label: str | None) -> str:
    """`data` as text: by the charset `label` if it is one and fits, else UTF-8, else Windows-1252. Never raises.

    The text always encodes to UTF-8 again: lone surrogates, which UTF-7 can smuggle in, are replaced.
    """
    codec = _codec(label)
    if codec not in (None, "utf-8"):
        try:
            return _SURROGATE.sub("\ufffd", data.decode(codec or "utf-8"))
        except (UnicodeError, ValueError):
            pass
    return _utf8_or_windows(data)


def clean_text(text: str) -> str:
    """`text` with `\\n` line ends and without control characters other than tab."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _codec(label: str | None) -> str | None:
    """The Python name of the charset `label`; None if it is none that mail uses."""
    wanted = (label or "").strip(" \t\"'").lower()
    wanted = _MEANT.get(wanted, wanted)
    if not _LABEL.fullmatch(wanted):
        return None
    try:
        name = codecs.lookup(wanted).name
    except (LookupError, ValueError):
        return None
    return name if _CHARSET.match(name) else None


def _utf8_or_windows(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    # A cut or slightly damaged UTF-8 text stays UTF-8; one where most of the 8-bit bytes make no sense never was.
    whole = sum(1 for char in text if char > "\x7f") - broken
    if whole >= broken:
        return text
    return data.decode("cp1252", "replace")
