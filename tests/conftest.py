"""What every test may use: real data where it lies, and plug-in packages (tests/plugins)."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from edgecnn import registry
from edgecnn.errors import MissingDependencyError
from edgecnn.keras_files import import_keras
from tests.schedule import longest_first

# Before any test imports TensorFlow, as edgecnn does it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

PROJECT = Path(__file__).resolve().parents[1]
SHARED_DATA = PROJECT.parent / "shared" / "data"
PLUGINS = Path(__file__).parent / "plugins"

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("edgecnn", deadline=None)
hypothesis.settings.load_profile("edgecnn")


def pytest_configure(config: pytest.Config) -> None:
    """Let signals reach the commands that tests interrupt: a shell's & switches Ctrl-C off for
    all, and nohup a terminal's end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests stay to the end: no collection looks for garbage among them. Keras, which
    every whole suite needs, comes as edgecnn imports it: in half of the time.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        with contextlib.suppress(MissingDependencyError):
            import_keras()
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        longest_first(items)


@pytest.fixture
def shared_data() -> Path:
    """Real data beside the project; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data beside the project (../shared/data)")
    return SHARED_DATA


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a package of tests/plugins for this test, here and in the processes it starts.

    What pip would do: the package comes on the path, with the entry points of its pyproject.toml.
    """
    folders = []

    def install(name: str) -> None:
        source = PLUGINS / name
        project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
        site = tmp_path / f"site-{name}"
        metadata = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        lines = [
            line
            for group, points in project["entry-points"].items()
            for line in (f"[{group}]", *(f"{point} = {place}" for point, place in points.items()))
        ]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for place in (source, site):
            monkeypatch.syspath_prepend(str(place))
            monkeypatch.setenv("PYTHONPATH", str(place), prepend=os.pathsep)
        registry.plugged_in.cache_clear()
        folders.append(source)

    yield install
    registry.plugged_in.cache_clear()
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None)
        if place and any(Path(place).is_relative_to(folder) for folder in folders):
            del sys.modules[name]


@pytest.fixture
def misbehaving_runtime(plug_in):
    """The plug-in runtime `misbehaving`; each of its devices is one way to go wrong."""
    plug_in("misbehaving")


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A .tflite file that adds four numbers, for tests that need a model of any kind."""
    from tests.unit.formats.small_models import write_tflite

    return write_tflite(tmp_path / "model.tflite")


@pytest.fixture(scope="session")
def keras_bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.keras` file of some kilobytes that unpacks to 64 MiB of zeros."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(64 << 20))
    return path


@pytest.fixture(scope="session")
def digits():
    """The embedded data set of real handwritten digits."""
    from edgecnn import data

    return data.load("digits")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Let the first of several processes fill a folder, and give each process a copy."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # that of all processes

    def give(name: str, make: Callable[[Path], object]) -> Path:
        whole = base / f"made-once-{name}"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                part = Path(tempfile.mkdtemp(dir=base))
                make(part)
                part.rename(whole)
        return Path(shutil.copytree(whole, tmp_path_factory.mktemp(name), dirs_exist_ok=True))

    return give


@pytest.fixture(scope="session")
def trained_lenet(digits, made_once):
    """LeNet-5 trained on the digits for a few epochs (an Artifact)."""
    from edgecnn.embedded_manifest import load_artifact
    from edgecnn.training import train

    def make(folder: Path) -> None:
        train("lenet5", digits, epochs=12, out=folder / "lenet5.keras")

    return load_artifact(made_once("trained", make) / "lenet5.keras")


@pytest.fixture(scope="session")
def lenet_artifacts(trained_lenet, digits, made_once):
    """The trained LeNet-5 converted: {"tflite:float32": Artifact, …}."""
    from edgecnn.conversion.convert import convert
    from edgecnn.embedded_manifest import load_artifact

    wanted = ("tflite:float32", "tflite:static_int8", "onnx:float32")

    def make(folder: Path) -> None:
        outcomes = convert(trained_lenet.path, wanted, calibration=digits, out=folder)
        names = {str(outcome.target): outcome.artifact.path.name for outcome in outcomes}
        (folder / "names.json").write_text(json.dumps(names))

    folder = made_once("artifacts", make)
    names = json.loads((folder / "names.json").read_text())
    return {target: load_artifact(folder / name) for target, name in names.items()}
