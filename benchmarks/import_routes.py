"""Do networks that other libraries made arrive in TFLite and in ONNX, computing the same?

python benchmarks/import_routes.py [--only NAMES] [--missing] [--without-times] [--out DIR]
    →   benchmarks/results/import_routes.{json,md}

Each network goes in by one or several routes (a `.keras` file, HDF5, weights with an architecture,
a SavedModel, Keras 2, an ONNX or a TFLite file) and is converted to float32 TFLite and ONNX; both
files are compared with the network in its own library, on eight seeded inputs over its whole range.
A row arrives where the largest error is at most 1e-3. Networks are untrained, with batch
normalization set to what it sees, so that nothing is downloaded and answers differ from input to
input. Each network is a process of its own. About twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from networks import RESULTS

from edgecnn.models import applications

if TYPE_CHECKING:
    import keras

TARGETS = ("tflite:float32", "onnx:float32")
NEAR = 1e-3
SAMPLES = 8
APPLICATIONS = {
    "MobileNet": 96, "MobileNetV2": 96, "MobileNetV3Small": 96, "EfficientNetB0": 96,
    "EfficientNetV2B0": 96, "ResNet50": 96, "ResNet50V2": 96, "DenseNet121": 96,
    "NASNetMobile": 96, "InceptionV3": 96, "Xception": 96, "VGG16": 64, "ConvNeXtTiny": 64,
}  # fmt: skip
"""Name → height and width; smaller than their own, since size does not decide what converts."""


RANGES = {"raw": (0, 255), "-1..1": (-1, 1), "caffe": (-124, 151), "imagenet-torch": (-2.1, 2.6)}
"""What a preset makes of pixels."""


def image_classification(library: Any) -> keras.Model:
    """As MLPerf Tiny's: ResNet-8 on 32×32 images, raw pixels."""
    layers = library.layers
    image = library.Input((32, 32, 3), name="picture")
    x = _normed(layers, layers.Conv2D(16, 3, padding="same")(image))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = _normed(layers, layers.Conv2D(filters, 3, strides=strides, padding="same")(x))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        if strides > 1:
            x = layers.Conv2D(filters, 1, strides=strides, padding="same")(x)
        x = layers.Activation("relu")(layers.add([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return library.Model(image, layers.Dense(10, activation="softmax", name="classes")(x))


def keyword_spotting(library: Any) -> keras.Model:
    """As MLPerf Tiny's: depthwise separable convolutions on 49×10 spectrograms."""
    layers = library.layers
    sound = library.Input((49, 10, 1), name="mfcc")
    x = _normed(layers, layers.Conv2D(64, (10, 4), strides=2, padding="same")(sound))
    for _ in range(4):
        x = _normed(layers, layers.DepthwiseConv2D(3, padding="same")(x))
        x = _normed(layers, layers.Conv2D(64, 1)(x))
    x = layers.GlobalAveragePooling2D()(layers.Dropout(0.4)(x))
    return library.Model(sound, layers.Dense(12, activation="softmax", name="words")(x))


def visual_wake_words(library: Any) -> keras.Model:
    """As MLPerf Tiny's: MobileNet of a quarter of the width, 96×96 images, two classes."""
    return library.applications.MobileNet(
        weights=None, alpha=0.25, classes=2, input_shape=(96, 96, 3)
    )


def anomaly_detection(library: Any) -> keras.Model:
    """As MLPerf Tiny's: a dense autoencoder over 640 numbers."""
    layers = library.layers
    x = frames = library.Input((640,), name="frames")
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = _normed(layers, layers.Dense(units)(x))
    return library.Model(frames, layers.Dense(640, name="again")(x))


def two_inputs(library: Any) -> keras.Model:
    """An image with numbers next to it; a mask, edges and a score come out."""
    layers = library.layers
    image, numbers = library.Input((24, 24, 3), name="picture"), library.Input((5,), name="extra")
    x = layers.Conv2D(8, 3, activation="relu")(image)
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="z_mask")(x)
    edges = layers.Conv2DTranspose(2, 3, name="m_edges")(x)
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), numbers])
    return library.Model([image, numbers], [mask, edges, layers.Dense(2, name="score")(both)])


def gated(library: Any) -> keras.Model:
    """Recurrent layers over a signal, unrolled."""
    layers = library.layers
    signal = library.Input((12, 4), name="signal")
    x = layers.LSTM(8, return_sequences=True, unroll=True)(signal)
    x = layers.Bidirectional(layers.GRU(6, unroll=True))(x)
    return library.Model(signal, layers.Dense(3, activation="softmax", name="classes")(x))


