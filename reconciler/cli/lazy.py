"""A command whose module is imported when it is called, not when its name is listed."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand


class LazyCommand(TyperCommand):
    """Stands in the list of commands for the function, or the group, `function` of the module `reconciler.cli.MODULE`.

    The list needs a name and a summary; everything else comes from the command itself, once it is called.
    """

    def __init__(self, name: str, module: str, function: str, summary: str) -> None:
        super().__init__(name, help=summary, short_help=summary)
        self._module, self._function = module, function

    @cached_property
    def command(self) -> Any:
        """The command as Typer makes it of the function or group."""
        found = getattr(import_module(f"reconciler.cli.{self._module}"), self._function)
        around = typer.Typer(rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=self.name)
        else:
            around.command(self.name)(found)
        return typer.main.get_group(around).commands[str(self.name)]

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself: from here on this one is out of the way."""
        return self.command.make_context(info_name, args, parent=parent, **extra)
