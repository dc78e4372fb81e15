"""`reconciler new`: adds an account to a tenant's file, asking for what was not said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import DEFAULT_ACCOUNTS, DEFAULT_SECRETS, Accounts, Secrets

if TYPE_CHECKING:
    from pydantic import BaseModel

    from reconciler.core.registry import Registry
    from reconciler.runtime.additions import NewAccount

Text = str | None
Number = int | None


def _option(name: str, meaning: str, metavar: str = "TEXT") -> Any:
    return typer.Option(name, metavar=metavar, help=meaning, show_default=False)


def new(
    tenant: Annotated[Text, _option("--tenant", "Whose account; its file is made if there is none.", "TENANT")] = None,
    account_id: Annotated[Text, _option("--id", "Its id, such as support.", "ID")] = None,
    name: Annotated[Text, _option("--name", "Display name, the one in From.")] = None,
    kind: Annotated[Text, _option("--type", "inbound, reply or second-level-reply.", "TYPE")] = None,
    address: Annotated[Text, _option("--address", "Its e-mail address.", "ADDRESS")] = None,
    protocol: Annotated[Text, _option("--protocol", "imap (the default), or another installed one.", "NAME")] = None,
    host: Annotated[Text, _option("--host", "The mailbox's server.", "HOST")] = None,
    port: Annotated[Number, _option("--port", "Its port; without it that of --security.", "N")] = None,
    security: Annotated[Text, _option("--security", "tls (the default), starttls or none.", "HOW")] = None,
    username: Annotated[Text, _option("--username", "The mailbox's login name.", "LOGIN")] = None,
    secret: Annotated[
        Text, _option("--secret", "The name of its password's secret; without it the id.", "NAME")
    ] = None,
    path: Annotated[Text, _option("--path", "The folder of a Maildir.", "DIR")] = None,
    weight: Annotated[Number, _option("--weight", "Mails taken in one step.", "N")] = None,
    smtp_host: Annotated[Text, _option("--smtp-host", "The submission server.", "HOST")] = None,
    smtp_port: Annotated[Number, _option("--smtp-port", "Its port.", "N")] = None,
    smtp_security: Annotated[Text, _option("--smtp-security", "As --security.", "HOW")] = None,
    smtp_username: Annotated[Text, _option("--smtp-username", "Without it --username.", "LOGIN")] = None,
    smtp_secret: Annotated[Text, _option("--smtp-secret", "Without it --secret.", "NAME")] = None,
    send_from: Annotated[Text, _option("--send-from", "Another account it sends through.", "ID")] = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    secrets: Secrets = DEFAULT_SECRETS,
) -> None:
    """Add an account to a tenant's file; what an option does not say is asked for on a terminal.

    Comments, order and style of the file stay. Exits 1, with the findings and without writing, if the folder would not
    be valid with it, 64 without a terminal if something is missing, 78 without an accounts folder.
    """
    from reconciler.cli.compose import registry
    from reconciler.core.errors import NotSetUp

    if not accounts.is_dir():
        raise NotSetUp(f"there is no accounts folder {accounts}; run: reconciler init DIR, and work in it")
    said = {
        **{"tenant": tenant, "id": account_id, "name": name, "type": kind, "address": address, "protocol": protocol},
        **{"host": host, "port": port, "security": security, "username": username, "secret": secret, "weight": weight},
        **{"smtp-host": smtp_host, "smtp-port": smtp_port, "smtp-security": smtp_security, "send-from": send_from},
        **{"smtp-username": smtp_username, "smtp-secret": smtp_secret, "path": path},
    }
    models = registry()
    _add(_Answers(said, models).account(), accounts, secrets, models)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for, and the way to say it; None without a default: it may stay empty."""

    option: str
    text: str
    default: str | None = None
    needed: bool = True


