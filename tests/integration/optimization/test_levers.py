"""Each lever on a network where it matters, through the real quantizers and runtimes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.conversion.convert import open_converter
from edgecnn.conversion.converter import Converter
from edgecnn.conversion.inference.run import predict
from edgecnn.conversion.quantizers import weight_adjustment
from edgecnn.conversion.quantizers.onnx import prepared
from edgecnn.conversion.quantizers.rounding import plain
from edgecnn.conversion.quantizers.weight_adjustment import adjust_weights
from edgecnn.conversion.quantizers.weighted import open_weighted, with_weights
from edgecnn.conversion.recipe import PRESETS, Recipe
from edgecnn.conversion.targets import Target
from edgecnn.conversion.verification.verify import load_session
from edgecnn.optimization.layers import ranked
from tests.integration.optimization.conftest import SHAPE, digits, seeded, solved

pytestmark = pytest.mark.slow

FORMATS = ("tflite", "onnx")
INT8 = PRESETS["static_int8"]


Converting = Callable[[Callable[[], Any]], Converter]


@pytest.fixture(scope="module")
def converting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Converting]:
    """A network on its way to any recipe; its float files are made once."""
    prepare = digits().preprocessing(SHAPE)
    known: dict[str, Converter] = {}
    with ExitStack() as opened_ones:

        def converter(build: Callable[[], Any]) -> Converter:
            if build.__name__ not in known:
                known[build.__name__] = opened_ones.enter_context(
                    open_converter(
                        build(),
                        calibration=digits(),
                        out=tmp_path_factory.mktemp(build.__name__),
                        samples=64,
                        preprocessing=prepare,
                    )
                )
            return known[build.__name__]

        yield converter


def tensors(count: int = 64) -> list[np.ndarray]:
    data = digits()
    prepare = data.preprocessing(SHAPE)
    return [prepare(data["test"].samples[index])[None] for index in range(count)]


def snr(
    converter: Converter, file_format: str, recipe: Recipe, folder: Path, part: Any = None
) -> float:
    """Decibels of the outputs (of a `part` of them) on samples that did not calibrate."""
    path = folder / f"{recipe.name}.{file_format}"
    converter.write(Target.of(file_format, recipe), path)
    found = predict(load_session(path), tensors())[0].astype(np.float64)
    real = converter.reference(tensors())[0].astype(np.float64)
    if part is not None:
        found, real = found[..., part], real[..., part]
    return float(10 * np.log10((real**2).sum() / ((found - real) ** 2).sum()))


def depthwise_net() -> Any:
    """Depthwise and 1×1 convolutions with batch normalization, as MobileNetV2 has them, and with
    its channels of very different ranges.
    """
    import keras
    from keras.layers import BatchNormalization, Conv2D, DepthwiseConv2D, ReLU

    seeded(1)
    inputs = keras.Input(SHAPE, name="picture")
    x = Conv2D(12, 3, padding="same", use_bias=False)(inputs)
    x = ReLU(6.0)(BatchNormalization()(x))
    for _ in range(2):
        x = DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = ReLU(6.0)(BatchNormalization()(x))
        x = Conv2D(12, 1, use_bias=False)(x)
        x = BatchNormalization()(x)
    spread(keras.Model(inputs, x))
    return solved(inputs, x)


def spread(model: Any) -> None:
    """Kernels whose outputs have ranges up to 16 times apart, as training makes them."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if "conv" in layer.name:
            kernel, *others = layer.get_weights()
            outputs = kernel.shape[2 if "depthwise" in layer.name else 3]
            factors = 2.0 ** generator.uniform(-4, 0, outputs)
            shape = (outputs, 1) if "depthwise" in layer.name else (1, outputs)
            layer.set_weights([kernel * factors.reshape(shape), *others])


def swish_net() -> Any:
    """Hard-swish and squeeze-and-excitation, as MobileNetV3 has them."""
    import keras
    from keras.layers import Conv2D, GlobalAveragePooling2D, Multiply

    seeded(2)
    inputs = keras.Input(SHAPE, name="picture")
    x = Conv2D(12, 3, padding="same", activation="hard_swish")(inputs)
    squeezed = GlobalAveragePooling2D(keepdims=True)(x)
    squeezed = Conv2D(4, 1, activation="relu")(squeezed)
    excited = Conv2D(12, 1, activation="hard_sigmoid")(squeezed)
    x = Multiply()([x, excited])
    x = Conv2D(12, 3, activation="hard_swish")(x)
    spread(keras.Model(inputs, x))
    return solved(inputs, x)


