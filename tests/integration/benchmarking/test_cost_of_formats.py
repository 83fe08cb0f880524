"""One network in three formats costs the same, and what is known of it from its paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.cost import UncountableError, cost_of

pytest.importorskip("tensorflow")

# LeCun et al. 1998, fig. 2: outputs × window × channels in of C1, C3 (here connected to all
# maps of S2), C5, then F6 and the ten classes.
LENET5_MACS = 28 * 28 * 6 * 25 + 10 * 10 * 16 * 25 * 6 + 120 * 400 + 120 * 84 + 84 * 10
LENET5_PARAMETERS = 6 * 26 + 16 * 151 + 120 * 401 + 84 * 121 + 10 * 85


@pytest.fixture(scope="module")
def lenet5(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import edgecnn

    folder = tmp_path_factory.mktemp("cost")
    model = edgecnn.models.build("lenet5")
    rng = np.random.default_rng(0)  # converters drop a bias of zeros
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    path = folder / "lenet5.keras"
    model.save(path)
    files = {"keras": path}
    for target in ("tflite:float32", "tflite:float16", "onnx:float32"):
        files[target] = edgecnn.convert(model, target, out=folder).path
    return files


@pytest.mark.parametrize("target", ["keras", "tflite:float32", "tflite:float16", "onnx:float32"])
def test_lenet5_costs_what_its_paper_says_in_every_format(target: str, lenet5: dict[str, Path]):
    cost = cost_of(lenet5[target])
    assert cost.macs == LENET5_MACS == 416_520
    assert cost.parameters == LENET5_PARAMETERS == 61_706
    biases = 6 + 16 + 120 + 84 + 10  # float32 beside weights in float16
    size = 2 if target == "tflite:float16" else 4
    assert cost.weight_bytes == (LENET5_PARAMETERS - biases) * size + biases * 4


def test_all_formats_move_about_as_much(lenet5: dict[str, Path]):
    moved = [cost_of(path).activation_bytes for path in lenet5.values()]
    assert max(moved) <= 1.01 * min(moved)


def test_layers_of_every_kind_are_counted(tmp_path: Path):
    from keras import Input, Model, Sequential, layers

    inner = Sequential([Input((8, 8, 4)), layers.Conv2D(4, 1, use_bias=False)])
    data = Input((8, 8, 4))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(data)
    x = layers.SeparableConv2D(6, 3, padding="same", use_bias=False)(x)
    x = layers.Conv2D(4, 3, padding="same", groups=2, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([inner(x), inner(data)])
    x = layers.Conv2DTranspose(2, 2, strides=2, use_bias=False)(x)
    x = layers.Dense(3, use_bias=False)(layers.Flatten()(x))
    path = tmp_path / "kinds.keras"
    Model(data, x).save(path)
    places = 8 * 8
    expected = (
        places * 4 * 9  # depthwise
        + places * (4 * 9 + 4 * 6)  # separable
        + places * 4 * 9 * 3  # two groups of three
        + 2 * places * 4 * 4  # the inner model, called twice
        + places * 4 * (2 * 4)  # transposed: each input to two times two places and channels
        + 16 * 16 * 2 * 3  # dense
    )
    assert cost_of(path).macs == expected


def test_recurrent_layers_are_refused_by_name(tmp_path: Path):
    from keras import Sequential, layers

    path = tmp_path / "lstm.keras"
    Sequential([layers.Input((5, 3)), layers.LSTM(2)]).save(path)
    with pytest.raises(UncountableError, match="LSTM"):
        cost_of(path)


def test_resnet18_costs_what_is_known_of_it(tmp_path: Path):
    # He et al. 2016: 1.8 GMACs at 224×224; counted here layer by layer.
    from keras import Input, Model, layers

    def unit(x: object, channels: int, stride: int) -> object:
        y = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(channels, 3, padding="same", use_bias=False)(y)
        y = layers.BatchNormalization()(y)
        if stride > 1:
            x = layers.Conv2D(channels, 1, stride, use_bias=False)(x)
            x = layers.BatchNormalization()(x)
        return layers.ReLU()(layers.Add()([x, y]))

    data = Input((224, 224, 3))
    x = layers.Conv2D(64, 7, 2, padding="same", use_bias=False)(data)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for channels in (64, 128, 256, 512):
        x = unit(x, channels, 1 if channels == 64 else 2)
        x = unit(x, channels, 1)
    x = layers.Dense(1000)(layers.GlobalAveragePooling2D()(x))
    path = tmp_path / "resnet18.keras"
    Model(data, x).save(path)
    cost = cost_of(path)
    assert cost.macs == 1_814_073_344
    running = 2 * (64 + 4 * 64 + 5 * 128 + 5 * 256 + 5 * 512)  # means and variances
    assert cost.parameters == 11_689_512 + running
