"""Which layers add noise, in files whose quantizer puts a Relu into what is in front of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from edgecnn.conversion.layer_names import short_name, short_names
from edgecnn.conversion.quantizers.onnx import prepared, quantize_onnx
from edgecnn.conversion.recipe import PRESETS
from edgecnn.conversion.verification.sensitivity import LayerNoise, noise_between
from tests.unit.formats.small_models import node, value, write_onnx

RNG = np.random.default_rng(0)
SAMPLES = list(RNG.uniform(size=(16, 1, 3, 12, 12)).astype(np.float32))


def written(path: Path) -> Path:
    """Convolutions "sound", "ruined" and "last", a Relu behind the first two. The largest weights
    of the second meet a channel that is always 0.
    """
    kernels = {name: RNG.normal(size=(4, 4, 3, 3)) for name in ("sound", "ruined", "last")}
    kernels["sound"] = kernels["sound"][:, :3]
    kernels["sound"][0] = 0.0
    kernels["ruined"][:, 0] = 500.0
    source, nodes = "input", []
    for name in kernels:
        nodes.append(node("Conv", [source, f"{name}_kernel"], [f"{name}/Conv"]))
        source = f"{name}/Conv"
        if name != "last":
            nodes.append(node("Relu", [source], [f"{name}/Relu"]))
            source = f"{name}/Relu"
    return write_onnx(
        path,
        nodes,
        initializers=[
            numpy_helper.from_array(kernel.astype(np.float32), f"{name}_kernel")
            for name, kernel in kernels.items()
        ],
        inputs=[value("input", (1, 3, 12, 12))],
        outputs=[value("last/Conv", (1, 4, 6, 6))],
    )


@pytest.fixture(scope="module")
def noises(tmp_path_factory: pytest.TempPathFactory) -> list[LayerNoise]:
    folder = tmp_path_factory.mktemp("noise")
    original, quantized = written(folder / "float32.onnx"), folder / "int8.onnx"
    quantize_onnx(original, PRESETS["static_int8"], quantized, SAMPLES)
    with prepared(original) as folded:
        return noise_between(folded, quantized, SAMPLES)


def test_a_convolution_without_a_tensor_of_its_own_is_ranked_with_its_relu(noises):
    worst = noises[0]
    assert worst.tensors == ("ruined/Conv", "ruined/Relu")
    assert (worst.name, worst.operator) == ("ruined/Conv", "Conv + Relu")


def test_noise_that_an_earlier_layer_added_is_not_charged_again(noises):
    share = {noise.name: noise.share for noise in noises}
    assert share["ruined/Conv"] > 0.9
    assert share["sound/Conv"] < 0.01


def test_every_operator_is_in_the_ranking_once(noises):
    named = [name for noise in noises for name in noise.tensors if noise.operator != "input"]
    everything = ["sound/Conv", "sound/Relu", "ruined/Conv", "ruined/Relu", "last/Conv"]
    assert sorted(named) == sorted(everything)


@pytest.mark.parametrize(
    ("tensor", "name"),
    [
        ("model_1/conv_2/Relu;model_1/conv_2/BiasAdd", "conv_2"),
        ("resnet8_1/block1_1_norm_1/batchnorm/add_1:0", "block1_1_norm_1"),
        ("cnn1d_1/conv1_1/convolution/ExpandDims:0", "conv1_1"),
        ("StatefulPartitionedCall/model_1/probabilities_1/Softmax", "probabilities_1"),
        ("/features/conv/Conv_output_0", "conv"),
        ("probabilities", "probabilities"),
    ],
)
def test_a_tensor_is_called_by_its_layer(tensor: str, name: str):
    assert short_name(tensor) == name


def test_a_layer_of_several_tensors_is_named_once():
    tensors = ["a/norm_1/batchnorm/add_1", "a/relu_1/Relu", "a/norm_1/batchnorm/mul_1"]
    assert short_names(tensors) == ["norm_1", "relu_1"]
