"""Keras networks odd in one way each, TFLite made of them, and files that are no models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from odd_onnx_builder import FLOAT, Build, save, value


def _networks() -> Iterator[tuple[str, Callable[[], Any]]]:
    import keras

    layers, take = keras.layers, keras.Input
    line = keras.Sequential

    yield "dense", lambda: line([take((8,)), layers.Dense(3)])
    yield "rescaling", lambda: line([take((8, 8, 3)), layers.Rescaling(1 / 255), layers.Flatten()])
    yield (
        "channels_first",
        lambda: line([take((3, 8, 8)), layers.Permute((2, 3, 1)), layers.Conv2D(2, 3)]),
    )
    yield "embedding", lambda: line([take((6,), dtype="int32"), layers.Embedding(11, 4)])
    yield (
        "open_sizes",
        lambda: line([take((None, None, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]),
    )
    yield "lstm", lambda: line([take((8, 3)), layers.LSTM(4)])
    yield "lstm_unrolled", lambda: line([take((8, 3)), layers.LSTM(4, unroll=True)])
    yield "conv_3d", lambda: line([take((8, 8, 8, 1)), layers.Conv3D(2, 3), layers.Flatten()])
    yield "upsampling", lambda: line([take((8, 8, 3)), layers.UpSampling2D(2)])
    yield "attention", _attention
    yield "two_inputs", _two_inputs
    yield "dropout_only", lambda: line([take((8,)), layers.Dropout(0.5)])


def _attention() -> Any:
    import keras

    tokens = keras.Input((6, 8))
    attended = keras.layers.MultiHeadAttention(2, 4)(tokens, tokens)
    return keras.Model(tokens, attended)


def _two_inputs() -> Any:
    import keras

    first, second = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    return keras.Model([first, second], keras.layers.Subtract()([first, second]))


def keras_models() -> Iterator[tuple[str, Build]]:
    """(file name, what writes it): .keras files, and .tflite files of the same networks."""

    def as_tflite(make: Callable[[], Any]) -> Build:
        import tensorflow as tf

        def build(path: Path) -> None:
            path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(make()).convert())

        return build

    for name, make in _networks():
        yield f"{name}.keras", lambda path, make=make: make().save(path)
        if name not in ("lstm",):  # the converter refuses it without TensorFlow's own operators
            yield f"{name}.tflite", as_tflite(make)


def files() -> Iterator[tuple[str, Build]]:
    """(file name, what writes it): what is not a model, or reads more than itself."""
    for name, content in {
        "pointer.onnx": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "page.tflite": b"<!DOCTYPE html><html><body>Sign in</body></html>",
        "empty.keras": b"",
        "zeros.tflite": bytes(4_096),
        "text.onnx": b"not a model",
    }.items():
        yield name, lambda path, content=content: _write(path, content)
    yield "tflite_inside.onnx", lambda path: _write(path, b"\x1c\0\0\0TFL3" + bytes(64))
    yield "weights_outside.onnx", lambda path: _with_weights(path, "../../etc/passwd")
    yield "weights_missing.onnx", lambda path: _with_weights(path, "lost.bin")


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _with_weights(path: Path, location: str) -> None:
    from onnx import TensorProto, helper

    weights = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=location)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "w", [value("x", (4,))], [value("y", (4,))], [weights])
    save(graph, path)
