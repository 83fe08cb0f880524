"""Build a bundle: a model file with its preprocessing, runtime and evidence.

A bundle is a Python package in a folder or a zip file. On a machine with Python, two commands run
it: `python3 -m NAME --install` and `python3 -m NAME image.png`.
"""

from __future__ import annotations

import json
import keyword
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.machine.description import capture
from edgecnn.data.base import Dataset, refuse_prepared_data
from edgecnn.data.splitting.training_overlap import without_sample_digests
from edgecnn.detection.answer import OURS
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.files import sha256_of
from edgecnn.formats.check import digest_of, model_files
from edgecnn.formats.kinds import format_of
from edgecnn.formats.readers import READERS
from edgecnn.isolated_environments import ISOLATED_ENVIRONMENTS
from edgecnn.manifest import Artifact, Manifest
from edgecnn.optimization.bundles import self_test
from edgecnn.optimization.bundles.delivery import check_place, deliver
from edgecnn.optimization.bundles.runner import ABOUT, MANIFEST, SELF_TEST
from edgecnn.optimization.bundles.vendored import sources
from edgecnn.optimization.foreign import understood
from edgecnn.preprocessing import Preprocessing
from edgecnn.registry import FORMATS, HEADS, RUNTIMES, lookup
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes import load, parse_configuration, without_version
from edgecnn.runtimes.base import Session
from edgecnn.runtimes.declared import samples_of
from edgecnn.synthetic_inputs import SyntheticInputs
from edgecnn.system import scratch
from edgecnn.version import __version__

SAMPLES = 8
"""Recorded inputs and outputs."""
VENDORED = "_edgecnn"
PACKAGES: Mapping[str, str] = {
    "litert": "ai-edge-litert",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "opencv": "opencv-python-headless",
    "tflite-runtime": "tflite-runtime",
    "keras": "keras",
    "ncnn": "ncnn",
    "mnn": "MNN",
}
"""What pip calls the runtimes."""
GPU_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "onnxruntime:cuda": ("onnxruntime-gpu[cuda,cudnn]",),
    "onnxruntime:tensorrt": ("onnxruntime-gpu[cuda,cudnn]", "tensorrt"),
}
"""Where a device needs other packages than the processor."""
_SAME_AS: Mapping[str, tuple[str, ...]] = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "opencv-python-headless": ("opencv-python-headless", "opencv-python"),
}
NOT_BUNDLED = ("keras",)
REDUCED = ("bfloat16", "float16", "tf32")
TAKEN = sys.stdlib_module_names | {
    *("numpy", "pil", "soundfile", "pip", "edgecnn", "ai_edge_litert", "onnxruntime", "tensorrt"),
    *("nvidia", "openvino", "cv2", "tflite_runtime", "keras", "ncnn", "mnn"),
}
"""Modules that a package of the same name would hide: those of Python and of what it runs on."""
Array = npt.NDArray[Any]


def refuse_fixed_batch(path: Path) -> None:
    """Raise InputError for a file that takes several samples at once."""
    if (count := samples_of(path, 1)) > 1:
        raise InputError(
            f"{path.name} takes {count} samples at once, a bundle's runner feeds one",
            hint="export it with a batch of 1, or with an open one",
        )


