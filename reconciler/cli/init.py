"""`reconciler init`: writes a new account repository, and never over what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

_EXAMPLE = "acme"
_CHECKS = {
    ".github/workflows/accounts.yml": "github-workflow.yml",
    ".gitlab-ci.yml": "gitlab-ci.yml",
    "ci/check": "ci/check",
    "ci/comment": "ci/comment",
}
"""What checks pull requests, and the template of each."""


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if it is not there.")],
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="TENANT", help="The example tenant's name; acme without it.")
    ] = None,
) -> None:
    """Write a new account repository: accounts, schemas, checks of pull requests, and a README with the next steps.

    What is there already stays as it is and is named. Exits 1 if the folder then has errors.
    """
    from reconciler.cli.checked import checked
    from reconciler.cli.compose import registry
    from reconciler.cli.new import check_tenant
    from reconciler.core.errors import ExitCode
    from reconciler.core.finding import Severity
    from reconciler.report.findings import as_text
    from reconciler.runtime.desired import read_desired
    from reconciler.source.written import write_file

    if tenant is not None:
        check_tenant(tenant)
    for name, text in _files(directory, tenant):
        path = directory / name
        if path.exists() or path.is_symlink():
            typer.echo(f"kept     {path}")
        else:
            write_file(path, text)
            typer.echo(f"written  {path}")
    reading = read_desired(directory / "accounts.d", registry())
    found = checked(reading, directory / "accounts.d")
    typer.echo(as_text(found, colour=False), nl=False)
    if found.count(Severity.ERROR):
        raise typer.Exit(ExitCode.FINDINGS.value)
    typer.echo(f"next steps: {directory / 'README.md'}")


def _files(directory: Path, tenant: str | None) -> Iterator[tuple[str, str]]:
    """Name and text of each file. The example tenant is left out where there are tenants, unless it was asked for."""
    from reconciler.cli.schema import schema_files

    named = tenant or _EXAMPLE
    yield "accounts.d/main.yaml", _template("main.yaml", named)
    if tenant is not None or not _has_tenants(directory / "accounts.d"):
        folder = directory / "accounts.d" / named
        yield f"accounts.d/{named}{'/tenant' if folder.is_dir() else ''}.yaml", _template("tenant.yaml", named)
    for name, text in schema_files().items():
        yield f"schemas/{name}", text
    yield "CODEOWNERS", _template("CODEOWNERS", named)
    yield ".gitignore", _template("gitignore", named)
    yield "README.md", _template("README.md", named)
    for name, template in _CHECKS.items():
        yield name, _template(template, named)


def _has_tenants(accounts: Path) -> bool:
    others = (path.name for path in accounts.glob("*") if path.is_dir() or path.suffix == ".yaml")
    return any(name != "main.yaml" and not name.startswith(".") for name in others)


def _template(name: str, tenant: str) -> str:
    from importlib.resources import files

    from reconciler import __version__

    text = (files("reconciler") / "templates" / "repository" / name).read_text("utf-8")
    return text.replace("TENANT", tenant).replace("==VERSION", f"=={__version__}")
