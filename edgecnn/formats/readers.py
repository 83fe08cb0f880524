"""A format whose readers are functions, one module for each question."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgecnn.formats.base import Format
from edgecnn.formats.external import ExternalRange
from edgecnn.formats.signature import Signature

if TYPE_CHECKING:
    from edgecnn.formats.front import Front
    from edgecnn.formats.layers import FileLayer
    from edgecnn.formats.metadata import ModelMetadata


class Readers(NamedTuple):
    """The methods of `Format`, as functions of a path."""

    examine: Callable[[Path], Sequence[ExternalRange]]
    signature: Callable[[Path], Signature]
    recipe: Callable[[Path], str]
    front: Callable[[Path], Front | None]
    metadata: Callable[[Path], ModelMetadata]
    id_limits: Callable[[Path], tuple[int | None, ...]]
    layers: Callable[[Path], Iterable[FileLayer]]
    read_manifest: Callable[[Path, str], bytes | None]
    write_manifest: Callable[[Path, str, str], None]


class FormatOfReaders(Format):
    """A format that answers every question of `Format`."""

    @classmethod
    @abstractmethod
    def readers(cls) -> Readers:
        """The readers, imported here: whoever lists the formats imports none."""

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        return cls.readers().examine(path)

    @classmethod
    def signature(cls, path: Path) -> Signature:
        return cls.readers().signature(path)

    @classmethod
    def recipe(cls, path: Path) -> str:
        return cls.readers().recipe(path)

    @classmethod
    def front(cls, path: Path) -> Front | None:
        return cls.readers().front(path)

    @classmethod
    def metadata(cls, path: Path) -> ModelMetadata:
        return cls.readers().metadata(path)

    @classmethod
    def id_limits(cls, path: Path) -> tuple[int | None, ...]:
        return cls.readers().id_limits(path)

    @classmethod
    def layers(cls, path: Path) -> Iterable[FileLayer]:
        return cls.readers().layers(path)

    @classmethod
    def read_manifest(cls, path: Path, key: str) -> bytes | None:
        return cls.readers().read_manifest(path, key)

    @classmethod
    def write_manifest(cls, path: Path, key: str, text: str) -> bool:
        cls.readers().write_manifest(path, key, text)
        return True
