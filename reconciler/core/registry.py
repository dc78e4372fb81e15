"""What plug-ins bring (protocol settings, channels, `settings:` models) and the account model made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from reconciler.core.account import Account, MainDocument, TenantDocument, TenantPart
from reconciler.core.settings import Consequence, declared


@dataclass(frozen=True)
class Registry:
    """The registered protocols (name → settings model), inbound channels, and models of plug-ins' `settings:` keys."""

    protocols: Mapping[str, type[BaseModel]]
    channels: frozenset[str] = frozenset({"email"})
    settings: Mapping[str, type[BaseModel]] = field(default_factory=dict)

    @cached_property
    def account(self) -> type[Account]:
        """The account model with one optional settings block per protocol."""
        blocks: dict[str, Any] = {
            name: (
                model | None,
                declared(Consequence.RESYNC, None, description=f"Settings of `protocol: {name}`."),
            )
            for name, model in sorted(self.protocols.items())
        }
        return create_model("Account", __base__=Account, __doc__=Account.__doc__, **blocks)

    @cached_property
    def tenant(self) -> type[TenantDocument]:
        """The model of a tenant's file."""
        return create_model(
            "TenantDocument", __base__=TenantDocument, __doc__=TenantDocument.__doc__, **self._accounts()
        )

    @cached_property
    def part(self) -> type[TenantPart]:
        """The model of a further file of a tenant that is a folder."""
        return create_model("TenantPart", __base__=TenantPart, __doc__=TenantPart.__doc__, **self._accounts())

    @cached_property
    def main(self) -> type[MainDocument]:
        """The model of main.yaml."""
        return create_model("MainDocument", __base__=MainDocument, __doc__=MainDocument.__doc__, **self._accounts())

    def _accounts(self) -> dict[str, Any]:
        accounts = Annotated[tuple[self.account, ...], Field(max_length=5_000)]  # type: ignore[name-defined]
        return {"accounts": (accounts, declared(Consequence.COSMETIC, (), description="The accounts."))}
