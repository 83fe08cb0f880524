"""A format whose readers are functions, one module of its room for each question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.formats.base import Format
from edgecnn.formats.external import ExternalRange
from edgecnn.formats.signature import Signature

if TYPE_CHECKING:
    from edgecnn.formats.front import InputOperators
    from edgecnn.formats.layers import FileLayer
    from edgecnn.formats.metadata import ModelMetadata


READERS = ("check", "signature", "recipe", "front", "metadata", "ids", "layers", "manifest")
"""The modules of a format's package that answer: imported by name, so that no source shows it."""


class ModularFormat(Format):
    """A format that answers every question of `Format`, each in a module of the package that it
    stands in, which is imported when the question is asked: whoever lists the formats imports none.
    """

    @classmethod
    def _reader(cls, module: str, function: str) -> Callable[..., Any]:
        reader: Callable[..., Any] = getattr(import_module(f"{cls.__module__}.{module}"), function)
        return reader

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        ranges: Sequence[ExternalRange] = cls._reader("check", "examine")(path)
        return ranges

    @classmethod
    def signature(cls, path: Path) -> Signature:
        signature: Signature = cls._reader("signature", "read")(path)
        return signature

    @classmethod
    def recipe(cls, path: Path) -> str:
        recipe: str = cls._reader("recipe", "recipe_of")(path)
        return recipe

    @classmethod
    def front(cls, path: Path) -> InputOperators | None:
        front: InputOperators | None = cls._reader("front", "read")(path)
        return front

    @classmethod
    def metadata(cls, path: Path) -> ModelMetadata:
        metadata: ModelMetadata = cls._reader("metadata", "read")(path)
        return metadata

    @classmethod
    def id_limits(cls, path: Path) -> tuple[int | None, ...]:
        limits: tuple[int | None, ...] = cls._reader("ids", "id_limits")(path)
        return limits

    @classmethod
    def layers(cls, path: Path) -> Iterable[FileLayer]:
        layers: Iterable[FileLayer] = cls._reader("layers", "layers")(path)
        return layers

    @classmethod
    def read_manifest(cls, path: Path, key: str) -> bytes | None:
        content: bytes | None = cls._reader("manifest", "read")(path, key)
        return content

    @classmethod
    def write_manifest(cls, path: Path, key: str, text: str) -> bool:
        cls._reader("manifest", "write")(path, key, text)
        return True
