"""The toy format: `name.toy` holds a mark and JSON, the file that it names float32 weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from edgecnn.formats.base import Format
from edgecnn.formats.external import ExternalRange
from edgecnn.formats.signature import Signature, Value

MARK = b"TOY1"
MAX_BYTES = 1 << 20


class Toy(Format):
    """See the module."""

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "a toy model"
    suffixes: ClassVar[tuple[str, ...]] = (".toy",)
    magic: ClassVar[tuple[tuple[bytes, int], ...]] = ((MARK, 0),)
    runtime: ClassVar[str] = "toy"

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        network = read(path)
        rows, columns = network["shape"]
        return [ExternalRange("W", network["weights"], 0, 4 * rows * columns)]

    @classmethod
    def signature(cls, path: Path) -> Signature:
        rows, columns = read(path)["shape"]
        inputs = (Value("x", "float32", (None, rows)),)
        return Signature(inputs, (Value("y", "float32", (None, columns)),), {"MatMul": 1})

    @classmethod
    def recipe(cls, path: Path) -> str:
        return "float32"

    @classmethod
    def read_manifest(cls, path: Path, key: str) -> bytes | None:
        try:
            text = read(path).get(key)
        except ValueError:
            return None
        return None if text is None else str(text).encode()

    @classmethod
    def write_manifest(cls, path: Path, key: str, text: str) -> bool:
        write(path, {**read(path), key: text})
        return True


def read(path: Path) -> Mapping[str, Any]:
    """What a .toy file says. Raises ValueError for anything else."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES)
    if not content.startswith(MARK):
        raise ValueError("it does not begin with TOY1")
    network = json.loads(content.removeprefix(MARK))
    known: Mapping[str, Any] = network if isinstance(network, dict) else {}
    if not isinstance(known.get("weights"), str):
        raise ValueError("it names no weights")  # noqa: TRY004 (what readers raise)
    shape = known.get("shape")
    if not isinstance(shape, list) or [type(size) for size in shape] != [int, int]:
        raise ValueError("it has no shape")
    return known


def write(path: Path, network: Mapping[str, Any]) -> None:
    """Write a .toy file; the weights are the caller's to write."""
    path.write_bytes(MARK + json.dumps(network).encode())
