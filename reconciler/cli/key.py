"""`reconciler key`: the keys that sign the tokens in our mails."""

from __future__ import annotations

import typer

from reconciler.cli.options import DEFAULT_SECRETS, Secrets

key = typer.Typer(help="The keys that sign the tokens in our mails.", no_args_is_help=True)


@key.callback()
def _key() -> None:
    """The keys that sign the tokens in our mails."""


@key.command()
def new(secrets: Secrets = DEFAULT_SECRETS) -> None:
    """Make a key and sign with it from now on; older keys stay, so that answers on their way are still recognised."""
    from pathlib import Path

    from reconciler.core.errors import Invalid, Unavailable
    from reconciler.core.secret import TOKEN_KEYS
    from reconciler.runtime.tokens import add_key, read_keys
    from reconciler.source.secret import SecretStore

    # Only the file counts here: a key from the environment could not be written back.
    try:
        existing = read_keys(SecretStore(Path(secrets), {}))
    except Unavailable as error:
        raise Invalid(f"no key was made, for answers may need the older ones: {error}") from error
    made = add_key(Path(secrets), existing)
    typer.echo(f"key {made.kid} signs from now on ({Path(secrets) / 'main' / TOKEN_KEYS}, {len(existing)} older)")
