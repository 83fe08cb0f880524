"""tflite-runtime in its own environment, where one has been created."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgecnn.benchmarking.environments.isolated import python_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.runtimes.conftest import Zoo

PROJECT = Path(__file__).resolve().parents[3]
SHOW = """
import json, sys
import numpy as np
from edgecnn import runtimes
from edgecnn.errors import EdgeCNNError
try:
    session = runtimes.load(sys.argv[1], "tflite-runtime:cpu")
    answers = [session.run([image[None]])[0].tolist()[0] for image in np.load(sys.argv[2])]
    found = {"answers": answers, "precision": session.effective.precision,
             "share": session.effective.delegated_fraction}
except EdgeCNNError as error:
    found = {"error": type(error).__name__, "message": error.message}
print(json.dumps(found))
"""


@pytest.fixture
def run_in_its_environment(zoo: Zoo, tmp_path: Path) -> Callable[[Path], dict[str, Any]]:
    python = python_of("tflite-runtime")
    if python is None:
        pytest.skip("needs: edgecnn env create tflite-runtime")
    inputs = tmp_path / "inputs.npy"
    np.save(inputs, zoo.inputs)

    def run(path: Path) -> dict[str, Any]:
        done = subprocess.run(
            [python, "-c", SHOW, str(path), str(inputs)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


@pytest.mark.parametrize("recipe", ["float32", "float16", "static_int8", "int16x8"])
def test_outputs_are_those_of_keras(
    recipe: str, zoo: Zoo, run_in_its_environment: Callable[[Path], dict[str, Any]]
) -> None:
    found = run_in_its_environment(zoo.path("tflite", recipe))
    np.testing.assert_allclose(found["answers"], zoo.expected, atol=0.03)


def test_an_operator_newer_than_the_runtime_is_unsupported_in_its_own_words(
    zoo: Zoo, run_in_its_environment: Callable[[Path], dict[str, Any]]
) -> None:
    found = run_in_its_environment(zoo.path("tflite", "dynamic_int8"))
    assert found["error"] == "UnsupportedError"
    assert "FULLY_CONNECTED" in found["message"]


def test_a_truncated_file_is_refused_before_it_crashes_the_process(
    zoo: Zoo, tmp_path: Path, run_in_its_environment: Callable[[Path], dict[str, Any]]
) -> None:
    content = zoo.path("tflite", "float32").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: len(content) // 2])
    assert run_in_its_environment(path)["error"] == "InputError"


def test_dense_layers_it_would_answer_wrongly_are_refused(
    zoo: Zoo, tmp_path: Path, run_in_its_environment: Callable[[Path], dict[str, Any]]
) -> None:
    from litert_quantizer import quantizer, recipe

    path = tmp_path / "dynamic.tflite"
    quantize = quantizer.Quantizer(str(zoo.path("tflite", "float32")), recipe.dynamic_wi8_afp32())
    quantize.quantize().export_model(str(path))
    found = run_in_its_environment(path)
    assert found["error"] == "UnsupportedError"
    assert "answers wrongly" in found["message"]
