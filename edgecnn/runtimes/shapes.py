"""Fixed shapes from the shapes a model file declares: the batch is ours, other open dimensions get
the sizes that the user names, else 1, and a model that looks at images is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.signature import Dimension

Shape = tuple[Dimension, ...]

_NUMERIC = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)")
_LARGEST = 1 << 31
_CHANNELS = 3
"""Of an example."""
ASSUMED = 1
"""The size of an open dimension that nobody gives: the least that every model takes."""


def example_side(rank: int) -> int:
    """A size for an example of a shape: of images and volumes, else of sequences and signals."""
    return {4: 224, 5: 16}.get(rank, 128)


def parse_shapes(text: str) -> dict[str, tuple[int, ...]]:
    """Read "1x224x224x3" as {"": (1, 224, 224, 3)}, "ids=1x16,mask=1x16" as one for each name.

    Raises InputError for anything else, and for an input that is named twice.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, sizes = part.rpartition("=")
        numbers = sizes.lower().replace("×", "x").split("x")
        if not all(number.strip().isdecimal() and number.isascii() for number in numbers):
            raise _no_shape(part)
        shape = tuple(int(number) for number in numbers)
        if name in shapes or not all(0 < size < _LARGEST for size in shape):
            raise _no_shape(part)
        shapes[name] = shape
    return shapes


def fix_shapes(
    shapes: Sequence[tuple[str, Sequence[Dimension] | None]],
    batch: int,
    given: str = "",
    *,
    images: Mapping[str, int] | None = None,
) -> list[tuple[int, ...]]:
    """The shape each input gets: an open first dimension becomes `batch`, other open ones the
    sizes in `given` (see `parse_shapes`; its shapes may leave out the batch). Sizes that a model
    fixes are kept.

    `shapes` are (input name, declared shape; None where even the rank is open). All open sizes
    must be given; with `images`, the inputs that take images with the axis of their channels,
    only those of images must, since one pixel is not an image: others are 1, and what has an open
    rank is a scalar. Raises InputError where one is missing, when `given` does not fit, and when
    a batch above 1 fits no input.
    """
    wanted = _assigned(shapes, parse_shapes(given)) if shapes else {}
    fixed = [
        _fix(
            name,
            None if shape is None else tuple(shape),
            batch,
            wanted.get(name),
            asked=images is None or name in images,
            channels=(images or {}).get(name, 3),
        )
        for name, shape in shapes
    ]
    if batch > 1 and not any(shape[:1] == (batch,) for shape in fixed):
        have = next((shape[0] for shape in fixed if len(shape) >= 2), None)
        what = "has no batch axis" if have is None else f"takes batches of exactly {have}"
        raise InputError(
            f"the model {what}, asked for: {batch}",
            hint="leave out --batch, or convert the model with an open batch dimension",
        )
    return fixed


def assumed_sizes(
    shapes: Sequence[tuple[str, Sequence[Dimension] | None]],
    fixed: Sequence[Sequence[int]],
    given: str,
) -> list[str]:
    """What stands for sizes that nobody gave, as in "x (1, ?, 3) as (1, 1, 3)".

    `fixed` are the shapes that `fix_shapes` made of `shapes` and `given`.
    """
    wanted = _assigned(shapes, parse_shapes(given)) if shapes else {}
    return [
        f"{name} {_show(shape)} as {_show(size)}"
        for (name, shape), size in zip(shapes, fixed, strict=True)
        if name not in wanted and _has_open(shape)
    ]


def is_open(size: Dimension) -> bool:
    """Whether a declared dimension has no size."""
    return not isinstance(size, int) or size < 0


def check_dtype(name: str, dtype: str) -> None:
    """Raise UnsupportedError for an input that numpy has no numbers for (text, say)."""
    if not is_numeric(dtype) and not is_text(dtype):
        raise UnsupportedError(
            f"input {name!r} takes {_in_words(dtype)}, edgecnn feeds numbers only",
            hint=_hint(dtype)
            or "convert the model with an input of numbers (text processing outside of it)",
        )


def check_outputs(
    outputs: Sequence[tuple[str, str]], producers: Mapping[str, str] | None = None
) -> None:
    """Raise UnsupportedError where outputs (name, dtype) are not tensors of numbers, naming each
    with the operator that makes it.
    """
    odd = [
        f"{name!r} is {_in_words(dtype)}"
        + (f", made by {producers[name]}" if producers and name in producers else "")
        for name, dtype in outputs
        if not is_numeric(dtype)
    ]
    if odd:
        raise UnsupportedError(
            f"{'outputs are' if len(odd) > 1 else 'an output is'} no tensor of numbers: "
            f"{'; '.join(odd)}",
            hint=next((hint for _, dtype in outputs if (hint := _hint(dtype))), "")
            or "onnxruntime:cpu runs dictionaries; or export the model without them "
            "(for ZipMap of scikit-learn: options={'zipmap': False})",
        )


