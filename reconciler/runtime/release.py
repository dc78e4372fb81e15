"""What a person does with held mail: release it, decided anew with him answering for it, or discard it."""

from __future__ import annotations

from datetime import datetime

from reconciler.core.decision import Action
from reconciler.core.errors import Invalid
from reconciler.runtime.router import Release, Router
from reconciler.store.database import Store
from reconciler.store.filing import Filed, Filing, file_mail
from reconciler.store.held import mail_of_held, resolve


def release(store: Store, router: Router, held_id: int, word: Release, agent: str, now: datetime) -> Filing:
    """Let a held mail go on. Raises Invalid if it is not held any more, or if even a person's word is not enough."""
    with store.read() as connection:
        mail_id = mail_of_held(connection, held_id)
    filing = router.release(mail_id, word)
    decision = filing.decision
    if decision.action is Action.HOLD:
        reason = decision.reason.value if decision.reason is not None else ""
        raise Invalid(
            f"H{held_id} stays held: {reason} {decision.detail}".rstrip()
            + "; name its place with --case or --referral, or discard it"
        )
    with store.write() as connection:
        if file_mail(connection, filing, now) is not Filed.DONE:
            raise Invalid(f"H{held_id}: something changed meanwhile; look again and repeat the command")
        resolve(connection, held_id, f"released: {decision.action.value}", agent, now)
    return filing


def discard(store: Store, held_id: int, reason: str, agent: str, now: datetime) -> None:
    """Close a held mail without doing anything with it; its raw bytes are kept."""
    with store.write() as connection:
        mail_of_held(connection, held_id)
        resolve(connection, held_id, f"discarded: {reason}".rstrip(": "), agent, now)
