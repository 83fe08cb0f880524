"""JSON Schema (2020-12) of dataclasses, by the same types that `records` checks them with.

Keys that a class does not have are allowed, as they are when a file is read.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from edgecnn.records import LARGEST_INTEGER

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SIMPLE: Mapping[Any, dict[str, Any]] = {
    Any: {},
    object: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER},
    float: {"type": "number"},
    types.NoneType: {"type": "null"},
}


class Schema:
    """Schemas of types; dataclasses and typed dictionaries are written once, under `$defs`."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def of(self, annotation: Any) -> dict[str, Any]:  # noqa: PLR0911 (one for each kind)
        """The schema of a type. Raises TypeError for one that `records` cannot read either."""
        if annotation in _SIMPLE:
            return dict(_SIMPLE[annotation])
        if is_dataclass(annotation) and isinstance(annotation, type):
            return self._defined(annotation, self._dataclass)
        if typing.is_typeddict(annotation):
            return self._defined(annotation, self._typed_dict)
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self.of(arguments[1])
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self.of(argument) for argument in arguments]}
        if origin is typing.Literal:
            return {"enum": list(arguments)}
        if origin is tuple:
            return self._tuple(arguments)
        if origin is list:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        raise TypeError(f"no schema for {annotation}")

    def _defined(self, kind: Any, write: Any) -> dict[str, Any]:
        name = kind.__name__
        if name not in self.definitions:
            self.definitions[name] = {}  # it may contain itself
            self.definitions[name] = write(kind)
        return {"$ref": f"#/$defs/{name}"}

    def _dataclass(self, kind: Any) -> dict[str, Any]:
        hints = typing.get_type_hints(kind, include_extras=True)
        init_fields = [field for field in fields(kind) if field.init]
        required = [
            field.name
            for field in init_fields
            if field.default is MISSING and field.default_factory is MISSING
        ]
        return {
            "type": "object",
            "description": " ".join((kind.__doc__ or "").split()),
            "properties": {field.name: self.of(hints[field.name]) for field in init_fields},
            "required": required,
        }

    def _typed_dict(self, kind: Any) -> dict[str, Any]:
        hints = typing.get_type_hints(kind, include_extras=True)
        return {
            "type": "object",
            "description": " ".join((kind.__doc__ or "").split()),
            "properties": {name: self.of(hint) for name, hint in hints.items()},
            "required": sorted(kind.__required_keys__),
        }

    def _tuple(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        if len(arguments) == 2 and arguments[1] is ...:
            return {"type": "array", "items": self.of(arguments[0])}
        return {
            "type": "array",
            "prefixItems": [self.of(argument) for argument in arguments],
            "minItems": len(arguments),
            "maxItems": len(arguments),
        }
