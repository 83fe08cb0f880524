"""Base class of model formats. Each format is one subclass, in one file or small folder.

A format is chosen by the ending of a file or recognized by its first bytes. All readers use the
standard library and numpy alone, never the format's own library: a file may come from strangers,
and a Raspberry Pi has no such library. They raise ValueError, IndexError, KeyError or struct.error
for a file that is not whole; `formats.check` and the functions of this room turn that into words.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.formats.external import ExternalRange
from edgecnn.formats.signature import Signature

if TYPE_CHECKING:
    from edgecnn.formats.front import InputOperators
    from edgecnn.formats.layers import FileLayer
    from edgecnn.formats.metadata import ModelMetadata

MAX_MANIFEST_BYTES = 4 << 20
"""A longer text inside of a model file is not read."""
UNREADABLE = (ValueError, IndexError, KeyError, OverflowError)
"""What readers raise for a file that is not whole, besides struct.error and OSError."""


class Format(ABC):
    """A model format.

    `title` is how it is called in a sentence. `suffixes` are the endings of its files, the usual
    one first. `magic` are (bytes, where they stand), where every file of the format has them.
    `graphs` is the format of the graphs inside, for a file of several that are used together.
    `runtime` is the runtime whose answers count as the format's own (parity is judged on it).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    magic: ClassVar[tuple[tuple[bytes, int], ...]] = ()
    runtime: ClassVar[str] = ""
    graphs: ClassVar[str] = ""
    functions: ClassVar[Mapping[str, str]] = {}
    """What later rooms do with a file of this format, as "module:function" of its path:
    "cost" (see `benchmarking.cost`), "first_convolution" (`runtimes.first_layer`), "proof"
    (`feeding.inferred_input`). What is left out is not known of the format."""

    @classmethod
    def holds(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003 (what a format looks at)
        """Whether a file is of this format, whole or not. `head` are its first bytes.

        Asked of files that carry the `magic`; without a `magic`, of those that carry no mark
        known and are not text. Raises OSError.
        """
        return bool(cls.magic)

    @classmethod
    @abstractmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        """Walk a file before any library sees it; returns what it reads of other files, which
        belong to the model. Raises as readers do where the file is not whole.
        """

    @classmethod
    def signature(cls, path: Path) -> Signature | None:  # noqa: ARG003
        """What goes in and what comes out, as the file declares it; None for a format that only
        its own library reads.
        """
        return None

    @classmethod
    def recipe(cls, path: Path) -> str:  # noqa: ARG003
        """See `recipes.recipe_in`."""
        return ""

    @classmethod
    def front(cls, path: Path) -> InputOperators | None:  # noqa: ARG003
        """See `front.read_front`."""
        return None

    @classmethod
    def metadata(cls, path: Path) -> ModelMetadata:  # noqa: ARG003
        """See `metadata.read_metadata`."""
        from edgecnn.formats.metadata import NOTHING

        return NOTHING

    @classmethod
    def id_limits(cls, path: Path) -> tuple[int | None, ...]:  # noqa: ARG003
        """See `id_tables.id_limits`."""
        return ()

    @classmethod
    def layers(cls, path: Path) -> Iterable[FileLayer]:  # noqa: ARG003
        """See `layers.read_layers`."""
        return ()

    @classmethod
    def read_manifest(cls, path: Path, key: str) -> bytes | None:  # noqa: ARG003
        """The text that was written into the file under `key`; None without one, and for a file
        that is damaged.
        """
        return None

    @classmethod
    def write_manifest(cls, path: Path, key: str, text: str) -> bool:  # noqa: ARG003
        """Write a text into the file, in place of one that is there; weights are kept byte for
        byte. False where the format has no room, so that the text stays next to the file. May
        use the format's own library, and raises what that raises.
        """
        return False

    @classmethod
    def function(cls, what: str) -> Callable[[Path], Any] | None:
        """One of `functions`, imported; None for what is not known of the format."""
        place = cls.functions.get(what)
        if place is None:
            return None
        module, _, name = place.partition(":")
        function: Callable[[Path], Any] = getattr(importlib.import_module(module), name)
        return function