def is_text(dtype: str) -> bool:
    """Whether numpy keeps such values as objects; only runtimes that take texts say so."""
    return dtype == "object"


def is_numeric(dtype: str) -> bool:
    """Whether numpy has numbers of that type."""
    return _NUMERIC.fullmatch(dtype) is not None


def _hint(dtype: str) -> str:
    """What to do about numbers that numpy does not have; empty for what are no numbers."""
    if not dtype.startswith(("bfloat", "float", "int", "uint")):
        return ""
    return f"make it float32: edgecnn convert MODEL --to onnx:float32, or a Cast from {dtype}"


def _in_words(dtype: str) -> str:
    return "text (string)" if dtype == "string" else dtype


def _no_shape(part: str) -> InputError:
    return InputError(
        f"expected a shape such as 1x224x224x3 or name=1x16, received: {part}",
        hint="one for each input that has open sizes; the batch is --batch",
    )


def _assigned(
    shapes: Sequence[tuple[str, Sequence[Dimension] | None]],
    given: Mapping[str, tuple[int, ...]],
) -> dict[str, tuple[int, ...]]:
    """The given shape of each input; one without a name goes to the only input it can mean."""
    known = [name for name, _ in shapes]
    unknown = [name for name in given if name and name not in known]
    unnamed = given.get("")
    can_mean = [name for name, shape in shapes if name not in given and _has_open(shape)]
    can_mean = known if len(known) == 1 else can_mean
    if unknown or (unnamed and len(can_mean) != 1):
        listed = ", ".join(f"{name} {_show(shape)}" for name, shape in shapes)
        which = f"no input is called {unknown[0]!r}" if unknown else "the shape needs a name"
        raise InputError(
            f"{which}; the inputs are {listed}", hint=f"--shape {known[0] if known else 'x'}=…"
        )
    named = {name: shape for name, shape in given.items() if name}
    return {**named, can_mean[0]: unnamed} if unnamed else named


def _fix(
    name: str,
    shape: Shape | None,
    batch: int,
    wanted: tuple[int, ...] | None,
    *,
    asked: bool,
    channels: int,
) -> tuple[int, ...]:
    if shape is None and wanted is None and asked:
        sizes = "1x224x224x3" if channels == 3 else "1x3x224x224"
        raise InputError(
            f"input {name!r} does not say how many dimensions it has",
            hint=f"pass its shape, as in --shape {name}={sizes}",
        )
    if shape is None:
        shape = (None,) * len(wanted or ())
    declared = shape
    if shape and is_open(shape[0]):
        shape = (batch, *shape[1:])
    if wanted is not None:
        shape = _filled(name, declared, shape, wanted)
    if asked and any(is_open(size) for size in shape):
        side, rank = example_side(len(shape)), len(shape)
        examples = [_CHANNELS if (rank, axis) == (4, channels) else side for axis in range(rank)]
        sizes = "x".join(
            str(example if is_open(size) else size)
            for example, size in zip(examples, shape, strict=True)
        )
        raise InputError(
            f"input {name!r} has shape {_show(shape)}: every dimension but the batch needs a size",
            hint=f"pass it, as in --shape {name}={sizes}",
        )
    return tuple(size if isinstance(size, int) and size >= 0 else ASSUMED for size in shape)


def _filled(name: str, declared: Shape, shape: Shape, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with the wanted sizes, which fit what is declared and the batch."""
    whole = (shape[0], *wanted) if shape and len(wanted) == len(shape) - 1 else wanted
    fits = len(whole) == len(shape) and all(
        is_open(have) or have == want for have, want in zip(shape, whole, strict=True)
    )
    if not fits:
        batched = bool(declared) and is_open(declared[0])
        raise InputError(
            f"--shape {name}={'x'.join(map(str, wanted))} does not fit: the model declares "
            f"{_show(declared)}" + (f", the batch is {shape[0]}" if batched else ""),
            hint="sizes that the model fixes stay; the batch is --batch",
        )
    return tuple(int(size) for size in whole if size is not None)


def _has_open(shape: Sequence[Dimension] | None) -> bool:
    return shape is None or any(is_open(size) for size in tuple(shape)[1:])


def _show(shape: Sequence[Dimension] | None) -> str:
    if shape is None:
        return "of open rank"
    sizes = [
        ("?" if size is None or isinstance(size, int) else size) if is_open(size) else str(size)
        for size in shape
    ]
    return f"({', '.join(sizes)})"