def write_bundle(
    model: Path,
    out: Path,
    *,
    configuration: str | None = None,
    threads: int = 1,
    dataset: Dataset | None = None,
    evidence: Mapping[str, Any] | None = None,
    name: str | None = None,
    about: ModelOptions | None = None,
    preprocessing: Preprocessing | str | None = None,
    shape: str = "",
    force: bool = False,
) -> Path:
    """Write the bundle of a model file to the folder or `.zip` file `out`.

    `configuration` is the `runtime:device` that runs it, by default the format's own on the CPU.
    `dataset` gives the samples of the self-test (noise without), `evidence` is kept as it is.
    `name` is the package's, by default the file's. `about` and `preprocessing` say of a model of
    another maker what neither its file nor a manifest does, as for `benchmark`; `shape` gives the
    sizes that the file leaves open.

    Raises InputError for a file that cannot be bundled (a model that answers with a sequence is
    two graphs with a search around them, one of a fixed batch takes several samples at once), for
    an `out` that exists (unless `force`), and where the runtime does not load the model.
    """
    if dataset is not None:
        refuse_prepared_data(dataset, "a bundle's self-test")
    artifact = load_artifact(model)
    _refuse_other_kinds(artifact)
    runtime, device = parse_configuration(
        configuration or f"{format_of(artifact.path).runtime}:cpu"
    )
    packages = packages_for(runtime, device)
    refuse_fixed_batch(artifact.path)
    check_place(out, force=force)
    session = load(artifact.path, f"{runtime}:{device}", threads=threads, shape=shape)
    artifact = understood(
        artifact, session, dataset=dataset, about=about, preprocessing=preprocessing
    )
    tensors = _tensors(artifact, session, dataset)
    name = _identifier(name or artifact.path.stem)
    with scratch.folder() as private:  # of this user alone, as the bundle need not be
        folder = private / "bundle"
        home = folder / name
        home.mkdir(parents=True)
        _write_code(home, name, runtime, device, _head_of(artifact.manifest))
        _copy_model(artifact, home)
        _write_json(home / MANIFEST, without_sample_digests(artifact.manifest).to_dict())
        if evidence:
            _write_json(home / "evidence.json", dict(evidence))
        description = {
            "schema_version": 1,
            "name": name,
            "made_by": f"edgecnn {__version__}",
            "model": artifact.name,
            "sha256": artifact.sha256,
            "runtime": runtime,
            "device": device,
            "options": {
                "threads": threads,
                "precision": RuntimeOptions().precision,
                "shape": shape,
            },
            "effective": session.effective.precision,
            "packages": _versions(packages),
            "machine": _machine(),
            **_write_self_test(home / SELF_TEST, session, tensors),
        }
        _write_json(home / ABOUT, {**description, "files": _digests(home)})
        lines = requirements(artifact.manifest, *packages)
        (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(_readme(name, artifact, runtime), encoding="utf-8")
        return deliver(folder, out)


def _refuse_other_kinds(artifact: Artifact) -> None:
    """Raise InputError for what is no converted file of one graph."""
    if artifact.format in NOT_BUNDLED:
        raise InputError(
            f"{artifact.name}: a bundle holds a converted file, received: {artifact.format}",
            hint="convert it first, or let edgecnn optimize choose: edgecnn optimize … --bundle",
        )
    if artifact.format.endswith("-seq2seq") or artifact.manifest.task == "translation":
        raise InputError(
            f"{artifact.name}: a bundle runs one graph, and a sequence is two",
            hint="edgecnn translate runs it; it needs edgecnn and sentencepiece on the device",
        )


def _head_of(manifest: Manifest) -> str:
    """The name of a detector's head; empty for other tasks."""
    return (manifest.postprocessing or OURS).head if manifest.task == "detection" else ""


def _write_self_test(path: Path, session: Session, tensors: Array) -> dict[str, Any]:
    """Record what the model answers to `tensors` (n, …); what the description says of it."""
    outputs = self_test.infer(session, tensors)
    self_test.write(path, tensors, outputs)
    share = _share(session.effective.precision)
    return {
        "self_test_samples": len(tensors),
        "tolerances": [
            self_test.tolerances(spec, rows, share)
            for spec, rows in zip(session.outputs, outputs, strict=True)
        ],
    }


def _digests(home: Path) -> dict[str, str]:
    """The sha256 of every file below `home`, by its path there."""
    paths = sorted(path for path in home.rglob("*") if path.is_file())
    return {str(path.relative_to(home)): sha256_of(path) for path in paths}


def _write_code(home: Path, name: str, runtime: str, device: str, head: str) -> None:
    """The runner, the runtime, a detector's head and all that they import, and the package's
    entry.
    """
    place = RUNTIMES.load(runtime)
    formats = [where.partition(":")[0] for where in FORMATS.builtin.values()]
    readers = [f"{package}.{reader}" for package in formats for reader in READERS]
    heads = [HEADS.load(head).__module__] if head else []
    entries = (
        "edgecnn.optimization.bundles.runner",
        "edgecnn.optimization.bundles.installing",
        "edgecnn.optimization",
        place.__module__,
        *formats,
        *readers,
        *heads,
    )
    for path, text in sources(entries, f"{name}.{VENDORED}").items():
        target = home / VENDORED / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    module = place.__module__.removeprefix("edgecnn.")
    runtime_from = f"from {name}.{VENDORED}.{module} import {place.__name__} as Runtime"
    (home / "__init__.py").write_text(_package_code(name, runtime_from), encoding="utf-8")
    (home / "__main__.py").write_text(_program_code(name, runtime_from, device), encoding="utf-8")


def _package_code(name: str, runtime_from: str) -> str:
    return f'''"""{name}: a model that runs. `load()` gives it with its preprocessing."""

import sys
from pathlib import Path

from {name}.{VENDORED}.optimization.bundles import installing

HOME = Path(__file__).parent
if installing.folder(HOME).is_dir():
    sys.path.insert(0, str(installing.folder(HOME)))


def load(threads=None):
    """The bundle, checked, with its model loaded: `.answer(sample)` gives the outputs."""
    {runtime_from}
    from {name}.{VENDORED}.optimization.bundles import runner

    return runner.Bundle(HOME, Runtime, threads)
'''


def _program_code(name: str, runtime_from: str, device: str) -> str:
    return f"""import sys

from {name} import HOME, installing

if "--install" in sys.argv[1:]:
    sys.exit(installing.install(HOME, {device!r}))
try:
    import numpy
except ImportError:
    print("error: numpy is not installed\\n  → python -m {name} --install", file=sys.stderr)
    sys.exit(3)
{runtime_from}
from {name}.{VENDORED}.optimization.bundles import runner

sys.exit(runner.main(sys.argv[1:], HOME, Runtime))
"""


def _copy_model(artifact: Artifact, home: Path) -> None:
    """The model file, with the files that its weights may lie in."""
    top = artifact.path.absolute().parent.resolve()
    for path in model_files(artifact.path):
        within = path.resolve().relative_to(top) if path != artifact.path else Path(artifact.name)
        target = home / within
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    if digest_of(home / artifact.name)[0] != artifact.sha256:
        raise InputError(f"{artifact.name} changed while it was copied", hint="try again")


def _tensors(artifact: Artifact, session: Session, dataset: Dataset | None) -> Array:
    """Inputs (n, …) for the self-test: samples of the data where the model says how they are
    prepared, noise otherwise.
    """
    if len(session.inputs) != 1:
        raise InputError(
            f"{artifact.name} has {len(session.inputs)} inputs, a bundle's runner feeds one",
            hint="merge them into one tensor",
        )
    preprocessing = artifact.manifest.preprocessing
    if dataset is not None and preprocessing is not None:
        split = dataset["test"]
        places = np.unique(np.linspace(0, len(split) - 1, SAMPLES).astype(int))
        return np.stack([preprocessing(split.samples[int(place)]) for place in places])
    vocabulary = getattr(preprocessing, "vocabulary_size", None)
    spec = session.inputs[0]
    made = SyntheticInputs(
        [spec], SAMPLES, vocabularies={spec.name: vocabulary} if vocabulary else {}
    )
    return np.stack([made.sample(index)[0] for index in range(SAMPLES)])


def _share(precision: str) -> float:
    """What other summing orders and a reduced precision change on another machine."""
    if precision in REDUCED:
        return 0.05
    return 0.001 if precision in ("float32", "float64") else 0.01


def packages_for(runtime: str, device: str) -> tuple[str, ...]:
    """What pip installs for a configuration. Raises InputError for a runtime of no bundle."""
    name = without_version(runtime)
    package = lookup("runtime of a bundle", name, PACKAGES)
    return GPU_PACKAGES.get(f"{name}:{device}", (package,))


def requirements(manifest: Manifest, *packages: str) -> list[str]:
    """What pip installs for a model on the runtime in `packages`. A runtime that loads in an
    environment of its own takes the numpy that stands there.
    """
    versions = _versions(packages)
    lines = [
        f"{package}=={versions[_plain(package)]}" if _plain(package) in versions else package
        for package in packages
    ]
    isolated = ISOLATED_ENVIRONMENTS.get(packages[0])
    numpy = [each for each in (isolated.packages if isolated else ()) if each.startswith("numpy")]
    lines += numpy or ["numpy>=1.26"]
    if getattr(manifest.preprocessing, "kind", "") in ("image", "letterbox"):
        lines.append("pillow>=11")
    return lines


def _version(package: str) -> str | None:
    for name in _SAME_AS.get(package, (package,)):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _versions(packages: Iterable[str]) -> dict[str, str]:
    versions = {_plain(package): _version(_plain(package)) for package in packages}
    return {name: version for name, version in versions.items() if version}


def _plain(package: str) -> str:
    """A package's name without extras."""
    return package.partition("[")[0]


def _machine() -> dict[str, Any]:
    machine = capture().machine
    return {name: machine.get(name) for name in ("architecture", "cpu_model", "instruction_sets")}


def _identifier(text: str) -> str:
    """A name that Python can import, and that hides no other module."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower() or "model"
    if name[0].isdigit():
        return f"model_{name}"
    return f"{name}_model" if keyword.iskeyword(name) or name in TAKEN else name


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1, default=str) + "\n", encoding="utf-8")


def _readme(name: str, artifact: Artifact, runtime: str) -> str:
    return f"""# {name}

`{artifact.name}` for {runtime}, with what prepares its input and reads its output.

```sh
python3 -m {name} --install       # once: what it needs, into a folder here (needs pip)
python3 -m {name} image.png     # or a folder, a .npy file of a raw sample
python3 -m {name} --self-test     # compares with the outputs recorded when this was made
```

`--install` leaves out of its folder what no inference loads (tests, compilers, parts for other
devices). In an environment of your own, `pip install -r requirements.txt` does as well.

From Python: `import {name}; bundle = {name}.load(); outputs = bundle.answer(sample)`.
A changed file is refused; another runtime version or processor is reported. Python 3.11 or newer.
"""
