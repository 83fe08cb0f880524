"""Group rows by network: only files of one network are compared.

Converted files name their parent, and that may name its own: the first of such a chain stands for
the network. A foreign file names none: there the name without the words for its recipe does, as
long as no two files have the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edgecnn.results import Measurement
from edgecnn.text import fitted

_RECIPE_WORDS = frozenset((
    *("float", "float32", "float16", "fp32", "fp16", "f32", "f16", "int8", "uint8", "i8"),
    *("int16x8", "int16", "int4", "w8a8", "quant", "quantized", "quantised", "dynamic", "dyn"),
    *("static", "integer", "ptq", "qat", "drq"),
))  # fmt: skip


def lineages(measurements: Sequence[Measurement]) -> list[str]:
    """For each measurement a key that all files of its network share, across results files."""
    parents: dict[str, str] = {}
    for row in measurements:
        if row.artifact.sha256 and (parent := _parent(row)):
            parents.setdefault(row.artifact.sha256, parent)
    known = {_parent(row) for row in measurements} - {""}
    files: dict[tuple[str, str], set[str]] = {}
    for row in measurements:
        files.setdefault(_kind(row), set()).add(row.artifact.sha256)
    return [_key(row, known, parents, files) for row in measurements]


def model_names(measurements: Sequence[Measurement], keys: Sequence[str]) -> list[str]:
    """The name of each measurement's network; two networks of one name get their hash appended."""
    plain = [fitted(row.artifact.model or row.artifact.name.split(".")[0]) for row in measurements]
    networks: dict[str, set[str]] = {}
    for name, key, row in zip(plain, keys, measurements, strict=True):
        if row.runtime:  # a conversion that failed names no file
            networks.setdefault(name, set()).add(key)
    return [
        f"{name}{_mark(key)}" if len(networks.get(name, ())) > 1 else name
        for name, key in zip(plain, keys, strict=True)
    ]


def family(name: str) -> str:
    """A file's or model's name without the words that say how it was quantized."""
    words = re.split(r"[^0-9a-z]+", re.sub("full.?integer", "integer", name.lower()))
    kept = [word for word in words if word and word not in _RECIPE_WORDS]
    return "-".join(kept) or name.lower()


def _mark(key: str) -> str:
    kind, _, value = key.partition(" ")
    return "" if kind == "name" else f" ({value[:8]})"


def _key(
    row: Measurement,
    known: set[str],
    parents: Mapping[str, str],
    files: Mapping[tuple[str, str], set[str]],
) -> str:
    sha256 = row.artifact.sha256
    parent = _parent(row) or (sha256 if sha256 in known else "")
    if parent:
        return f"parent {fitted(_root(parent, parents), 64)}"
    kind = _kind(row)
    if len(files[kind]) > 1:  # two files of one name are two networks
        return f"file {fitted(sha256, 64)}"
    return f"name {fitted(kind[0])}"


def _root(sha256: str, parents: Mapping[str, str]) -> str:
    """The first of the chain of conversions that leads to a file.

    Files that name each other in a circle have none: the least of their hashes stands for them.
    """
    chain = [sha256]
    while (parent := parents.get(chain[-1])) is not None:
        if parent in chain:
            return min(chain[chain.index(parent) :])
        chain.append(parent)
    return chain[-1]


def _parent(row: Measurement) -> str:
    recorded = row.artifact.parent_sha256
    return recorded or (row.parity.parent_sha256 or "" if row.parity else "")


def _kind(row: Measurement) -> tuple[str, str]:
    """(task and name of the network, name of the file)."""
    artifact = row.artifact
    name = family(artifact.model or artifact.name.rpartition(".")[0] or artifact.name)
    return f"{artifact.task}:{name}", artifact.name
