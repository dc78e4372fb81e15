"""What a person does with mails of ours that a restore holds: release one or all of them, or discard one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.options import TextOrJson

if TYPE_CHECKING:
    from reconciler.runtime.desk import AgentDesk


def is_outbox_id(written: str) -> bool:
    """Whether this names a mail of ours, such as O7."""
    return written[:1] in ("o", "O")


def release_restored(desk: AgentDesk, written: str | None, output: TextOrJson) -> None:
    """Queue the mail, or all that the restore holds, for sending. Raises Invalid if there is no such mail."""
    from reconciler.cli.cases import number, show
    from reconciler.core.errors import Invalid
    from reconciler.runtime.clock import utc_now
    from reconciler.store.backup import release_restored as queue

    wanted = None if written is None else number(written, "O")
    with desk.store.write() as connection:
        mails = queue(connection, utc_now(), wanted)
    if wanted is not None and not mails:
        raise Invalid(f"O{wanted} is not held after a restore; `reconciler outbox` lists those that are restored")
    show(output, {"released": mails}, lambda: f"{mails} of ours queued again\n")


def discard_restored(desk: AgentDesk, written: str, reason: str, output: TextOrJson) -> None:
    """Never send the mail; it counts as failed. Raises Invalid if the restore holds no such mail."""
    from reconciler.cli.cases import number, show
    from reconciler.core.errors import Invalid
    from reconciler.store.backup import discard_restored as drop

    wanted = number(written, "O")
    with desk.store.write() as connection:
        dropped = drop(connection, wanted, reason)
    if not dropped:
        raise Invalid(f"O{wanted} is not held after a restore; `reconciler outbox` lists those that are restored")
    show(output, {"outbox": f"O{wanted}", "action": "discard"}, lambda: f"O{wanted} is discarded\n")
