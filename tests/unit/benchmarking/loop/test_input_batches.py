"""Inputs for the timed loop: distinct, bounded in bytes, the first to be had alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.loop.input_batches import POOL_BYTES, POOL_SIZE, Inputs, pool_size
from edgecnn.errors import InputError
from edgecnn.manifest import TensorSpec
from edgecnn.synthetic_inputs import SyntheticInputs

SMALL = TensorSpec("input", (1, 4, 4, 3), "float32", "NHWC")
LARGE = TensorSpec("input", (1, 1080, 1920, 3), "float32", "NHWC")
FIRST = TensorSpec("input", (1, 3, 1080, 1920), "uint8", "NCHW", 1 / 255, 0)


def synthetic(*specs: TensorSpec, batch: int = 1) -> Inputs:
    made = SyntheticInputs(specs, pool_size(specs, 1), batch=batch)
    return Inputs(specs, batch, synthetic=made)


def test_small_inputs_fill_the_pool_and_large_ones_only_its_bytes():
    assert pool_size([SMALL], 1) == POOL_SIZE
    assert pool_size([LARGE], 1) == POOL_BYTES // (1080 * 1920 * 3 * 4)
    assert pool_size([LARGE, LARGE, LARGE], 8) == 2


def test_one_network_has_one_pool_in_every_format():
    assert pool_size([LARGE], 1) == pool_size([FIRST], 1)


@pytest.mark.parametrize("batch", [1, 3])
def test_the_first_batch_alone_is_the_first_of_the_pool(batch: int):
    spec = TensorSpec("input", (batch, 4, 4, 3), "float32", "NHWC")
    inputs = synthetic(spec, batch=batch)
    (first,) = inputs.first()
    assert first.shape == (batch, 4, 4, 3)
    np.testing.assert_array_equal(first, inputs.pool(inputs.arrays())[0][0])


def test_samples_of_a_file_are_spread_over_all_of_it(tmp_path: Path):
    path = tmp_path / "samples.npy"
    np.save(path, np.arange(320, dtype=np.float32).reshape(320, 1, 1, 1))
    spec = TensorSpec("input", (1, 1, 1, 1), "float32", "NHWC")
    inputs = Inputs([spec], 1, samples=path)
    assert [float(batch[0].item()) for batch in inputs.pool(inputs.arrays())] == list(
        range(0, 320, 10)
    )
    assert float(inputs.first()[0].item()) == 0.0
    assert sum(1 for _ in inputs.batches(inputs.arrays())) == 320


def test_samples_of_a_file_can_be_written(tmp_path: Path):
    """OpenVINO refuses arrays that cannot be."""
    path = tmp_path / "samples.npy"
    np.save(path, np.zeros((3, 4, 4, 3), np.float32))
    inputs = Inputs([SMALL], 1, samples=path)
    assert all(batch[0].flags.writeable for batch in inputs.batches(inputs.arrays()))


def test_the_last_batch_is_filled_with_the_first_samples(tmp_path: Path):
    path = tmp_path / "samples.npy"
    np.save(path, np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1))
    spec = TensorSpec("input", (2, 1, 1, 1), "float32", "NHWC")
    inputs = Inputs([spec], 2, samples=path)
    batches = [batch[0].ravel().tolist() for batch in inputs.batches(inputs.arrays())]
    assert batches == [[0, 1], [2, 3], [4, 0]]


def test_one_tensor_a_sample_does_not_feed_two_inputs(tmp_path: Path):
    with pytest.raises(InputError, match=r"takes 2 inputs \(a .*, b "):
        Inputs([replaced(SMALL, "a"), replaced(SMALL, "b")], 1, samples=tmp_path / "s.npy")


def test_a_folder_feeds_each_input_by_its_name(tmp_path: Path):
    np.save(tmp_path / "0.npy", np.zeros((3, 4, 4, 3), np.float32))
    np.save(tmp_path / "1.npy", np.arange(6, dtype=np.int32).reshape(3, 2))
    (tmp_path / "inputs.json").write_text('["image", "ids"]')
    specs = [TensorSpec("ids", (1, 2), "int32", "NL"), replaced(SMALL, "image")]
    inputs = Inputs(specs, 1, samples=tmp_path)
    ids = [batch[0].tolist() for batch in inputs.batches(inputs.arrays())]
    assert ids == [[[0, 1]], [[2, 3]], [[4, 5]]]
    assert [array.shape for array in inputs.first()] == [(1, 2), (1, 4, 4, 3)]


def replaced(spec: TensorSpec, name: str) -> TensorSpec:
    return TensorSpec(name, spec.shape, spec.dtype, spec.layout)


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("small", (None, 4, 4, 3), "float32", "NHWC"),
        TensorSpec("large", (None, 200, 300, 3), "float32", "NHWC"),
        TensorSpec("channels_first", (None, 3, 200, 300), "float32", "NCHW"),
        TensorSpec("bytes", (None, 200, 300, 3), "uint8", "NHWC", scale=0.5, zero_point=3),
        TensorSpec("levels", (None, 200, 300, 3), "uint8", "NHWC"),
        TensorSpec("vector", (None,), "float32", ""),
        TensorSpec("mask", (None, 70_000), "int64", "NL"),
        TensorSpec("scalar", (), "float32", ""),
    ],
    ids=lambda spec: spec.name,
)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_first_batch_is_written_in_place_and_equals_the_pools(spec, batch):
    made = SyntheticInputs([spec], 4, batch=batch)
    inputs = Inputs([spec], batch, synthetic=made)
    (first,) = inputs.first()
    (pooled,) = next(inputs.batches(inputs.arrays()))
    assert first.dtype == pooled.dtype == spec.dtype
    assert first.flags.c_contiguous
    np.testing.assert_array_equal(first, pooled)
