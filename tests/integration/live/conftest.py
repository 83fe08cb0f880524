"""A real detector file for tests of the camera: tiny, deterministic, and run by real runtimes.

It has two convolutions with weights written by hand: the heat map is how red a cell of 8×8
pixels is, every box reaches 32 pixels to each side. So what it must find is known exactly. Of
several classes the second is as green, and the others are never seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.manifest import Manifest, write_manifest
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.vision import load_detector

SIDE = 128
REACH = 4.0  # strides to each side: neighbors overlap enough to be suppressed


def write_red_detector(path: Path, names: tuple[str, ...] = ("stop sign",)) -> Path:
    from onnx import TensorProto, checker, helper, numpy_helper

    classes = len(names)
    heat = np.zeros((classes, 3, 8, 8), np.float32)
    for number, color in enumerate(((24, -12, -12), (-12, 24, -12))[:classes]):
        heat[number] = np.asarray(color, np.float32)[:, None, None] / 64
    weights = {
        "heat_w": heat,
        "heat_b": np.full(classes, -9.0, np.float32),
        "box_w": np.zeros((4, 3, 8, 8), np.float32),
        "box_b": np.full(4, math.log2(REACH), np.float32),
    }
    cells = SIDE // 8

    def value(name, channels, side):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, side, side])

    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", f"{name}_w", f"{name}_b"], [name], strides=[8, 8])
            for name in ("heat", "box")
        ],
        "red",
        [value("input", 3, SIDE)],
        [value("heat", classes, cells), value("box", 4, cells)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    manifest = Manifest(
        task="detection",
        model="red",
        recipe="float32",
        preprocessing=LetterboxPreprocessing(SIDE, SIDE, 3),
        labels=names,
        postprocessing=Postprocessing("heat_map", names) if classes > 1 else None,
        metrics={"min_score": 0.5},
    )
    write_manifest(path, manifest)
    return path


def image(x: int | None, width: int = 160, height: int = 120) -> np.ndarray:
    """Gray, with a red square of 24 pixels whose left side is at `x`."""
    image = np.full((height, width, 3), 120, np.uint8)
    if x is not None:
        image[40:64, x : x + 24] = (20, 20, 220)
    return image


def write_video(path: Path, frames: int = 60, fps: float = 30.0, codec: str = "mp4v") -> Path:
    """A red square that comes in at a third, moves right, and is gone in the last third."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (160, 120))
    assert writer.isOpened()
    for number in range(frames):
        inside = frames // 3 <= number < frames * 2 // 3
        writer.write(image(20 + number if inside else None))
    writer.release()
    return path


@pytest.fixture(scope="session")
def red_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_red_detector(tmp_path_factory.mktemp("detector") / "red.onnx")


@pytest.fixture
def detector(red_detector: Path):
    """`red_detector`, opened; what a pipeline runs."""
    return load_detector(red_detector, runtime="onnxruntime:cpu")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4")


@pytest.fixture
def own_detector(tmp_path: Path) -> Callable[..., Path]:
    """A maker of files like `red_detector`'s, whose classes have these names."""
    return lambda *names: write_red_detector(tmp_path / "own.onnx", names)