def outlier_net() -> Any:
    """A channel that is a thousand times the others, and divided away right behind."""
    import keras
    from keras.layers import Conv2D

    seeded(3)
    inputs = keras.Input(SHAPE, name="picture")
    first = Conv2D(8, 3, activation="relu", name="loud")
    second = Conv2D(12, 3, activation="relu", name="behind")
    features = second(first(inputs))
    kernel, bias = first.get_weights()
    kernel[..., 0] *= 1000.0
    first.set_weights([kernel, bias])
    kernel, bias = second.get_weights()
    kernel[:, :, 0, :] /= 1000.0
    second.set_weights([kernel, bias])
    return solved(inputs, features)


def shared_output_net() -> Any:
    """A detector's answer in one tensor: boxes in pixels and scores below 1."""
    import keras
    from keras.layers import Concatenate, Conv2D, Rescaling

    seeded(4)
    inputs = keras.Input(SHAPE, name="picture")
    x = Conv2D(8, 3, padding="same", activation="relu")(inputs)
    boxes = Rescaling(300.0, name="pixels")(Conv2D(4, 1, activation="sigmoid", name="boxes")(x))
    scores = Conv2D(1, 1, activation="sigmoid", name="scores")(x)
    return keras.Model(inputs, Concatenate(name="answer")([boxes, scores]), name="sharing")


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("build", [depthwise_net, swish_net], ids=lambda build: build.__name__)
def test_rounding_by_the_output_brings_outputs_nearer(
    build, converting: Converting, file_format: str, tmp_path: Path
):
    """The weights alone are rounded here: what integers of activations add is the same noise."""
    converter = converting(build)
    coarse = replace(INT8, granularity="tensor")
    source, real = converter.float_file(file_format), converter.reference(tensors())[0]
    with prepared(source) if file_format == "onnx" else nullcontext(source) as path:
        file = open_weighted(path)
        rounded = [with_weights(each, plain(each, "tensor")) for each in file.layers]
        file.write(rounded, tmp_path / f"nearest.{file_format}")
        adapted = tmp_path / f"adapted.{file_format}"
        done = adjust_weights(path, replace(coarse, rounding="adaround"), tensors(), adapted)
    errors = [
        float(((predict(load_session(each), tensors())[0] - real) ** 2).sum())
        for each in (tmp_path / f"nearest.{file_format}", adapted)
    ]
    assert done.rounded == len(file.layers) > 3
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.parametrize("file_format", FORMATS)
def test_weights_are_rounded_once_whichever_layers_stay_in_float(
    converting: Converting, file_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    real = weight_adjustment.rounded

    def counted(layer: Any, *arguments: Any) -> Any:
        asked.append(layer.name)
        return real(layer, *arguments)

    monkeypatch.setattr(weight_adjustment, "rounded", counted)
    converter = converting(depthwise_net)
    adapted = replace(INT8, rounding="adaround")
    first = open_weighted(converter.float_file(file_format)).layers[0].name
    kept = adapted.keeping({first: "float32"})
    for number, recipe in enumerate((adapted, kept)):
        converter.write(Target.of(file_format, recipe), tmp_path / f"{number}.{file_format}")
    assert len(asked) == len(set(asked)) > 3


@pytest.mark.parametrize("file_format", FORMATS)
def test_even_ranges_rescue_a_tensor_with_one_loud_channel(
    converting: Converting, file_format: str, tmp_path: Path
):
    coarse = replace(INT8, granularity="tensor")
    converter = converting(outlier_net)
    before = snr(converter, file_format, coarse, tmp_path)
    after = snr(converter, file_format, replace(coarse, equalized=True), tmp_path)
    assert after > before + 6.0


@pytest.mark.parametrize("file_format", FORMATS)
def test_two_layers_in_float_rescue_a_range_that_ruins_all_channels(
    converting: Converting, file_format: str, tmp_path: Path
):
    kept = INT8.keeping({"loud": "float32", "behind": "float32"})
    converter = converting(outlier_net)
    before = snr(converter, file_format, INT8, tmp_path)
    after = snr(converter, file_format, kept, tmp_path)
    assert after > before + 6.0


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("kept", [(), ("boxes",), ("answer", "pixels")], ids="+".join)
def test_scores_that_share_a_tensor_with_boxes_keep_their_levels(
    converting: Converting, file_format: str, kept: tuple[str, ...], tmp_path: Path
):
    """The join stays in float, whatever else does: in int8 the scores had 0 dB."""
    recipe = INT8.keeping(dict.fromkeys(kept, "float32"))
    assert snr(converting(shared_output_net), file_format, recipe, tmp_path, part=4) > 30.0


@pytest.mark.parametrize("comparable", [True, False])
def test_layers_are_ranked_by_noise_alone_where_outputs_cannot_be_compared(
    converting: Converting, comparable: bool
):
    converter = converting(outlier_net)
    samples = tensors(8)
    reference = converter.reference(samples)
    if not comparable:
        reference = [np.concatenate([each, each], axis=-1) for each in reference]
    costs = ranked(converter, "tflite", INT8, samples, reference, configuration="litert:cpu")
    assert any(cost.share is not None for cost in costs) is comparable
    assert len(costs) > 3


def test_single_layers_may_have_sixteen_bit_activations(converting: Converting, tmp_path: Path):
    kept = INT8.keeping({"loud": "int16", "behind": "int16"})
    converter = converting(outlier_net)
    before = snr(converter, "tflite", INT8, tmp_path)
    after = snr(converter, "tflite", kept, tmp_path)
    assert after > before + 6.0


def pointwise_net() -> Any:
    """1×1 convolutions: one wild pixel stays one."""
    import keras
    from keras.layers import Conv2D

    seeded(5)
    inputs = keras.Input(SHAPE, name="picture")
    x = Conv2D(6, 1, activation="relu")(inputs)
    x = Conv2D(6, 1, activation="relu")(x)
    return solved(inputs, x)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_range_without_the_rarest_values_ignores_a_pixel_gone_wild(
    file_format: str, tmp_path: Path
):
    data = digits()
    train = data["train"]
    wild = train.samples[:400].astype(np.float32)
    wild[0, 4, 4] = 60 * 255.0
    few = replace(train, samples=wild, labels=train.labels[:400])
    odd = replace(data, splits={**data.splits, "train": few})
    prepare = data.preprocessing(SHAPE)
    with open_converter(
        pointwise_net(), calibration=odd, out=tmp_path / "files", samples=400, preprocessing=prepare
    ) as converter:
        before = snr(converter, file_format, INT8, tmp_path)
        after = snr(converter, file_format, replace(INT8, calibration="percentile"), tmp_path)
    assert after > before + 10.0


@pytest.mark.parametrize("file_format", FORMATS)
def test_ranges_of_least_error_are_no_worse_where_nothing_is_wild(
    converting: Converting, file_format: str, tmp_path: Path
):
    converter = converting(swish_net)
    before = snr(converter, file_format, INT8, tmp_path)
    after = snr(converter, file_format, replace(INT8, calibration="mse"), tmp_path)
    assert after > before - 3.0
    assert after != before


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_layer_that_the_file_does_not_have_is_named(
    converting: Converting, file_format: str, tmp_path: Path
):
    from edgecnn.errors import InputError

    converter = converting(outlier_net)
    with pytest.raises(InputError, match="unknown layer 'behnd'") as caught:
        snr(converter, file_format, INT8.keeping({"behnd": "float32"}), tmp_path)
    assert "behind" in caught.value.hint


@pytest.mark.parametrize("file_format", FORMATS)
def test_corrected_biases_take_the_mean_error_away(
    converting: Converting, file_format: str, tmp_path: Path
):
    coarse = replace(INT8, granularity="tensor")
    converter = converting(depthwise_net)
    errors = []
    for recipe in (coarse, replace(coarse, bias_corrected=True)):
        path = tmp_path / f"{recipe.name}.{file_format}"
        converter.write(Target.of(file_format, recipe), path)
        found = predict(load_session(path), tensors())[0]
        real = converter.reference(tensors())[0]
        errors.append(np.abs((found - real).mean(axis=0)).mean())
    assert errors[1] < errors[0]