def attention(library: Any) -> keras.Model:
    """A small vision transformer: patches, attention, exact GELU."""
    layers = library.layers
    image = library.Input((32, 32, 3), name="picture")
    x = layers.Reshape((16, 48))(layers.Conv2D(48, 8, strides=8)(image))
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(4, 12)(y, y)])
    y = layers.Dense(96, activation="gelu")(layers.LayerNormalization()(x))
    x = layers.Add()([x, layers.Dense(48)(y)])
    x = layers.GlobalAveragePooling1D()(x)
    return library.Model(image, layers.Dense(5, name="classes")(x))


def _normed(layers: Any, tensor: Any) -> Any:
    return layers.Activation("relu")(layers.BatchNormalization()(tensor))


SMALL: Mapping[str, Callable[[Any], Any]] = {
    "image_classification": image_classification,
    "keyword_spotting": keyword_spotting,
    "visual_wake_words": visual_wake_words,
    "anomaly_detection": anomaly_detection,
    "two_inputs": two_inputs,
    "gated": gated,
    "attention": attention,
}
ROUTES = ("keras", "h5", "json+weights", "saved_model", "keras2_h5", "keras2_saved_model",
          "onnx", "tflite")  # fmt: skip
KERAS_3_ONLY = ("attention",)
"""Networks that are not built with Keras 2 here."""


def rows() -> Iterator[tuple[str, str]]:
    """(network, route)."""
    for name in APPLICATIONS:
        yield name, "application"
    for name in SMALL:
        for route in ROUTES:
            if not (route.startswith("keras2") and name in KERAS_3_ONLY):
                yield name, route


def built(name: str, library: Any) -> Any:
    """The network of a library, its batch normalization settled."""
    library.utils.set_random_seed(0)
    model = SMALL[name](library)
    return settled(model)


