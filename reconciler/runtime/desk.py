"""What an agent does with a case by himself: reply, note, close, reopen; each is one transaction beside all else."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from reconciler.core.case import Case, CaseState, EntryKind
from reconciler.core.errors import Invalid
from reconciler.core.registry import Registry
from reconciler.runtime.letters import Desk, Occasion, customer_letter
from reconciler.runtime.tokens import new_token_id, read_keys
from reconciler.source.secret import SecretStore
from reconciler.store import cases, outbox
from reconciler.store.applied import read_applied
from reconciler.store.database import Store, instance
from reconciler.store.filing import Letter


class AgentDesk:
    """The commands of one agent on the cases of one store."""

    def __init__(self, store: Store, registry: Registry, secrets: SecretStore, agent: str) -> None:
        self.store, self.agent = store, agent
        self._registry, self._secrets = registry, secrets

    def note(self, case_id: int, text: str, now: datetime) -> int:
        """Put a note on the case; it is never sent to anybody. Returns the entry's id."""
        with self.store.write() as connection:
            existing_case(connection, case_id)
            return cases.add_entry(connection, case_id, EntryKind.NOTE, author=self.agent, text=text, now=now)

    def close(self, case_id: int, now: datetime) -> None:
        """Close the case; the customer's next mail opens it again."""
        self._set_state(case_id, CaseState.CLOSED, now)

    def reopen(self, case_id: int, now: datetime) -> None:
        """Open the case again."""
        self._set_state(case_id, CaseState.OPEN, now)

    def reply(self, case_id: int, text: str, now: datetime) -> int:
        """Answer the customer; returns the outbox id."""
        with self.store.write() as connection:
            case = existing_case(connection, case_id)
            occasion = Occasion(case, cases.thread_ids(connection, case_id), new_token_id(), 0, now)
            letter = customer_letter(self.tools(connection), occasion, "reply", text=text, agent=self.agent)
            return enqueue(connection, letter, EntryKind.AGENT_REPLY, self.agent, text, now)

    def tools(self, connection: Connection) -> Desk:
        """What writing a mail needs, as it is now."""
        return Desk(read_applied(connection, self._registry), read_keys(self._secrets), instance(connection))

    def _set_state(self, case_id: int, state: CaseState, now: datetime) -> None:
        with self.store.write() as connection:
            if existing_case(connection, case_id).state is state:
                raise Invalid(f"case C{case_id} is {state.value} already")
            cases.set_case_state(connection, case_id, state, now)
            text = "closed" if state is CaseState.CLOSED else "reopened"
            cases.add_entry(connection, case_id, EntryKind.EVENT, author=self.agent, text=text, now=now)


def existing_case(connection: Connection, case_id: int) -> Case:
    """The case; raises Invalid if there is none."""
    case = cases.read_case(connection, case_id)
    if case is None:
        raise Invalid(f"there is no case C{case_id}; `reconciler cases` lists them")
    return case


def enqueue(connection: Connection, letter: Letter, kind: EntryKind, author: str, text: str, now: datetime) -> int:
    """Put a letter into the outbox with its token and its entry on the case; returns the outbox id."""
    cases.write_token(connection, letter.token)
    outbox_id = outbox.enqueue(connection, letter.queued, now)
    cases.add_entry(
        connection,
        letter.queued.case_id,
        kind,
        author=author,
        text=text,
        now=now,
        outbox_id=outbox_id,
        referral_id=letter.queued.referral_id,
    )
    return outbox_id
