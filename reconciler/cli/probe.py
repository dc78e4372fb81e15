"""`reconciler probe`: tries out an applied account's servers, on request with test mails to its own address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import DEFAULT_SECRETS, DEFAULT_STATE, Format, Secrets, State, TextOrJson

if TYPE_CHECKING:
    from reconciler.core.policy import Policy
    from reconciler.core.probe import Tried
    from reconciler.runtime.planning import Planned


class Delimiter(StrEnum):
    """What separates a subaddress."""

    PLUS = "+"
    MINUS = "-"


def probe(
    label: Annotated[str, typer.Argument(metavar="TENANT/ID", help="The account; main/ID for a main account.")],
    mail: Annotated[bool, typer.Option("--mail", help="Send test mails to the account's own address.")] = False,
    delimiter: Annotated[Delimiter, typer.Option("--delimiter", help="What subaddresses are tried with.")] = (
        Delimiter.PLUS
    ),
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long test mails have to arrive.")
    ] = 60.0,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Try out an account's servers without changing anything there; with --mail, whether it takes subaddresses.

    Exits 4 if a server does not serve or a test mail did not arrive, 78 if nothing is applied.
    """
    from reconciler.cli.compose import house
    from reconciler.core.errors import ExitCode
    from reconciler.report.probe import probe_json, probe_text
    from reconciler.runtime.probe import MailTrial, Prober
    from reconciler.runtime.telemetry import configure_logs
    from reconciler.runtime.writer import Writer

    configure_logs("warning")
    wired = house(state, secrets)
    writer = Writer(wired.store)
    try:
        prober = Prober.of(wired.tools(writer), wired.registry, label)
        found = prober.probe(MailTrial(delimiter.value, timeout) if mail else None)
    finally:
        writer.close()
    typer.echo(probe_json(found) if output is TextOrJson.JSON else probe_text(found), nl=False)
    raise typer.Exit((ExitCode.CLEAN if found.well else ExitCode.DEGRADED).value)


def try_changed(planned: Planned, policy: Policy, secrets: Path) -> tuple[Planned, list[Tried]]:
    """Try the servers of the tenants that the plan changes; what is wrong with them becomes findings of the plan."""
    import os

    from reconciler.cli.compose import plugins
    from reconciler.runtime.access import Access, Tokens
    from reconciler.runtime.probing import Trial, findings_of, named_servers
    from reconciler.source.secret import SecretStore

    installed, changed = plugins(), {tenant.tenant for tenant in planned.plan.tenants}
    access = Access(SecretStore(secrets, os.environ), Tokens())
    trial = Trial(installed, access, planned.bindings, policy)
    tried = trial.tried(list(named_servers(planned.reading.desired, installed, changed)))
    reading = planned.reading
    reading = replace(reading, findings=tuple(sorted((*reading.findings, *findings_of(tried)))))
    return replace(planned, reading=reading), [one for _, one in tried]


def with_servers(text: str, tried: Sequence[Tried], output: TextOrJson) -> str:
    """A plan's text or JSON with what was found of the servers."""
    from reconciler.report.probe import servers_json, servers_text

    if output is TextOrJson.TEXT:
        return f"{text}\n{servers_text(tried)}"
    import json

    from reconciler.report.terminal import as_json

    return as_json(json.loads(text) | {"servers": servers_json(tried)})
