"""What users write to choose a runtime, and the error when it does not exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import edgecnn
from edgecnn.errors import InputError
from edgecnn.registry import RUNTIMES
from edgecnn.runtimes import parse_configuration
from tests.unit.formats.small_models import identity
from tests.unit.test_architecture import HEAVY_AT_THE_TOP


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("litert:gpu", ("litert", "gpu")),
        ("litert", ("litert", "cpu")),
        ("onnxruntime:tensorrt", ("onnxruntime", "tensorrt")),
        (" keras:cpu ", ("keras", "cpu")),
    ],
)
def test_a_configuration_is_a_runtime_and_a_device(text: str, expected: tuple[str, str]) -> None:
    assert parse_configuration(text) == expected


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("litrt:cpu", "'litert'"),
        ("onnxruntim:cpu", "'onnxruntime'"),
        ("onnxruntime:cudda", "'onnxruntime:cuda'"),
    ],
)
def test_a_mistyped_configuration_gets_the_nearest_known(text: str, nearest: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_configuration(text)
    assert f"did you mean {nearest}?" in caught.value.hint
    assert "known: " in caught.value.hint


def test_a_file_of_another_format_is_refused_with_the_runtimes_that_read_it(
    tmp_path: Path,
) -> None:
    path = identity(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="litert reads tflite, received: onnx") as caught:
        edgecnn.load(path, runtime="litert:cpu")
    assert "onnxruntime" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"threads": 0}, "received: 0 and 1"),
        ({"batch": 0}, "received: 1 and 0"),
        ({"precision": "float8"}, "float8"),
    ],
)
def test_impossible_options_are_refused(
    options: dict[str, object], reason: str, tmp_path: Path
) -> None:
    path = identity(tmp_path / "model.onnx")
    with pytest.raises(InputError, match=reason):
        edgecnn.load(path, runtime="onnxruntime:cpu", **options)


def test_runtime_modules_need_numpy_alone() -> None:
    # They are imported in workers of environments that hold numpy and one runtime.
    modules = ", ".join(place.partition(":")[0] for place in RUNTIMES.builtin.values())
    heavy = [*HEAVY_AT_THE_TOP, "click", "rich", "psutil", "jinja2", "altair"]
    code = (
        f"import sys, {modules}\n"
        f"sys.exit(' '.join(name for name in {heavy!r} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
