"""Inputs for a model without data: seeded, distinct, and over the whole range that each input has.

One implementation for the benchmark and for conversion. Half of the samples are white noise,
half are blocks of flat values with a little noise: noise alone has the same mean everywhere, and
a network that averages over an image would hardly see a difference between two samples.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.tensor_spec import TensorSpec, is_batched

Array = npt.NDArray[Any]
Range = tuple[float, float]

SEED = 20_260_101
UNKNOWN_VOCABULARY = 100
"""Ids for a model that does not say how many words it knows."""
UNKNOWN_LENGTH = 2
LARGEST_IN_TEXT = 9
MOST_STRATIFIED = 1 << 16
"""Elements of a sample up to which its values are spread evenly; beyond, chance does."""
PART = 1 << 13
"""Elements made at once of a large sample: less memory than a process asks the system for."""
BLOCKS = 4
"""Flat blocks along each axis."""
LEAST_FOR_BLOCKS = 16
"""Elements of a sample."""

_MASK = re.compile(r"mask|token_type|segment_id|(?:^|[_.:/])(?:is|has|flag)(?:$|[_.:/])", re.I)
_LENGTH = re.compile(r"(?:^|[_.:/])(?:seq_?)?(?:len|lens|length|lengths)(?:$|[_.:/\d])", re.I)
_POSITION = re.compile(r"position_?id", re.I)


@dataclass(frozen=True)
class Fill:
    """What one input is filled with: real values in [low, high), or, where `whole`, the whole
    numbers from `low` to `high`, both included.

    With a `scale` the whole numbers are what is stored, and samples hold the real values
    (stored − zero_point) × scale.
    """

    low: float
    high: float
    whole: bool = False
    scale: float | None = None
    zero_point: int = 0
    ones_first: bool = False
    """A mask: mostly ones, the first of each row always."""
    text: bool = False
    """The whole numbers as texts, which a model may read or compare."""

    def __str__(self) -> str:
        if self.scale:
            low, high = ((end - self.zero_point) * self.scale for end in (self.low, self.high))
            return f"noise {low:.4g}…{high:.4g}"
        if self.low == self.high:
            return f"{self.low:g} everywhere"
        what = "numbers as text" if self.text else "whole numbers" if self.whole else "noise"
        return f"{what} {self.low:.4g}…{self.high:.4g}"

    def values(self, unit: npt.NDArray[np.float64]) -> Array:
        """Values for numbers in [0, 1)."""
        if self.ones_first:
            ones = (unit >= 0.25).astype(np.int64)
            if ones.ndim:
                ones[..., 0] = 1
            return ones
        if not self.whole:
            return (self.low + unit * (self.high - self.low)).astype(np.float32)
        levels = int(self.high) - int(self.low) + 1
        stored = np.minimum(np.floor(unit * levels), levels - 1).astype(np.int64) + int(self.low)
        if self.scale:
            return ((stored - self.zero_point) * self.scale).astype(np.float32)
        return np.asarray(stored).astype(str).astype(object) if self.text else stored


def fill_for(
    spec: TensorSpec,
    *,
    vocabulary: int | None = None,
    values: Range | None = None,
    longest: int = UNKNOWN_LENGTH,
    only: int | None = None,
    one: bool = False,
) -> Fill:
    """The whole range of an input.

    Integers with a scale cover every level that they can store, uint8, int8, uint16 and int16
    without one their whole range. Wider integers are ids below `vocabulary` (100 where nobody
    says), and, by their names, masks, positions and lengths. Real values lie in `values`,
    [0, 1) where nothing is known, unless they are ids, too; complex ones have no imaginary part.
    `longest` is the length of the sequences that a length may speak of. With `only` every whole
    number without a scale is that one, with `one` every value is 1.
    """
    kind = np.dtype(spec.dtype).kind
    if kind not in "iubfcO":
        raise InputError(
            f"input {spec.name!r} takes {spec.dtype}: no synthetic input can be made for it",
            hint="pass --data",
        )
    if one and not spec.scale and kind != "O":
        return Fill(1, 1, whole=kind in "iub")
    if only is not None and kind in "iub" and not spec.scale:
        return Fill(only, only, whole=True)
    if vocabulary is not None:
        return Fill(0, max(vocabulary - 1, 0), whole=True)
    return _whole_range(spec, values, longest)


def _whole_range(spec: TensorSpec, values: Range | None, longest: int) -> Fill:
    """What an input takes by its dtype and its name."""
    dtype = np.dtype(spec.dtype)
    if dtype.kind in "fc":
        return Fill(*(values or (0.0, 1.0)))
    if dtype.kind in "bO":
        text = dtype.kind == "O"
        return Fill(0, LARGEST_IN_TEXT if text else 1, whole=True, text=text)
    limits = np.iinfo(dtype)
    if spec.scale:
        return Fill(limits.min, limits.max, True, spec.scale, spec.zero_point or 0)
    return Fill(limits.min, limits.max, True) if limits.bits <= 16 else _by_name(spec.name, longest)


def _by_name(name: str, longest: int) -> Fill:
    """Whole numbers for an input of wide integers."""
    if _MASK.search(name):
        return Fill(0, 1, whole=True, ones_first=True)
    if _LENGTH.search(name):
        return Fill(1, longest, whole=True)
    if _POSITION.search(name):
        return Fill(0, longest - 1, whole=True)
    return Fill(0, UNKNOWN_VOCABULARY - 1, whole=True)


class SyntheticInputs:
    """`count` samples for all inputs of a model; each can be made by itself, again and again.

    The same shapes give the same values, whatever the runtime, the layout or the file format;
    two inputs of one shape get different ones. Samples are channels last and lack the batch
    axis of inputs that have one (see `is_batched`).

    `vocabularies` are sizes of id tables by input name, `values` the ranges of real inputs by
    input name; with `only` all ids and other whole numbers are that one, with `ones` all values but
    those of the first real input are 1. Raises InputError for open dimensions other than the
    batch.
    """

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        count: int,
        *,
        batch: int = 1,
        seed: int = 0,
        vocabularies: Mapping[str, int] | None = None,
        values: Mapping[str, Range] | None = None,
        only: int | None = None,
        ones: bool = False,
    ) -> None:
        self.count = count
        lengths = [spec.shape[1] for spec in specs if len(spec.shape) > 1]
        longest = min((size for size in lengths if size), default=UNKNOWN_LENGTH)
        noise = next((one for one in specs if np.dtype(one.dtype).kind == "f"), None)
        self.fills = tuple(
            fill_for(
                spec,
                vocabulary=(vocabularies or {}).get(spec.name),
                values=(values or {}).get(spec.name),
                longest=longest,
                only=only,
                one=ones and spec is not noise,
            )
            for spec in specs
        )
        self.dtypes = tuple(spec.dtype for spec in specs)
        self.sizes = tuple(_sizes(spec, batch) for spec in specs)
        self._seed = seed
        seen: Counter[tuple[int, ...]] = Counter()
        occurrences = []
        for sizes in self.sizes:
            occurrences.append(seen[sizes])
            seen[sizes] += 1
        self._occurrences = tuple(occurrences)

    def sample(self, index: int) -> list[Array]:
        """Sample `index` (0 … count − 1) for each input, channels last, without a batch axis."""
        arrays = [
            np.empty(sizes, _kept(fill, dtype))
            for fill, sizes, dtype in zip(self.fills, self.sizes, self.dtypes, strict=True)
        ]
        for place, array in enumerate(arrays):
            self.write(place, index, array)
        return arrays

    def write(
        self, place: int, index: int, out: Array, stored: Callable[[Array], Array] | None = None
    ) -> None:
        """Write sample `index` of input `place` into `out`, which may be a view.

        `stored` turns values into what `out` holds, element by element. White noise of many
        values is made in small parts: no large block of memory is freed on the way, which the
        process would keep.
        """
        fill, sizes = self.fills[place], self.sizes[place]
        kept = _kept(fill, self.dtypes[place])
        for part, unit in self._units(place, index):
            values = fill.values(unit).astype(kept, copy=False)
            values = stored(values) if stored else values
            if part is None:
                out[...] = values.reshape(sizes)
            else:
                out.flat[part] = values

    def arrays(self) -> list[Array]:
        """All samples: one array (count, …) for each input."""
        rows = [self.sample(index) for index in range(self.count)]
        return [np.stack(parts) for parts in zip(*rows, strict=True)]

    def describe(self) -> str:
        """What is fed, in words: "noise 0…1", with a part for each kind of input."""
        return ", ".join(dict.fromkeys(map(str, self.fills))) or "nothing"

    def _units(
        self, place: int, index: int
    ) -> Iterator[tuple[slice | None, npt.NDArray[np.float64]]]:
        """Numbers in [0, 1) of a sample: of the input's shape, with None for where they go, or
        flat parts of it, with their places.
        """
        fill, sizes, occurrence = self.fills[place], self.sizes[place], self._occurrences[place]
        shape = zlib.crc32(repr(list(sizes)).encode())
        generator = np.random.default_rng([SEED, self._seed, shape, occurrence, index])
        total = prod(sizes)
        ids = fill.whole and not fill.scale
        blocks = not ids and total >= LEAST_FOR_BLOCKS
        if blocks and index % 2:
            yield None, _blocks(sizes, generator)
            return
        whites = (self.count + 1) // 2 if blocks else self.count
        if not total or (fill.ones_first and total > MOST_STRATIFIED):
            yield None, generator.random(sizes)
            return
        if total > MOST_STRATIFIED:
            for start in range(0, total, PART):
                stop = min(start + PART, total)
                yield slice(start, stop), generator.random(stop - start)
            return
        # Each sample has a place of its own in every stratum, so that all together cover the range.
        places = np.random.default_rng([SEED, self._seed, shape, occurrence]).permutation(whites)
        at = places[(index // 2 if blocks else index) % whites]
        strata = generator.permutation(total) + (at + 0.5) / whites
        yield None, (strata / total).reshape(sizes)


def channels_last(spec: TensorSpec) -> tuple[int | None, ...]:
    """The shape of a sample batch as edgecnn holds it: channels last."""
    if spec.layout in ("NCHW", "NCL", "NCDHW"):
        return (spec.shape[0], *spec.shape[2:], spec.shape[1])
    return spec.shape


def _sizes(spec: TensorSpec, batch: int) -> tuple[int, ...]:
    shape = channels_last(spec)
    shape = shape[1:] if is_batched(spec, batch) else shape
    open_axes = [axis for axis, size in enumerate(shape, start=1) if size is None]
    if open_axes:
        raise InputError(
            f"input {spec.name!r} leaves dimensions {open_axes} open: {spec.shape}",
            hint="export the model with a fixed input shape",
        )
    return tuple(int(size) for size in shape if size is not None)


def _blocks(sizes: tuple[int, ...], generator: np.random.Generator) -> npt.NDArray[np.float64]:
    coarse = generator.random([min(size, BLOCKS) for size in sizes])
    places = [np.arange(size) * min(size, BLOCKS) // size for size in sizes]
    flat = coarse[np.ix_(*places)]
    return np.asarray(0.95 * flat + 0.05 * generator.random(sizes), np.float64)


def _kept(fill: Fill, dtype: str) -> Any:
    """The dtype in which samples are kept: real values as float32 (float64 where the input is),
    others as the input's own.
    """
    if fill.scale:
        return np.float32
    if np.dtype(dtype).kind == "f":
        return np.float64 if dtype == "float64" else np.float32
    return np.dtype(dtype)
