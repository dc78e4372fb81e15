"""What plug-ins bring (protocol settings, channels, `settings:` models) and the account model made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, GetJsonSchemaHandler, WithJsonSchema, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from reconciler.core.account import Account, Document, MainDocument, TenantDocument, TenantPart
from reconciler.core.secret import Slug
from reconciler.core.settings import Consequence, declared

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class _PluginKeys:
    """Shows the models of plug-ins' keys in the schema of `settings`, which holds any other key too."""

    models: Mapping[str, type[BaseModel]]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        keys = {key: handler(model.__pydantic_core_schema__) for key, model in sorted(self.models.items())}
        return {**schema, "properties": keys} if keys else schema


def _built(model: type[_Model]) -> type[_Model]:
    """The model, ready to validate: the parts it is made of are not built one by one before (see Frozen)."""
    model.model_rebuild()
    return model


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
        blocks["channel"] = self._with_schema(
            "channel", Slug, WithJsonSchema({"enum": sorted(self.channels), "type": "string"})
        )
        blocks["settings"] = self._with_schema("settings", Mapping[str, Any], _PluginKeys(self.settings))
        return _built(create_model("Account", __base__=Account, __doc__=Account.__doc__, **blocks))

    @staticmethod
    def _with_schema(name: str, kind: Any, schema: Any) -> tuple[Any, Any]:
        """The field of the base model, with another face in the schema."""
        return Annotated[kind, schema], Account.model_fields[name]

    @cached_property
    def tenant(self) -> type[TenantDocument]:
        """The model of a tenant's file."""
        made = create_model(
            "TenantDocument", __base__=TenantDocument, __doc__=TenantDocument.__doc__, **self._accounts()
        )
        return _built(made)

    @cached_property
    def part(self) -> type[TenantPart]:
        """The model of a further file of a tenant that is a folder."""
        return _built(create_model("TenantPart", __base__=TenantPart, __doc__=TenantPart.__doc__, **self._accounts()))

    @cached_property
    def main(self) -> type[MainDocument]:
        """The model of main.yaml."""
        return _built(
            create_model("MainDocument", __base__=MainDocument, __doc__=MainDocument.__doc__, **self._accounts())
        )

    @cached_property
    def parsed(self) -> dict[tuple[str, str], Document]:
        """Documents that these models have parsed, by unit and digest. They are frozen, so all may share one."""
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the models made here, which only this process knows.
        return Registry, (dict(self.protocols), self.channels, dict(self.settings))

    def _accounts(self) -> dict[str, Any]:
        accounts = Annotated[tuple[self.account, ...], Field(max_length=5_000)]  # type: ignore[name-defined]
        return {"accounts": (accounts, declared(Consequence.COSMETIC, (), description="The accounts."))}