class _Answers:
    """What the options say; the rest is asked for on a terminal, and named all at once where there is none."""

    def __init__(self, said: Mapping[str, Any], models: Registry) -> None:
        import sys

        self._said = {option: value for option, value in said.items() if value is not None}
        self._models, self._asks = models, sys.stdin.isatty()
        self._missing: list[str] = []

    def account(self) -> NewAccount:
        """The account as its file will say it. Raises a usage error for what is missing or cannot be."""
        from reconciler.core.account import AccountType
        from reconciler.runtime.additions import NewAccount

        tenant = self._get(_Question("tenant", "Tenant (a-z, 0-9, hyphens)"))
        check_tenant(tenant)
        account: dict[str, Any] = {"id": self._get(_Question("id", "Id of the account", "support"))}
        account["name"] = self._get(_Question("name", "Display name"))
        types = ", ".join(AccountType)
        account["type"] = self._get(_Question("type", f"Type ({types})", "inbound"))
        if "type" not in self._missing and account["type"] not in list(AccountType):
            raise typer.BadParameter(f"--type {account['type']}: write one of {types}")
        account["address"] = self._get(_Question("address", "E-mail address"))
        if "weight" in self._said:
            account["weight"] = self._said["weight"]
        protocol = self._said.get("protocol", "imap")
        block = self._block(protocol, str(account["id"]))
        account |= {"protocol": protocol, protocol: block} | self._sending(str(account["type"]), block)
        if self._missing:
            options = ", ".join(f"--{option}" for option in self._missing)
            raise typer.BadParameter(f"standard input is no terminal, so nothing is asked for; give {options}")
        return NewAccount(tenant, account)

    def _block(self, protocol: str, account_id: str) -> dict[str, Any]:
        model = self._models.protocols.get(protocol)
        if model is None:
            raise typer.BadParameter(f"--protocol {protocol}: write {' or '.join(sorted(self._models.protocols))}")
        asked = {
            "host": _Question("host", "Mail server"),
            "username": _Question("username", "Login name"),
            "path": _Question("path", "Folder of the Maildir"),
            "password": _Question("secret", "Name of the password's secret", account_id, needed=False),
        }
        found: dict[str, Any] = {}
        for key in ("path", "host", "port", "security", "username", "password"):
            if key in asked and _has(model, key):
                found[key] = self._get(asked[key])
            elif key in self._said and _has(model, key):
                found[key] = self._said[key]
        if "password" in found:
            found["password"] = {"secret": found["password"]}
        return found

    def _sending(self, kind: str, block: Mapping[str, Any]) -> dict[str, Any]:
        """`smtp` or `send_from`; a system account needs one of them."""
        if "send-from" in self._said:
            return {"send_from": self._said["send-from"]}
        needed = kind != "inbound"
        text, default = ("Submission server", None) if needed else ("Submission server (empty: none)", "")
        host = self._get(_Question("smtp-host", text, default, needed))
        if not host:
            return {}
        smtp = {"host": host} | {k: self._said[f"smtp-{k}"] for k in ("port", "security") if f"smtp-{k}" in self._said}
        smtp["username"] = self._said.get("smtp-username", block.get("username"))
        secret = self._said.get("smtp-secret")
        smtp["password"] = {"secret": secret} if secret is not None else block.get("password")
        return {"smtp": {key: value for key, value in smtp.items() if value is not None}}

    def _get(self, question: _Question) -> str:
        if question.option in self._said:
            return str(self._said[question.option])
        if not self._asks:
            if question.needed:
                self._missing.append(question.option)
            return question.default or ""
        answer: str = typer.prompt(
            question.text, default=question.default, show_default=bool(question.default), err=True
        )
        return answer.strip()


def _has(model: type[BaseModel], key: str) -> bool:
    return key in model.model_fields


def check_tenant(tenant: str) -> None:
    """Raise a usage error for what is no tenant's name."""
    import re

    from reconciler.core.account import MAIN
    from reconciler.core.secret import SLUG_PATTERN

    if tenant == MAIN:
        raise typer.BadParameter("--tenant main: main.yaml holds exactly the two main accounts; edit it by hand")
    if tenant and (not re.fullmatch(SLUG_PATTERN, tenant) or len(tenant) > 40):
        raise typer.BadParameter(f"--tenant {tenant!r}: write a-z, 0-9 and single hyphens, 40 characters at most")


def _add(addition: NewAccount, accounts: Path, secrets: Path, models: Registry) -> None:
    from reconciler.cli.secrets import secret_check
    from reconciler.core.errors import ExitCode
    from reconciler.runtime.additions import AccountsFolder, secret_names

    proposal = AccountsFolder(accounts, models).propose([addition])
    for reason in proposal.refused.values():
        typer.echo(f"nothing is written: {reason}", err=True)
    for finding in proposal.errors:
        where = f"{finding.file}:{finding.line}:{finding.column}"
        typer.echo(f"nothing is written: {where}: {finding.code} {finding.message}", err=True)
    if proposal.refused or proposal.errors:
        raise typer.Exit(ExitCode.FINDINGS.value)
    proposal.write()
    typer.echo(f"added {addition.label} to {accounts / next(iter(proposal.texts))}")
    has_secret = secret_check(secrets)
    for name in secret_names(addition):
        if not has_secret(addition.tenant, name):
            typer.echo(f"secret to provide: {secrets / addition.tenant / name}")
