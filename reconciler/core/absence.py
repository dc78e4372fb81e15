"""Knows how people write the last day of an absence; knows nothing of the mail it stands in."""

from __future__ import annotations

import re
from datetime import date

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar jänner janvier enero gennaio januari jan",
            "february februar février febrero febbraio februari feb",
            "march märz maerz mars marzo maart mar",
            "april avril abril aprile apr",
            "may mai mayo maggio mei",
            "june juni juin junio giugno jun",
            "july juli juillet julio luglio jul",
            "august août agosto augustus aug",
            "september septembre septiembre settembre sept sep",
            "october oktober octobre octubre ottobre oct okt",
            "november novembre noviembre nov",
            "december dezember décembre diciembre dicembre dec dez",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_UNTIL = re.compile(
    r"\b(?:until|till|through|bis(?:\s(?:zum|einschließlich|inklusive|inkl\.?))?|jusqu['’]au|hasta(?:\sel)?|fino\sal?|tot(?:\sen\smet)?)"
    r"(?:\s(?:and\sincluding|einschließlich|zum))?(?:\s[^\W\d]{3,12},?)?(?:\s(?:den|the|dem))?\s(?:"
    r"(?P<iso>\d{4}-\d{2}-\d{2})\b"
    r"|(?P<d1>\d{1,2})\.\s?(?P<m1>\d{1,2})\.\s?(?P<y1>\d{4})\b"
    rf"|(?P<d2>\d{{1,2}})(?:\.|st|nd|rd|th|er)?\s(?:of\s|de\s)?(?P<m2>{_MONTH})\.?,?\s(?:de\s)?(?P<y2>\d{{4}})\b"
    rf"|(?P<m3>{_MONTH})\.?\s(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y3>\d{{4}})\b)"
)


def absent_until(words: str) -> date | None:
    """The day folded `words` name as the last of an absence, if it is written with its year and only one way to read.

    `03/04/2026` is none (two readings), nor is `14.03.` (no year), nor are two different days.
    """
    found = {day for match in _UNTIL.finditer(words) if (day := _day(match))}
    return found.pop() if len(found) == 1 else None


def _day(match: re.Match[str]) -> date | None:
    part = match.groupdict()
    try:
        if part["iso"]:
            return date.fromisoformat(part["iso"])
        if part["y1"]:
            return date(int(part["y1"]), int(part["m1"]), int(part["d1"]))
        year, month, day = (part["y2"], part["m2"], part["d2"]) if part["y2"] else (part["y3"], part["m3"], part["d3"])
        return date(int(year), _MONTHS[month], int(day))
    except ValueError:
        return None
