"""Give a shipped int8 detector a float network back, to train it on from.

    python benchmarks/float_parent.py stop_sign_nano --photos 48 \
        --data coco:../shared/data/stop_signs/rf_stopsigns210 \
        --out edgecnn/assets/stop_sign_nano.keras

The float weights of the first `stop_sign_nano` were not kept. Its int8 ONNX file has a kernel and a
bias a convolution, with batch normalization folded in; dequantized they are within half a step
of what they were. So that training can go on, each batch normalization gets the mean and the
variance that its input has on photos, and the scale and offset that give the folded bias again:
the network computes what the file computes, and batch statistics do not upset it.
"""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import models
from edgecnn.conversion.verify import load_session
from edgecnn.data import load
from edgecnn.embedded_manifest import load_artifact
from edgecnn.files import atomic_path
from edgecnn.keras_files import import_keras
from edgecnn.manifest import Artifact, TensorSpec, write_manifest
from edgecnn.models.stop_sign import STRIDE
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.vision.detector import ASSETS

Floats = npt.NDArray[np.float32]


def convolutions(path: Path) -> dict[str, tuple[Floats, Floats]]:
    """(kernel (height, width, in, out), bias (out,)) by the Keras layer's name."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    known = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}

    def real(name: str) -> Floats:
        if name in known:
            return np.asarray(known[name], np.float32)
        node = makers[name]
        assert node.op_type == "DequantizeLinear", node.op_type
        values, scale = (known[one] for one in node.input[:2])
        zero = known[node.input[2]] if len(node.input) > 2 else np.zeros_like(scale)
        shape = (-1, *[1] * (values.ndim - 1)) if scale.ndim else ()
        difference = values.astype(np.float32) - zero.astype(np.float32).reshape(shape)
        return np.asarray(difference * scale.reshape(shape), np.float32)

    found = {}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        label = node.input[1].split("/")[1].rpartition("_")[0]  # stop_sign_nano_1/LAYER_1/…
        kernel = real(node.input[1]).transpose(2, 3, 1, 0)
        bias = real(node.input[2]) if len(node.input) > 2 else np.zeros(kernel.shape[3])
        found[label] = kernel, np.asarray(bias, np.float32)
    return found


def give_back(model: Any, layers: dict[str, tuple[Floats, Floats]], images: Floats) -> None:
    """Put the convolutions into the Keras network."""
    keras = import_keras()
    folded = [name for name in layers if name.endswith("_conv")]
    for name, (kernel, bias) in layers.items():
        layer = model.get_layer(name)
        if name in folded:
            layer.set_weights([kernel])
            norm = model.get_layer(name.removesuffix("_conv") + "_norm")
            one, none = np.ones_like(bias), np.zeros_like(bias)
            norm.set_weights([one, bias, none, one - norm.epsilon])
        else:
            layer.set_weights([kernel, bias])
    inside = keras.Model(model.input, [model.get_layer(name).output for name in folded])
    outputs = inside.predict(images, batch_size=8, verbose=0)
    for name, output in zip(folded, outputs, strict=True):
        norm = model.get_layer(name.removesuffix("_conv") + "_norm")
        mean, variance = output.mean(axis=(0, 1, 2)), output.var(axis=(0, 1, 2))
        bias = layers[name][1]
        norm.set_weights([np.sqrt(variance + norm.epsilon), mean + bias, mean, variance])


def keep(source: Path, target: Path, file: Path) -> Artifact:
    """Compress the `.keras` file, as those that ship are, and say in its manifest what it is."""
    quantized = load_artifact(file)
    about = quantized.manifest
    assert isinstance(about.preprocessing, LetterboxPreprocessing)
    side = about.preprocessing.height
    cells = side // STRIDE
    pack(source, target)
    return write_manifest(
        target,
        replace(
            about,
            recipe="float32",
            inputs=(TensorSpec("input", (None, side, side, 3), "float32", "NHWC"),),
            outputs=tuple(
                TensorSpec(name, (None, cells, cells, channels), "float32", "NHWC")
                for name, channels in (("heat", 1), ("box", 4))
            ),
            parent_sha256=None,
            conversion={"given_back_from": {"file": file.name, "sha256": quantized.sha256}},
        ),
    )


def pack(source: Path, target: Path) -> None:
    """Copy a `.keras` archive compressed: Keras stores its members as they are."""
    with (
        atomic_path(target) as temporary,
        zipfile.ZipFile(source) as loose,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed,
    ):
        for member in loose.infolist():
            packed.writestr(member.filename, loose.read(member.filename))


def compare(model: Any, file: Path, images: Floats) -> None:
    """Print how far the outputs are from the file's."""
    session = load_session(file)
    for index, output in enumerate(model.predict(images, verbose=0)):
        others = np.concatenate([session.run([image[None]])[index] for image in images])
        noise = float(np.abs(output - others.reshape(output.shape)).mean())
        print(f"{model.output_names[index]}: {noise:.4f} apart, mean {np.abs(output).mean():.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a shipped detector")
    parser.add_argument("--data", required=True, help="photos, as in coco:SET,SET")
    parser.add_argument("--photos", type=int, default=96)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    file = ASSETS / f"{options.model}_static_int8.onnx"
    side = models.default_input_shape(options.model)[0]
    preprocessing = LetterboxPreprocessing(side, side, 3)
    samples: Any = load(options.data)["test"].samples
    places = np.linspace(0, len(samples) - 1, min(options.photos, len(samples)), dtype=int)
    images = preprocessing.batch([samples[int(place)] for place in places])
    model = models.build(options.model)
    give_back(model, convolutions(file), images)
    compare(model, file, images[:8])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(options.out) as temporary:
        model.save(temporary)
    keep(options.out, options.out, file)


if __name__ == "__main__":
    main()
