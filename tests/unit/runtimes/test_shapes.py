"""Open dimensions: the batch is filled in, everything else must be fixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.signature import Signature, Value
from edgecnn.manifest import TensorSpec
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.declared import assumptions, fixed_batch, fixed_inputs
from edgecnn.runtimes.shapes import check_dtype, fix_shapes
from edgecnn.runtimes.tensors import from_model, to_model


@pytest.mark.parametrize("open_batch", [None, -1, "batch"])
def test_an_open_batch_becomes_the_size_asked_for(open_batch: int | str | None) -> None:
    assert fix_shapes([("x", (open_batch, 8, 8, 3))], 4) == [(4, 8, 8, 3)]


def test_what_a_model_fixes_is_kept() -> None:
    assert fix_shapes([("x", (2, 8))], 2) == [(2, 8)]
    assert fix_shapes([("x", (2, 8))], 1) == [(2, 8)]
    assert fix_shapes([("a", (4, 6)), ("b", (3, 6))], 1) == [(4, 6), (3, 6)]


def test_a_batch_that_no_input_takes_is_refused() -> None:
    with pytest.raises(InputError, match="exactly 2, asked for: 4"):
        fix_shapes([("x", (2, 8))], 4)
    with pytest.raises(InputError, match="has no batch axis, asked for: 4"):
        fix_shapes([("x", (5,)), ("gain", ())], 4)


def test_an_input_that_is_no_batch_does_not_decide() -> None:
    assert fix_shapes([("picture", (None, 8)), ("threshold", ())], 3) == [(3, 8), ()]
    assert fix_shapes([("picture", (None, 8)), ("anchors", (50, 4))], 3) == [(3, 8), (50, 4)]


def test_other_open_dimensions_are_1() -> None:
    assert fix_shapes([("x", ("n", "length", -1, 3))], 2, images={}) == [(2, 1, 1, 3)]
    assert fix_shapes([("x", None)], 1, images={}) == [()]


def test_where_nothing_is_assumed_every_open_dimension_is_asked_for() -> None:
    with pytest.raises(InputError, match=r"'x' has shape \(1, length, 3\)"):
        fix_shapes([("x", ("n", "length", 3))], 1)
    with pytest.raises(InputError, match="how many dimensions"):
        fix_shapes([("x", None)], 1)


def test_the_size_of_an_image_is_asked_for_by_name() -> None:
    with pytest.raises(InputError, match=r"'x' has shape \(1, \?, width, 3\)") as caught:
        fix_shapes([("x", (1, None, "width", 3))], 1, images={"x": 3})
    assert "--shape x=1x224x224x3" in caught.value.hint
    with pytest.raises(InputError) as caught:
        fix_shapes([("x", (None,) * 4)], 1, images={"x": 1})
    assert "--shape x=1x3x224x224" in caught.value.hint


@pytest.mark.parametrize("given", ["x=1x8x6x3", "1x8x6x3", "8x6x3", "x=8X6x3", " x=1×8×6×3 "])
def test_open_sizes_are_taken_from_what_is_given(given: str) -> None:
    assert fix_shapes([("x", ("n", "height", None, 3))], 1, given) == [(1, 8, 6, 3)]


def test_each_input_has_a_shape_of_its_own() -> None:
    declared = [("ids", (None, None)), ("mask", (None, None)), ("scale", ())]
    assert fix_shapes(declared, 2, "ids=2x16,mask=2x8") == [(2, 16), (2, 8), ()]
    assert fix_shapes([("rank", None), ("fixed", (1, 3))], 1, "1x5") == [(1, 5), (1, 3)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("x=2x8x8x3", "the batch is 1"),
        ("x=1x8x8x4", "does not fit"),
        ("x=1x8x8x3x1", "does not fit"),
        ("x=8", "does not fit"),
        ("y=1x8x8x3", "no input is called 'y'"),
        ("x=1x0x8x3", "expected a shape"),
        ("x=1x-1x8x3", "expected a shape"),
        ("x=axb", "expected a shape"),
        ("x=", "expected a shape"),
        ("x=1x8x8x3,x=1x9x9x3", "expected a shape"),
        ("x=1x8x99999999999x3", "expected a shape"),
        ("x=1x8x\u0661x3", "expected a shape"),
    ],
)
def test_a_shape_that_does_not_fit_says_why(given: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        fix_shapes([("x", (None, None, None, 3))], 1, given)


def test_a_shape_without_a_name_must_mean_one_input() -> None:
    with pytest.raises(InputError, match=r"needs a name; the inputs are a \(1, \?\), b \(1, \?\)"):
        fix_shapes([("a", (1, None)), ("b", (1, None))], 1, "1x4")


@pytest.mark.parametrize("dtype", ["string", "bfloat16", "resource", "int4"])
def test_what_numpy_has_no_numbers_for_is_unsupported(dtype: str) -> None:
    with pytest.raises(UnsupportedError, match=dtype):
        check_dtype("x", dtype)


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "int8", "uint8", "int64", "bool", "complex64"]
)
def test_numbers_are_fed(dtype: str) -> None:
    check_dtype("x", dtype)


def test_images_are_brought_to_channels_first_and_quantized() -> None:
    spec = TensorSpec("x", (1, 3, 2, 4), "int8", "NCHW", scale=0.5, zero_point=-10)
    image = np.random.default_rng(0).random((1, 2, 4, 3), np.float32) * 100
    stored = to_model(image, spec)
    assert (stored.shape, stored.dtype) == ((1, 3, 2, 4), np.int8)
    back = from_model(stored, spec).transpose(0, 2, 3, 1)
    reachable = image < (127 + 10) * 0.5
    np.testing.assert_allclose(back[reachable], image[reachable], atol=0.25)
    assert (stored.transpose(0, 2, 3, 1)[~reachable] == 127).all()


def test_a_model_without_an_input_has_no_shapes() -> None:
    assert fix_shapes([], 1) == []


def given(*shapes: tuple[Any, ...] | None, **more: Any) -> Signature:
    values = tuple(Value(f"x{at}", "float32", shape) for at, shape in enumerate(shapes))
    outputs = tuple(Value("y", "float32", shape) for shape in more.pop("outputs", ()))
    return Signature(values, outputs, **more)


BATCHES = [
    (given((4, 8), outputs=[(4, 2)]), 4),
    (given((4, 3, 8, 8), outputs=[(4, 10)]), 4),
    (given((8, 16), (8, 3), outputs=[(8, 1)]), 8),
    (given((8, 10), batched=True), 8),
    (given((None, 8), outputs=[(None, 2)]), None),
    (given((1, 8), outputs=[(1, 2)]), None),
    (given((4, 8), outputs=[(10,)]), None),
    (given((4, 8), outputs=[None]), None),
    (given((4, 8), (3, 8), outputs=[(4, 3)]), None),
    (given((7,), outputs=[(7,)]), None),
    (given((), outputs=[()]), None),
    (given((32, 24, 3), outputs=[(32, 24, 1)]), None),
    (given((3, 32, 24), outputs=[(3, 32, 24)]), None),
    (given(), None),
]


@pytest.mark.parametrize(("signature", "batch"), BATCHES)
def test_a_batch_is_what_all_inputs_and_outputs_count(
    signature: Signature, batch: int | None
) -> None:
    assert fixed_batch(signature) == batch


SAID = [
    (given((4, 8), outputs=[(4, 2)]), "fixes the batch at 4: one inference answers 4 samples"),
    (given((7,), (2, 3)), "no batch axis: one inference counts as one sample, x0 (7), x1 (2, 3)"),
    (given((1, None, 3)), "taken as 1: x0 (1, ?, 3) as (1, 1, 3)"),
    (given(None, open_ranks_are_scalars=True), "taken as 1: x0 of open rank as ()"),
    (given(), "takes no input"),
]


@pytest.mark.parametrize(("signature", "words"), SAID)
def test_a_row_says_what_was_assumed(signature: Signature, words: str) -> None:
    assert words in "; ".join(assumptions(signature, RuntimeOptions()))


def test_of_an_ordinary_model_nothing_is_assumed() -> None:
    assert assumptions(given((None, 8), outputs=[(None, 2)]), RuntimeOptions()) == []
    assert assumptions(given((None, 8, 3)), RuntimeOptions(shape="8x3")) == []


IMAGES = [
    given((None, None, None, 3)),
    given((1, 3, "h", "w")),
    given((1, None, None, 1), operators={"CONV_2D": 2}, channels_last=True),
    given(("n", "c", "height", "width")),
]


@pytest.mark.parametrize("signature", IMAGES)
def test_an_image_is_known_by_its_channels_axes_or_operators(signature: Signature) -> None:
    with pytest.raises(InputError, match="needs a size"):
        fixed_inputs(signature, RuntimeOptions())


@pytest.mark.parametrize(
    "shape", [(1, None, 128), (None, None, None, 8), (None,) * 4, (1, 3, None)]
)
def test_other_open_inputs_are_no_images(shape: tuple[int | None, ...]) -> None:
    (spec,) = fixed_inputs(given(shape), RuntimeOptions())
    assert None not in spec.shape


def test_a_scalar_stays_a_scalar() -> None:
    assert to_model(np.array(0.5), TensorSpec("gain", (), "float32")).shape == ()
