"""The keys of a results file and of a manifest, from the schema and the types."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).resolve().parents[2] / "edgecnn" / "assets" / "results.schema.json"
ORDER = ("Measurement", "ArtifactRecord", "RuntimeOptions", "Effective", "LatencySummary",
         "Contention", "Accuracy", "Parity", "Fed", "Run", "Block", "Environment")  # fmt: skip
"""What readers look for first; the others follow by name."""


def results() -> str:
    """Every object of a results file with its keys and their types."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    objects = schema["$defs"]
    names = [*(name for name in ORDER if name in objects), *sorted(set(objects) - set(ORDER))]
    parts = ["### The file\n", _keys(schema)]
    for name in names:
        parts.append(f"### {name} {{ #{name.lower()} }}\n")
        parts.append(objects[name].get("description", "") + "\n")
        parts.append(_keys(objects[name]))
    return "\n".join(parts)


def manifest() -> str:
    """The keys of a manifest with their types."""
    from edgecnn.manifest import Manifest, TensorSpec

    parts = []
    for kind in (Manifest, TensorSpec):
        rows = [f"| `{field.name}` | {_plain(str(field.type))} |" for field in fields(kind)]
        head = f"### {kind.__name__}\n\n{inspect.getdoc(kind)}\n\n| key | type |\n|---|---|\n"
        parts.append(head + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _plain(text: str) -> str:
    return (
        f"`{text}`".replace("|", "\\|") if "|" not in text else f"`{text.replace(' | ', ' or ')}`"
    )


def _keys(definition: Mapping[str, Any]) -> str:
    required = set(definition.get("required", ()))
    rows = [
        f"| `{name}` | {_type(value)} | {'always' if name in required else ''} |"
        for name, value in definition.get("properties", {}).items()
    ]
    return "| key | type | there |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(map(_type, value["anyOf"])))
    if "enum" in value:
        return ", ".join(f"`{choice}`" if choice else '`""`' for choice in value["enum"])
    if value.get("type") == "array":
        inner = value.get("items") or next(iter(value.get("prefixItems", ())), None)
        return f"list of {_type(inner)}" if inner else "list"
    kind = value.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
