"""Keras before conversion, and files that hold programs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.errors import InputError
from edgecnn.runtimes.cuda import CudaDevice
from edgecnn.runtimes.keras import _tf32_allowed

if TYPE_CHECKING:
    from tests.integration.runtimes.conftest import Zoo

SHOW = """
import sys
import numpy as np
from edgecnn import runtimes
session = runtimes.load(sys.argv[1], "keras:cpu", threads=int(sys.argv[2]))
answer = session.run([np.ones((1, 14, 10, 3), np.float32)])[0]
print(session.effective.threads, session.effective.provider, float(answer.sum()).__round__(3))
"""
ASK_FOR_A_WRAPPER = """
from importlib import import_module
print("scikit-learn was imported:", "sklearn" in sys.modules)
for place in ("keras.wrappers", "keras.api.wrappers", "keras._tf_keras.keras.wrappers"):
    try:
        wrapper = import_module(place).SKLearnClassifier
    except ModuleNotFoundError:  # of another Keras
        continue
    from sklearn.base import BaseEstimator
    print(place, issubclass(wrapper, BaseEstimator))
"""


def _in_a_fresh_process(path: Path, threads: int, more: str = "", **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SHOW + more, str(path), str(threads)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def lines(zoo: Zoo) -> list[str]:
    """What a fresh process says that runs a model on two threads and then uses a wrapper."""
    return _in_a_fresh_process(zoo.path("keras", "float32"), 2, ASK_FOR_A_WRAPPER).splitlines()


def test_threads_are_set_before_tensorflow_starts(lines: list[str]) -> None:
    assert lines[0] == "2 Keras (tensorflow) 1.0"


def test_wrappers_for_scikit_learn_are_loaded_when_they_are_used(lines: list[str]) -> None:
    pytest.importorskip("sklearn")
    assert lines[1] == "scikit-learn was imported: False"
    assert lines[2] == "keras.wrappers True"
    assert all(line.endswith(" True") for line in lines[2:])


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_runs_too_and_is_named(backend: str, zoo: Zoo) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    answer = _in_a_fresh_process(zoo.path("keras", "float32"), 1, KERAS_BACKEND=backend)
    assert answer == f"None Keras ({backend}) 1.0"


def test_two_inputs_keep_their_order(tmp_path: Path, zoo: Zoo) -> None:
    import keras

    first, second = keras.Input((4,), name="zebra"), keras.Input((4,), name="ant")
    model = keras.Model([first, second], [keras.layers.Subtract()([first, second])])
    path = tmp_path / "two.keras"
    model.save(path)
    left, right = np.random.default_rng(0).random((2, 1, 4), np.float32)
    session = runtimes.load(path, "keras:cpu")
    assert [spec.name for spec in session.inputs] == ["zebra", "ant"]
    np.testing.assert_allclose(session.run([left, right])[0], left - right, rtol=1e-6)


def test_inputs_given_by_name_are_taken_in_the_order_of_the_model(tmp_path: Path) -> None:
    import keras

    inputs = {"zebra": keras.Input((4,), name="zebra"), "ant": keras.Input((4,), name="ant")}
    model = keras.Model(inputs, [keras.layers.Subtract()([inputs["zebra"], inputs["ant"]])])
    path = tmp_path / "named.keras"
    model.save(path)
    session = runtimes.load(path, "keras:cpu")
    values = {name: np.random.default_rng(len(name)).random((1, 4), np.float32) for name in inputs}
    (answer,) = session.run([values[spec.name] for spec in session.inputs])
    np.testing.assert_allclose(answer, values["zebra"] - values["ant"], rtol=1e-6)


def test_a_program_inside_the_file_is_not_run(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda values: values * 2)])
    path = tmp_path / "program.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns that lambdas are not portable
        model.save(path)
    with pytest.raises(InputError, match="Lambda"):
        runtimes.load(path, "keras:cpu")


def test_a_model_without_known_inputs_is_refused(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.layers.Dense(2)])
    path = tmp_path / "unbuilt.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of just this
        model.save(path)
    with pytest.raises(InputError, match="does not say what it takes"):
        runtimes.load(path, "keras:cpu")


@pytest.mark.parametrize(
    ("found", "tf32"),
    [
        (CudaDevice("Tesla T4", (7, 5)), False),
        (CudaDevice("NVIDIA A100", (8, 0)), True),
        ("no NVIDIA driver (libcuda) on this machine", False),
    ],
)
def test_tf32_is_computed_since_ampere_alone(
    found: CudaDevice | str, tf32: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the driver; TensorFlow allows TF32 unless it was told not to."""
    switch = pytest.importorskip("tensorflow").config.experimental
    before = switch.tensor_float_32_execution_enabled()
    monkeypatch.setattr("edgecnn.runtimes.cuda.first_device", lambda: found)
    try:
        switch.enable_tensor_float_32_execution(True)
        assert _tf32_allowed("tensorflow") is tf32
        assert not _tf32_allowed("torch")
        switch.enable_tensor_float_32_execution(False)
        assert not _tf32_allowed("tensorflow")
    finally:
        switch.enable_tensor_float_32_execution(before)
