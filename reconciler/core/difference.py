"""How two models of the same kind differ, leaf by leaf, and what each difference does; knows no account or tenant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.core.revision import Origin
from reconciler.core.settings import Consequence


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's old and new JSON value (None: not there), by its dotted path (`imap.host`), and where it stands."""

    path: str
    old: Any
    new: Any
    consequence: Consequence
    origin: Origin | None = None


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a JSON value by dotted path. A list is one leaf; null and an empty map are as good as absent."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}" if path else str(key))
    elif value is not None:
        yield path, value


def dump(model: BaseModel, exclude: Iterable[str] = (), *, written: bool = False) -> dict[str, Any]:
    """The model's leaves by dotted path; with `written` only those that differ from their default."""
    data = model.model_dump(mode="json", by_alias=True, exclude=set(exclude), exclude_defaults=written)
    return dict(leaves(data))


def differences(
    model: type[BaseModel], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any, Consequence]]:
    """Path, old value, new value and declared consequence of each leaf that differs, in the order of `new`."""
    for path in dict.fromkeys((*new, *old)):
        before, after = old.get(path), new.get(path)
        if before != after:
            yield path, before, after, consequence_of(model, path)


def consequence_of(model: type[BaseModel], path: str) -> Consequence:
    """What the field's model declares; a nested field's own declaration wins over that of what holds it."""
    found = Consequence.COSMETIC
    here: type[BaseModel] | None = model
    for key in path.split("."):
        info = _field(here, key) if here is not None else None
        if info is None:
            break
        extra = info.json_schema_extra
        if isinstance(extra, Mapping) and "consequence" in extra:
            found = Consequence(str(extra["consequence"]))
        here = _model(info.annotation)
    return found


def _field(model: type[BaseModel], key: str) -> FieldInfo | None:
    info = model.model_fields.get(key)
    return info or next((f for f in model.model_fields.values() if f.alias == key), None)


def _model(annotation: Any) -> type[BaseModel] | None:
    """The one model inside an annotation such as `Annotated[Model | None, …]`; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return next((found for part in get_args(annotation) if (found := _model(part)) is not None), None)
    return None
