"""What of a mail's text is new: quotes and their introductions as people's programs write them; not who wrote it.

Each line is looked at with a bounded number of the lines after it, so the work grows with the text and no faster.
English, German, French, Spanish and Italian are known, and the attribution lines of some more.
"""

from __future__ import annotations

import re

RULE = re.compile(r"[\s_*=-]*")
"""A line that is blank or drawn."""

_LONGEST_LINE = 400
_ATTRIBUTION_LINES = 4
_HEADER_BLOCK_LINES = 10

_QUOTED = re.compile(r"[ \t]{0,3}>")
_SEPARATOR = re.compile(
    r"[-_*\s]{2,40}(?:original message|original appointment|reply message|forwarded message"
    r"|urspr(?:ü|ue)ngliche nachricht|originalnachricht|weitergeleitete nachricht"
    r"|message d['’]origine|message original|message transf(?:é|e)r(?:é|e)"
    r"|mensaje original|mensaje reenviado|messaggio originale|messaggio inoltrato"
    r"|oorspronkelijk bericht|mensagem original)[-_*\s:]{2,40}",
    re.IGNORECASE,
)
_FORWARD_START = re.compile(
    r"(?:begin forwarded message|anfang der weitergeleiteten nachricht|début du message (?:réexpédié|transféré)"
    r"|inicio del mensaje reenviado|inizio messaggio inoltrato)\s?:",
    re.IGNORECASE,
)
_OPENER = re.compile(r"(?:on|am|le|el|il|op|den|em|w dniu|dne|på)\s", re.IGNORECASE)
_TELLING_STARTS = ("", ">", "-", "_", "*")
_VERB = re.compile(
    r"(?:\b(?:wrote|writes|a écrit|a ecrit|escribió|escribio|ha scritto|schreef|skrev|escreveu|kirjoitti|írta)\s?:$"
    r"|\bnapisał\(?a?\)?\s?:$|\b(?:schrieb|schreef|skrev|napsal\(?a?\)?)\b.{0,200}:$)",
    re.IGNORECASE,
)
_BARE_ATTRIBUTION = re.compile(r"\d{4}-\d\d-\d\d .{0,200}<[^<>\s]+@[^<>\s]+>:")
_WHEN = re.compile(r"\d{4}|\d{1,2}[:.h]\d\d")
_LABEL = re.compile(r"[*\s]{0,4}([^\W\d_]+(?: [^\W\d_]+)?)[*\s]{0,4}:")
# What programs of these languages call the fields: en de fr es it nl sv da pl cs pt.
_FROM_LABELS = frozenset(("from", "von", "de", "da", "van", "från", "fra", "od"))
_SUBJECT_LABELS = frozenset(
    ("subject", "betreff", "objet", "asunto", "oggetto", "onderwerp", "ämne", "emne", "temat", "předmět", "assunto")
)
_OTHER_LABELS = frozenset(
    (
        *("sent", "date", "gesendet", "datum", "envoyé", "enviado", "enviado el", "fecha", "inviato", "data"),
        *("verzonden", "skickat", "sendt", "wysłano", "odesláno", "enviada em"),
        *("to", "an", "à", "a", "para", "aan", "till", "til", "do", "komu", "cc", "kopie"),
    )
)


def quote(text: str) -> str:
    """The text as a quote: each line after `> `, quoted lines one level deeper (RFC 3676, 4.5)."""
    return "\n".join(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in text_lines(text))


def without_quotes(text: str) -> str:
    """What the sender wrote anew: quoted lines and their introductions go, and all below a copied mail header."""
    lines = text_lines(text)
    kept: list[str] = []
    position = 0
    while position < len(lines):
        if _is_plain(lines[position]):
            kept.append(lines[position])
            position += 1
            continue
        if _copied_mail_starts(lines, position):
            break
        if _is_quoted(lines, position):
            position += 1
            continue
        length, cuts = _attribution(lines, position)
        if cuts:
            break
        if length == 0:
            kept.append(lines[position])
        position += max(length, 1)
    while kept and RULE.fullmatch(kept[-1]):
        kept.pop()
    return "\n".join(kept).strip("\n")


def text_lines(text: str) -> list[str]:
    """The lines of a text with any line ends; no-break spaces are spaces."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").split("\n")


def _is_plain(line: str) -> bool:
    """Whether a line can neither be quoted nor introduce a quote: most lines, told by their looks."""
    stripped = line.lstrip()
    return ":" not in line and stripped[:1] not in _TELLING_STARTS and _OPENER.match(stripped) is None


def _is_quoted(lines: list[str], position: int) -> bool:
    if not _QUOTED.match(lines[position]):
        return False
    # Mail folders write `>From` where a sentence begins with From; such a line stands alone.
    neighbours = lines[max(position - 1, 0) : position] + lines[position + 1 : position + 2]
    return not lines[position].startswith(">From ") or any(_QUOTED.match(line) for line in neighbours)


def _copied_mail_starts(lines: list[str], position: int) -> bool:
    line = lines[position].strip()
    if not line or len(line) > _LONGEST_LINE or (line[0] not in "-_*" and ":" not in line):
        return False
    if _SEPARATOR.fullmatch(line) or _FORWARD_START.fullmatch(line):
        return True
    if _label(line) not in _FROM_LABELS:
        return False
    labels = {_label(following) for following in lines[position + 1 : position + 1 + _HEADER_BLOCK_LINES]}
    return bool(labels & _SUBJECT_LABELS) and bool(labels & _OTHER_LABELS)


def _label(line: str) -> str:
    label = _LABEL.match(line[:60])
    return label[1].lower() if label else ""


def _attribution(lines: list[str], position: int) -> tuple[int, bool]:
    """How many lines from here introduce a quote (0: none), and whether all that follows is the quote."""
    joined = ""
    first = lines[position].strip()
    several = _OPENER.match(first) is not None
    if not several and not first.endswith(":"):
        return 0, False
    for length in range(1, _ATTRIBUTION_LINES + 1 if several else 2):
        line = lines[position + length - 1].strip() if position + length <= len(lines) else ""
        if not line or len(line) > _LONGEST_LINE or line.startswith(">"):
            return 0, False
        joined = f"{joined} {line}".strip()
        if joined.endswith(":") and (_VERB.search(joined) or _BARE_ATTRIBUTION.fullmatch(joined)):
            following = next((x for x in lines[position + length : position + length + 3] if x.strip()), "")
            if _QUOTED.match(following):
                return length, False
            certain = _WHEN.search(joined) is not None and (several or "@" in joined)
            return (length, True) if certain else (0, False)
    return 0, False
