"""Cost of an inference from the model file alone: multiplications, parameters, bytes moved.

Counted from the file's own graph, before any runtime touches it: one MAC is a multiplication
with its addition, bytes are what the operators would move if each read its inputs from memory
and wrote its outputs there (activation functions and batch normalization ride along with the
operator before). Runtimes that fuse more move less; none computes less, save with a faster
algorithm (Winograd).
"""

from __future__ import annotations

from pathlib import Path

from edgecnn.benchmarking.cost.graph import GraphCost, UncountableError
from edgecnn.formats.kinds import by_suffix

__all__ = ["GraphCost", "UncountableError", "cost_of"]


def cost_of(path: Path) -> GraphCost:
    """The cost of one sample.

    Raises UncountableError for operators whose work is not a matter of shapes (a loop, a
    custom operator) and for formats that nobody counts, InputError for a damaged file,
    MissingDependencyError when the package that reads the format is not installed.
    """
    file_format = by_suffix(path)
    count = file_format.function("cost") if file_format else None
    if count is None:
        raise UncountableError(f"the cost of a {path.suffix} file is not counted")
    cost: GraphCost = count(path)
    return cost
