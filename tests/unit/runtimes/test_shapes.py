"""Open dimensions: the batch is filled in, everything else must be fixed."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import InputError, UnsupportedError
from edgecnn.manifest import TensorSpec
from edgecnn.runtimes.shapes import check_dtype, fix_shapes
from edgecnn.runtimes.tensors import from_model, guess_layout, to_model


@pytest.mark.parametrize("open_batch", [None, -1, "batch"])
def test_an_open_batch_becomes_the_size_asked_for(open_batch: int | str | None) -> None:
    assert fix_shapes([("x", (open_batch, 8, 8, 3))], 4) == [(4, 8, 8, 3)]


def test_a_fixed_batch_must_be_the_one_asked_for() -> None:
    assert fix_shapes([("x", (2, 8))], 2) == [(2, 8)]
    with pytest.raises(InputError, match="exactly 2, asked for: 1"):
        fix_shapes([("x", (2, 8))], 1)


def test_an_input_that_is_no_batch_does_not_decide() -> None:
    assert fix_shapes([("picture", (None, 8)), ("threshold", ())], 3) == [(3, 8), ()]
    assert fix_shapes([("picture", (None, 8)), ("anchors", (50, 4))], 3) == [(3, 8), (50, 4)]


def test_other_open_dimensions_are_named() -> None:
    with pytest.raises(InputError, match=r"'x' has shape \(1, height, \?, 3\)"):
        fix_shapes([("x", ("n", "height", -1, 3))], 1)


def test_what_stays_open_is_asked_for_by_name() -> None:
    with pytest.raises(InputError) as caught:
        fix_shapes([("x", (1, None, "width", 3))], 1)
    assert "--shape x=1x224x224x3" in caught.value.hint
    with pytest.raises(InputError, match="how many dimensions") as caught:
        fix_shapes([("x", None)], 1)
    assert "--shape x=" in caught.value.hint


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


@pytest.mark.parametrize("dtype", ["string", "bfloat16", "complex64", "resource", "int4"])
def test_what_numpy_has_no_numbers_for_is_unsupported(dtype: str) -> None:
    with pytest.raises(UnsupportedError, match=dtype):
        check_dtype("x", dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int64", "bool"])
def test_numbers_are_fed(dtype: str) -> None:
    check_dtype("x", dtype)


def test_pictures_are_brought_to_channels_first_and_quantised() -> None:
    spec = TensorSpec("x", (1, 3, 2, 4), "int8", "NCHW", scale=0.5, zero_point=-10)
    picture = np.random.default_rng(0).random((1, 2, 4, 3), np.float32) * 100
    stored = to_model(picture, spec)
    assert (stored.shape, stored.dtype) == ((1, 3, 2, 4), np.int8)
    back = from_model(stored, spec).transpose(0, 2, 3, 1)
    reachable = picture < (127 + 10) * 0.5
    np.testing.assert_allclose(back[reachable], picture[reachable], atol=0.25)
    assert (stored.transpose(0, 2, 3, 1)[~reachable] == 127).all()


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((1, 3, 8, 8), "NCHW"), ((1, 8, 8, 3), "NHWC"), ((1, 10), "NC"), ((1,), "")],
)
def test_a_layout_is_guessed_by_where_the_channels_stand(
    shape: tuple[int, ...], layout: str
) -> None:
    assert guess_layout(shape) == layout


def test_a_model_without_an_input_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="takes no input"):
        fix_shapes([], 1)


def test_a_scalar_stays_a_scalar() -> None:
    assert to_model(np.array(0.5), TensorSpec("gain", (), "float32")).shape == ()
