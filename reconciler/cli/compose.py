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
        _check_claims(whose, plugin, found)
        found[plugin.name] = plugin
    if not found:
        raise Invalid("no protocol is installed; install mail-account-reconciler anew")
    return found


def _check_claims(whose: str, plugin: ProtocolPlugin, found: Mapping[str, ProtocolPlugin]) -> None:
    """Raises Invalid for a name that cannot stand in a file, and for a channel or settings key that another has."""
    import re

    from reconciler.core.errors import Invalid
    from reconciler.core.secret import SLUG_PATTERN

    for name in sorted({plugin.name, *plugin.channels}):
        if re.fullmatch(SLUG_PATTERN, name) is None:
            raise Invalid(
                f"{whose} brings the name {name!r}; names are a-z, 0-9 and single hyphens; mend or uninstall it"
            )
    for other in found.values():
        for what, mine, theirs in (
            ("channel", plugin.channels, other.channels),
            ("settings key", plugin.settings_models.keys(), other.settings_models.keys()),
        ):
            if both := sorted(set(mine) & set(theirs)):
                raise Invalid(
                    f"{whose} takes the {what} {both[0]!r}, which the protocol {other.name!r} has; uninstall one"
                )
    if "email" in plugin.channels:
        raise Invalid(f"{whose} takes the channel 'email', which is everybody's; mend or uninstall it")


def registry() -> Registry:
    """What the installed plug-ins bring."""
    return _registry_of(plugins())


def _registry_of(installed: Mapping[str, ProtocolPlugin]) -> Registry:
    from reconciler.core.registry import Registry

    return Registry(
        protocols={name: plugin.settings for name, plugin in installed.items()},
        channels=frozenset({"email"}).union(*(plugin.channels for plugin in installed.values())),
        settings={key: model for plugin in installed.values() for key, model in plugin.settings_models.items()},
    )


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


def house(
    state: str, secrets: Path, *, create: bool = False, restored: bool = False, policy: Path | None = None
) -> House:
    """Everything a loop needs: store, plug-ins, secrets and the operators' settings.

    Raises NotSetUp for a store that is a backup put in place, unless `restored` says that this is known.
    """
    import os

    from reconciler.runtime.settings import RunSettings
    from reconciler.runtime.supervisor import House
    from reconciler.source.secret import SecretStore
    from reconciler.store.backup import refuse_copy

    installed = plugins()
    opened = store(state, create=create)
    if not restored:
        with opened.read() as connection:
            refuse_copy(connection)
    return House(
        store=opened,
        state_url=state,
        registry=_registry_of(installed),
        plugins=installed,
        secrets=SecretStore(secrets, os.environ),
        secrets_folder=secrets,
        settings=RunSettings(),
        policy_file=policy,
    )
