"""Wires the packages together for the commands: installed plug-ins become a Registry."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.core.registry import Registry
    from reconciler.protocol.base import ProtocolPlugin
    from reconciler.runtime.supervisor import House
    from reconciler.store.database import Store

PROTOCOLS = "reconciler.protocols"
"""The entry point group in which a package offers a ProtocolPlugin."""


def plugins() -> Mapping[str, ProtocolPlugin]:
    """The installed protocols by name. Raises Invalid, naming the package, for one that cannot be used."""
    from reconciler.core.account import Account
    from reconciler.core.errors import Invalid
    from reconciler.protocol.base import ProtocolPlugin

    found: dict[str, ProtocolPlugin] = {}
    for point in entry_points(group=PROTOCOLS):
        whose = f"the protocol plug-in {point.name!r} of {point.dist.name if point.dist else 'an unknown package'}"
        try:
            plugin = point.load()
        except Exception as error:
            raise Invalid(f"{whose} cannot be loaded ({error}); mend or uninstall it") from error
        if not isinstance(plugin, ProtocolPlugin):
            raise Invalid(f"{whose} is no ProtocolPlugin; mend or uninstall it")
        if plugin.name in found or plugin.name in Account.model_fields:
            raise Invalid(f"{whose} takes the name {plugin.name!r}, which is in use; uninstall one of the two")
        found[plugin.name] = plugin
    if not found:
        raise Invalid("no protocol is installed; install mail-account-reconciler anew")
    return found


def registry() -> Registry:
    """What the installed plug-ins bring."""
    from reconciler.core.registry import Registry

    return Registry({name: plugin.settings for name, plugin in plugins().items()})


def store(state: str, *, create: bool = False) -> Store:
    """The store at this URL. Raises NotSetUp if nothing was ever applied to it, unless it may be created."""
    from sqlalchemy import func, select

    from reconciler.core.errors import NotSetUp
    from reconciler.store.database import open_store
    from reconciler.store.tables import revisions

    opened = open_store(state, create=create)
    if create:
        return opened
    with opened.read() as connection:
        if not connection.execute(select(func.count()).select_from(revisions)).scalar():
            raise NotSetUp(f"nothing is applied at {state}; run: reconciler apply")
    return opened


def house(state: str, secrets: Path, *, create: bool = False) -> House:
    """Everything a loop needs: store, plug-ins, secrets and the operators' settings."""
    import os

    from reconciler.core.registry import Registry
    from reconciler.runtime.settings import RunSettings
    from reconciler.runtime.supervisor import House
    from reconciler.source.secret import SecretStore

    installed = plugins()
    return House(
        store=store(state, create=create),
        state_url=state,
        registry=Registry({name: plugin.settings for name, plugin in installed.items()}),
        plugins=installed,
        secrets=SecretStore(secrets, os.environ),
        secrets_folder=secrets,
        settings=RunSettings(),
    )
