"""Asks a mailbox for all its UIDs and compares them with the ledger; changes nothing on either side."""

from __future__ import annotations

from reconciler.core.audit import AuditLine, Difference, FolderAudit, Rules, audit
from reconciler.core.fetch import Listing, StartRule, floor_of
from reconciler.core.resync import is_renumbered
from reconciler.core.reuse import Stored, is_same_mail
from reconciler.runtime.resync import Ground
from reconciler.store import ledger

_CHUNK = 500


def audit_account(ground: Ground) -> tuple[FolderAudit, ...]:
    """Every folder of the account, over a session that leaves it as it is. Raises what the door raises."""
    folders: tuple[str, ...] = getattr(ground.account.account.block, "folders", ("",))
    return tuple(_audit_folder(ground, folder) for folder in folders)


def _audit_folder(ground: Ground, folder: str) -> FolderAudit:
    listing = ground.session.list(folder, (), None)
    key = ground.account.key
    with ground.store.read() as connection:
        state = ledger.folder_state(connection, key, folder)
        stored: dict[str, Stored] = {}
        if state is not None:
            found = ledger.stored_mails(connection, key, folder, state.uidvalidity)
            stored = {mail.uid: mail for mail in found}
    if state is not None and is_renumbered(state.uidvalidity, listing, stored.keys()):
        detail = f"UIDVALIDITY was {state.uidvalidity} and is {listing.uidvalidity}; the next step compares the mails"
        line = AuditLine("", Difference.RENUMBERED, detail)
        return FolderAudit(folder, len(listing.mails), 0, 0, (line,))
    block = ground.account.account.block
    start: StartRule = getattr(block, "start", "all")
    rules = Rules(
        start=start,
        floor=floor_of(start, ground.account.floor_at),
        contacted=state is not None,
        left=state.left_behind if state is not None else frozenset(),
        mail_bytes=ground.mail_bytes,
        others=_others(ground, listing, stored),
    )
    return audit(listing, stored, rules)


def _others(ground: Ground, listing: Listing, stored: dict[str, Stored]) -> frozenset[str]:
    """UIDs whose mail has another size than the stored one, and other headers: servers count sizes in odd ways."""
    suspects = [m.uid for m in listing.mails if m.uid in stored and m.size not in (None, stored[m.uid].size)]
    others: set[str] = set()
    for start in range(0, len(suspects), _CHUNK):
        shown = ground.session.heads(listing, suspects[start : start + _CHUNK])
        place = (ground.account.key, listing.folder, listing.uidvalidity)
        with ground.store.read() as connection:
            others |= {
                uid for uid, head in shown.items() if not is_same_mail(ledger.stored_raw(connection, *place, uid), head)
            }
    return frozenset(others)