def settled(model: Any, low: float = 0.0, high: float = 1.0) -> Any:
    """The model after its batch normalization saw its input once, in the range that it will be fed:
    without, activations of an untrained network die out or blow up.
    """
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    if norms:
        rng = np.random.default_rng(1)
        shape = model.input_shape[1:]
        samples = 4 if len(shape) > 1 else 64  # of a vector each gives a layer one number alone
        noise = rng.random((samples, *shape), np.float32)
        model(low + noise * (high - low), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    return model


def given(name: str, route: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """What is passed to `convert`: a path or a name, and options."""
    import keras

    if route == "application":
        size = APPLICATIONS[name]
        build = getattr(keras.applications, name)
        low, high = RANGES[applications.application(name).preset]
        model = build(weights=None, input_shape=(size, size, 3))
        settled(model, low, high).save_weights(folder / "w.weights.h5")
        return name, {"weights": folder / "w.weights.h5", "shape": f"1x{size}x{size}x3"}
    if route.startswith("keras2"):
        return keras_2(name, route, folder), {}
    model = built(name, keras)
    path = folder / f"{name}.{'h5' if route == 'h5' else 'keras'}"
    if route in ("keras", "h5"):
        model.save(path)
        return str(path), {}
    if route == "json+weights":
        (folder / f"{name}.json").write_text(model.to_json())
        model.save_weights(folder / "w.weights.h5")
        return str(folder / f"{name}.json"), {"weights": folder / "w.weights.h5"}
    if route == "saved_model":
        model.export(str(folder / name), format="tf_saved_model", verbose=False)
        return str(folder / name), {}
    from edgecnn.conversion.convert import convert

    model.save(path)
    convert(path, f"{route}:float32", out=folder / "before", samples=SAMPLES)
    return str(folder / "before" / f"{name}_float32.{route}"), {}


def keras_2(name: str, route: str, folder: Path) -> str:
    """The path of a model that Keras 2 saved."""
    import tf_keras

    model = built(name, tf_keras)
    if route == "keras2_h5":
        model.save(folder / f"{name}.h5")
        return str(folder / f"{name}.h5")
    model.save(folder / name, save_format="tf")
    return str(folder / name)


def measured(name: str, route: str) -> list[dict[str, Any]]:
    """A row for each target."""
    from edgecnn.conversion.convert import convert
    from edgecnn.conversion.sources import OpenOptions, open_source

    with tempfile.TemporaryDirectory(prefix="edgecnn-routes-") as place:
        folder = Path(place)
        model, options = given(name, route, folder)
        started = time.perf_counter()
        weights = str(options["weights"]) if "weights" in options else None
        open_source(model, OpenOptions(weights=weights, shape=options.get("shape", "")))
        opened = time.perf_counter() - started
        outcomes = convert(model, TARGETS, out=folder / "art", samples=SAMPLES, **options)
    return [
        {
            "network": name,
            "route": route,
            "target": str(outcome.target),
            "status": outcome.status,
            "max_error": outcome.parity.max_abs_error if outcome.parity else None,
            "variation": outcome.parity.variation if outcome.parity else None,
            "open_s": round(opened, 2),
            "convert_s": round(outcome.seconds, 2),
            "reason": outcome.error or "",
        }
        for outcome in outcomes
    ]


def arrived(row: Mapping[str, Any]) -> bool:
    return row["max_error"] is not None and row["max_error"] <= NEAR


def page(found: list[dict[str, Any]]) -> str:
    """One line for each network and route, both targets in it."""
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        pairs.setdefault((row["network"], row["route"]), []).append(row)
    whole = sum(all(map(arrived, rows)) for rows in pairs.values())
    lines = [
        "# Import routes",
        "",
        "`python benchmarks/import_routes.py`: networks by each route to float32 TFLite and ONNX, "
        "compared with the",
        f"network in its own library on {SAMPLES} inputs. Arrived: the largest error is at most "
        f"{NEAR:g}.",
        "",
        f"{whole} of {len(pairs)} arrived in both formats ({whole / max(len(pairs), 1):.0%}); "
        f"{len(list(rows())) - len(pairs)} more rows are not measured yet.",
        "A dash stands for a time that was taken on a shared machine, and is left out.",
        "",
        "| network | route | opens in | TFLite: error | made in | ONNX: error | made in |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, route), pair in pairs.items():
        cells = [cell for row in pair for cell in (_said(row), _seconds(row["convert_s"]))]
        lines.append(f"| {name} | {route} | {_seconds(pair[0]['open_s'])} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def _said(row: Mapping[str, Any]) -> str:
    if row["max_error"] is None:
        return f"{row['status']}: {row['reason']}".replace("|", "/")
    return f"{row['max_error']:.1e}" + ("" if arrived(row) else " (too far)")


def known(folder: Path) -> set[tuple[str, str]]:
    """The networks and routes that a results file has."""
    path = folder / "import_routes.json"
    rows_before = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return {(row["network"], row["route"]) for row in rows_before}


def merged(found: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """What was measured now, with the rows of an earlier run that were not measured again."""
    before = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    again = {(row["network"], row["route"]) for row in found}
    kept = [row for row in before if (row["network"], row["route"]) not in again]
    order = list(rows())
    return sorted([*kept, *found], key=lambda row: order.index((row["network"], row["route"])))


def main() -> None:
    """One process for each network, which takes its routes one after the other; then the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        default="",
        help="networks, routes or NETWORK:ROUTE, comma-separated; other rows of the file stay",
    )
    parser.add_argument(
        "--missing", action="store_true", help="only rows that the file does not have yet"
    )
    parser.add_argument(
        "--without-times", action="store_true", help="leave times out: the machine is shared"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, *routes = arguments.one
        for route in routes:
            print(json.dumps(measured(name, route)), flush=True)
        return
    only = set(filter(None, arguments.only.split(",")))
    done_before = known(arguments.out) if arguments.missing else set()
    wanted: dict[str, list[str]] = {}
    for name, route in rows():
        chosen = not only or only & {name, route, f"{name}:{route}"}
        if chosen and (name, route) not in done_before:
            wanted.setdefault(name, []).append(route)
    found: list[dict[str, Any]] = []
    for name, routes in wanted.items():
        for pair in answers(name, routes):
            if arguments.without_times:
                for row in pair:
                    row["open_s"] = row["convert_s"] = None
            found += pair
            print(name, pair[0]["route"], *map(_said, pair), flush=True)
            write(found, arguments.out)  # an interruption loses nothing


def answers(name: str, routes: list[str]) -> Iterator[list[dict[str, Any]]]:
    """The rows of a network, route by route; a process that dies takes one route with it."""
    left = list(routes)
    while left:
        command = [sys.executable, __file__, "--one", name, *left]
        with (
            tempfile.TemporaryFile("w+") as told,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True) as process,
        ):
            for line in process.stdout or ():
                if line.startswith("["):
                    left.pop(0)
                    yield json.loads(line)
            process.wait()
            told.seek(0)
            said = told.read().strip().splitlines()
        if left:
            why = (said or ["no answer"])[-1]
            route = left.pop(0)
            yield [
                {"network": name, "route": route, "target": target, "status": "failed",
                 "max_error": None, "variation": None, "open_s": 0.0, "convert_s": 0.0,
                 "reason": why}
                for target in TARGETS
            ]  # fmt: skip


def write(found: list[dict[str, Any]], folder: Path) -> None:
    """The rows as JSON and as a page; what an earlier run measured stays."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = merged(found, folder / "import_routes.json")
    text = json.dumps({"rows": whole, "numpy": np.__version__}, indent=1)
    (folder / "import_routes.json").write_text(text + "\n", encoding="utf-8")
    (folder / "import_routes.md").write_text(page(whole), encoding="utf-8")


if __name__ == "__main__":
    main()
