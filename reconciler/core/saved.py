"""A plan that was saved: what was reviewed, compared with what would be applied and never carried out itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from reconciler.core.errors import Invalid
from reconciler.core.plan import Plan, TenantPlan
from reconciler.core.revision import AppliedState

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SavedUnit(BaseModel):
    """What was planned for one unit. `base` None: it did not run; `target` None: its file was gone."""

    tenant: str
    digest: _Digest
    base: _Digest | None
    target: _Digest | None


class SavedPlan(BaseModel):
    """What `plan --out` wrote, as far as it is compared."""

    format_version: Literal[1]
    tenants: list[SavedUnit]
    held: list[str]

    @property
    def units(self) -> Mapping[str, SavedUnit]:
        """The planned units by name."""
        return {unit.tenant: unit for unit in self.tenants}


def read_saved_plan(text: str, name: str) -> SavedPlan:
    """The plan in this text. Raises Invalid if its expectations cannot be read: then nothing can be held to them."""
    try:
        return SavedPlan.model_validate(json.loads(text))
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"]))
        why = f"{place or 'whole file'}"
    except (ValueError, RecursionError):
        why = "it is not JSON"
    raise Invalid(
        f"{name} is no plan that can be compared ({why}), so nothing is applied; make one with: reconciler plan --out"
    )


def differences_from(saved: SavedPlan, plan: Plan, applied: AppliedState) -> tuple[str, ...]:
    """Why applying now would not be what the saved plan says, a sentence a unit; empty if it is exactly that."""
    return tuple(_differences(saved, plan, applied))


def _differences(saved: SavedPlan, plan: Plan, applied: AppliedState) -> Iterator[str]:
    now = {tenant.tenant: tenant for tenant in plan.tenants}
    for unit, expected in saved.units.items():
        if unit in plan.held:
            yield f"{unit}: its files have errors, so that its plan cannot be computed"
        elif unit not in now:
            yield f"{unit}: {_gone(expected, applied)}"
        elif now[unit].digest != expected.digest:
            yield f"{unit}: {_differs(expected, now[unit])}"
    for unit in now.keys() - saved.units.keys():
        yield f"{unit}: would change too, which the plan does not say"
    for unit in sorted(set(saved.held) - set(plan.held) - now.keys() - saved.units.keys()):
        yield f"{unit}: had errors when the plan was made"
    for unit in sorted(set(plan.held) - set(saved.held) - saved.units.keys()):
        yield f"{unit}: its files have errors that they did not have when the plan was made"


def _gone(expected: SavedUnit, applied: AppliedState) -> str:
    runs = applied.units.get(expected.tenant)
    done = runs is not None and (runs.retired if expected.target is None else runs.digest == expected.target)
    return "the plan was applied already" if done else "nothing would change any more; its files are back to what runs"


def _differs(expected: SavedUnit, now: TenantPlan) -> str:
    if now.base != expected.base:
        return "the plan was made on another state than the one that runs"
    if now.target != expected.target:
        return "its files have changed since the plan was made"
    return "what the files would change, or the guards that stop it, differs from the plan"
