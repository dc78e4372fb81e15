"""`reconciler demo`: the whole story on servers of its own."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Go on running after the last act, until Ctrl-C.")] = False,
    disable: Annotated[
        str | None, typer.Option("--disable", hidden=True, metavar="ACT", help="Judge this act without playing it.")
    ] = None,
    patience: Annotated[
        float, typer.Option("--patience", min=0.1, help="Seconds an act may take to come out right.")
    ] = 20.0,
) -> None:
    """Play the story on loopback servers: customers write, an agent forwards, externals answer, a weight is edited.

    Needs the extra `demo`, no other server and no root. Exits 0 only if every act came out right.
    """
    from reconciler.demo.play import play
    from reconciler.demo.story import ACTS

    if disable is not None and disable not in {act.name for act in ACTS}:
        raise typer.BadParameter(f"--disable {disable}: no such act")
    raise typer.Exit(play(typer.echo, keep=keep, disabled=disable, patience=patience).value)
