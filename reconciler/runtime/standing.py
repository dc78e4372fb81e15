"""How well an account is after a step that went well otherwise: which of its mails could not be dealt with."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.core.health import Condition
from reconciler.core.pace import Bound
from reconciler.runtime.cursor import Cursor

_NAMED_AT_MOST = 5


def condition_after(label: str, cursor: Cursor, mail_bytes: int) -> tuple[Condition, str]:
    """The condition and its reason, what needs a person most first; `mail_bytes` is the limit for a mail."""
    if refused := sum(map(len, cursor.refused.values())):
        return Condition.ACKNOWLEDGE_REFUSED, f"the server refused to mark {refused} stored mails"
    if reused := cursor.checked.reused:
        return (
            Condition.RESYNC_NEEDS_DECISION,
            f"the server names other mails by the ids of mails fetched before: {_named(reused)}; they stay there "
            f"untouched until a person has looked, see: reconciler resync {label}",
        )
    if unstored := cursor.unstored:
        names = {f"{folder}/{uid}" if folder else uid for (folder, _), uid in unstored}
        why = next(iter(unstored.values())).reason
        return (
            Condition.MAIL_NOT_STORED,
            f"the store refuses {len(unstored)} mails, which stay on the server and are tried again now and then: "
            f"{_named(names)} ({why})",
        )
    if ambiguous := _ambiguous(cursor):
        return (
            Condition.PROTOCOL_ERROR,
            f"the server names several mails by one id: {_named(ambiguous)}; they stay there",
        )
    if (pause := cursor.pause) is not None and pause.bound is Bound.BYTES_PER_DAY:
        until = f"{pause.until:%Y-%m-%d %H:%M} UTC"
        return Condition.THROTTLED, f"what {pause.bound.value} allows was fetched; the other mails wait until {until}"
    if cursor.too_large:
        return (
            Condition.MAIL_TOO_LARGE,
            f"{len(cursor.too_large)} mails above {mail_bytes} bytes stay on the server",
        )
    return Condition.OK, ""


def _ambiguous(cursor: Cursor) -> frozenset[str]:
    listing = cursor.listed
    if listing is None:
        return frozenset()
    return listing.ambiguous - cursor.states[listing.folder].left_behind


def _named(uids: Collection[str]) -> str:
    """Some UIDs for a text; a server's words may hold anything."""
    shown = sorted(ascii(uid)[1:-1] for uid in uids)
    return ", ".join(shown[:_NAMED_AT_MOST]) + (", …" if len(shown) > _NAMED_AT_MOST else "")
