"""Carries a foreign list of accounts over into an accounts folder: what can be, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.account import MAIN, address_identity
from reconciler.runtime.additions import AccountsFolder, NewAccount, Proposal, secret_names
from reconciler.source.foreign import ForeignList, Problem, Row


@dataclass(frozen=True, slots=True)
class Carried:
    """What becomes of a list: the proposal to write, accounts that are there already, and rows that stay behind.

    `secrets`: (tenant, name, whether the list shows a password) of every secret the new accounts refer to.
    """

    proposal: Proposal
    added: tuple[str, ...]
    present: tuple[str, ...]
    problems: tuple[Problem, ...]
    secrets: tuple[tuple[str, str, bool], ...]


def carry_over(folder: AccountsFolder, listed: ForeignList) -> Carried:
    """Decide row by row. A row that would bring an error stays behind; the others do not depend on it."""
    problems = list(listed.problems)
    wanted: list[tuple[Row, NewAccount]] = []
    present: list[str] = []
    for row in listed.rows:
        addition = NewAccount(row.tenant or MAIN, row.account, row.tenant_text or None)
        if odd := _tenant_problem(folder, row, listed.rows):
            problems.append(odd)
        elif known := _present(folder, addition):
            present.append(f"{addition.tenant}/{known}")
        else:
            wanted.append((row, addition))
    while True:
        proposal = folder.propose([addition for _, addition in wanted])
        odd_rows = _odd(proposal, wanted)
        if not odd_rows:
            break
        problems += odd_rows.values()
        wanted = [(row, addition) for row, addition in wanted if row.line not in odd_rows]
    secrets = {(a.tenant, name): row.has_password for row, a in wanted for name in secret_names(a)}
    return Carried(
        proposal=proposal,
        added=tuple(addition.label for _, addition in wanted),
        present=tuple(present),
        problems=tuple(sorted(problems)),
        secrets=tuple((tenant, name, shown) for (tenant, name), shown in secrets.items()),
    )


def _tenant_problem(folder: AccountsFolder, row: Row, rows: Sequence[Row]) -> Problem | None:
    """Nothing may come to another tenant than the one that is meant."""
    if row.tenant is None:
        if row.tenant_text:
            return Problem(row.line, "names a tenant no name can be made of", "write a-z, 0-9 and single hyphens")
        if row.account["type"] == "inbound":
            return Problem(row.line, "names no tenant", "fill the column Mandant; only the two main accounts have none")
        if folder.accounts(MAIN):
            return Problem(row.line, "names no tenant, and main.yaml is there", "change the main account there by hand")
        return None
    if row.tenant == MAIN:
        return Problem(row.line, "has the tenant `main`", "main accounts have no tenant; give a tenant another name")
    meant = {other.tenant_text for other in rows if other.tenant == row.tenant}
    if len({text.casefold() for text in meant}) > 1:
        mend = "write one of them the same way everywhere, or give them different names"
        return Problem(row.line, f"several tenants of the list would be called {row.tenant}", mend)
    same = {row.tenant, (folder.tenant_name(row.tenant) or "").casefold()}
    if row.tenant in folder.tenants and row.tenant_text.casefold() not in same:
        mend = f"write {row.tenant} in the list if it is the same tenant, else give it another name"
        return Problem(row.line, f"the tenant {row.tenant} is there already under another display name", mend)
    return None


def _present(folder: AccountsFolder, addition: NewAccount) -> str | None:
    """The id of the tenant's account with this address and mailbox, so that a list can be carried over twice."""
    wanted = _identity(addition.account)
    return next((str(a.get("id")) for a in folder.accounts(addition.tenant) if _identity(a) == wanted), None)


def _identity(account: Mapping[str, Any]) -> tuple[str, str, str]:
    block = account.get(str(account.get("protocol")))
    host, username = (block.get("host"), block.get("username")) if isinstance(block, Mapping) else (None, None)
    return address_identity(str(account.get("address"))), str(host).lower(), str(username)


def _odd(proposal: Proposal, wanted: Sequence[tuple[Row, NewAccount]]) -> dict[int, Problem]:
    """By line: the rows that cannot be written. An error that names no row stops all rows of its file's tenant."""
    lines = {addition.label: row.line for row, addition in wanted}
    found: dict[int, Problem] = {}
    for row, addition in wanted:
        if (reason := proposal.refused.get(addition.label)) is not None:
            found[row.line] = Problem(row.line, reason, "mend the file first")
    for finding in proposal.errors:
        mend = f"{finding.code}: {finding.help}"
        if (concerned := proposal.concerns(finding)) is not None:
            line = lines[concerned.label]
            found.setdefault(line, Problem(line, finding.message, mend))
            continue
        for row, addition in wanted:
            if addition.tenant == finding.unit:
                found.setdefault(row.line, Problem(row.line, f"{finding.file}: {finding.message}", mend))
    if not found and proposal.errors:
        # Somebody else's file would get an error, and nothing says through which row.
        finding = proposal.errors[0]
        reason = f"{finding.file}: {finding.message}"
        return {row.line: Problem(row.line, reason, f"{finding.code}: {finding.help}") for row, _ in wanted}
    return found
