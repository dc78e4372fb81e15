"""Tells tenants' owners what applying came to: the mails are written here, `runtime.notices` sends them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from reconciler.core.account import MAIN, AccountType, TenantDocument
from reconciler.core.message import Address
from reconciler.core.notice import MOST_AN_HOUR, RATE_WINDOW, News, by_recipient, news_of
from reconciler.core.outcome import ApplyResult
from reconciler.core.outgoing import AutoSubmitted, OutgoingMail, build
from reconciler.core.revision import AppliedAccount, AppliedState
from reconciler.core.sender import submission_account
from reconciler.report.notice import notice
from reconciler.runtime.desired import Reading
from reconciler.store import notices
from reconciler.store.database import Store
from reconciler.store.lease import Lease

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Telling:
    """What ran before, and what was read then; `lease` is the right to write down what is told."""

    store: Store
    lease: Lease
    before: AppliedState
    reading: Reading
    now: datetime

    def tell(self, result: ApplyResult) -> None:
        """Write a mail to each owner of a tenant that stands differently than he was told, in one transaction.

        Without a main reply account that can send, nobody is told, nor counted as told.
        """
        owners = _owners(self.before, self.reading)
        if not owners:
            return
        with self.store.read() as connection:
            news = news_of(result.tenants, self.reading.findings, notices.read_told(connection), owners)
        if not news:
            return
        after = result.state
        sender, via = _sender(after)
        if sender is None or via is None:
            return
        own = {a.account.address_identity for a in (*self.before.accounts.values(), *after.accounts.values())}
        with self.store.write() as connection:
            self.lease.verify(connection)
            late: set[str] = set()
            for owner, his in by_recipient(news, own).items():
                if notices.recent(connection, owner, self.now - RATE_WINDOW) >= MOST_AN_HOUR:
                    late |= {one.outcome.tenant for one in his}
                    continue
                data = self._mail(sender, owner, his)
                notices.enqueue(connection, via.key, sender.account.address, owner, data, self.now)
            for one in news:
                if one.outcome.tenant not in late:
                    notices.write_told(connection, one.outcome.tenant, one.told)
        if late:
            log.warning("owners.told_later", tenants=sorted(late))

    def _mail(self, sender: AppliedAccount, owner: str, news: Sequence[News]) -> bytes:
        desired = self.reading.desired
        subject, text = notice(news, desired.source, desired.commit.id if desired.commit is not None else None)
        return build(
            OutgoingMail(
                sender=Address(sender.account.name, sender.account.address),
                reply_to=None,
                to=Address("", owner),
                subject=subject,
                date=self.now,
                message_id=f"<{secrets.token_hex(16)}@{sender.account.domain}>",
                in_reply_to=None,
                references=(),
                text=text,
                attachments=(),
                auto_submitted=AutoSubmitted.GENERATED,
            )
        )


def _owners(before: AppliedState, reading: Reading) -> Mapping[str, Sequence[str]]:
    """Whom each tenant's files name; where they cannot be read, whom the running revision names."""
    found: dict[str, Sequence[str]] = {}
    for unit in {*before.units, *reading.desired.units}:
        wanted = reading.desired.units.get(unit)
        document = wanted.document if wanted is not None else before.units[unit].document
        if isinstance(document, TenantDocument) and document.owners:
            found[unit] = document.owners
    return found


def _sender(state: AppliedState) -> tuple[AppliedAccount | None, AppliedAccount | None]:
    """The main reply account, and the account whose server takes its mail."""
    mine = (a for a in state.accounts.values() if a.unit == MAIN and a.account.type is AccountType.REPLY)
    sender = min(mine, key=lambda a: a.account.id, default=None)
    if sender is None:
        return None, None
    return sender, submission_account(sender, lambda account_id: state.accounts.get((MAIN, account_id)))
