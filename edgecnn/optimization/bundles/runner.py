"""A bundle's program: `python -m NAME image.png` on a machine with numpy and one runtime.

`write_bundle` copies this file and what it imports into the bundle. It checks the bundle's files,
prepares an input as it was prepared when the model was measured, infers, and prints the answer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EdgeCNNError, InputError, MissingDependencyError
from edgecnn.files import IMAGE_ENDINGS
from edgecnn.manifest import Manifest
from edgecnn.optimization.bundles import self_test as testing
from edgecnn.preprocessing import ImagePreprocessing, Preprocessing
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.base import Runtime, Session

ABOUT = "bundle.json"
SELF_TEST = "self_test.npz"
MANIFEST = "manifest.json"
LONGEST_LISTED = 3
Array = npt.NDArray[Any]


class ChangedError(InputError):
    """A bundle whose files are not those that were measured."""


def main(arguments: Sequence[str], home: Path, runtime: type[Runtime]) -> int:
    """Run the bundle in the folder `home`; returns the exit code: 0 done, 1 the self-test failed,
    2 an input or the bundle cannot be used, 3 a package is missing.
    """
    try:
        return _run(_parsed(arguments, home.name), home, runtime)
    except MissingDependencyError as error:
        return _report(error.message, f"python -m {home.name} --install", 3)
    except EdgeCNNError as error:
        return _report(error.message, error.hint, error.exit_code)
    except KeyboardInterrupt:
        return _report("interrupted", "", 130)


class Bundle:
    """A bundle that was checked, with its model loaded."""

    def __init__(self, home: Path, runtime: type[Runtime], threads: int | None = None) -> None:
        self.home = home
        self.about = read_about(home)
        check_files(home, self.about)
        self.manifest = Manifest.from_dict(_json(home / MANIFEST))
        options = self.about["options"]
        wanted = RuntimeOptions(
            threads=threads or int(options["threads"]),
            precision=str(options["precision"]),
            shape=str(options.get("shape", "")),
        )
        self.session: Session = runtime.load(
            home / self.about["model"], self.about["device"], wanted
        )

    @property
    def preprocessing(self) -> Preprocessing:
        """Raises InputError for a model of which nobody said how inputs are prepared."""
        if self.manifest.preprocessing is None:
            raise InputError(
                "the model does not say how its input is prepared",
                hint="give tensors as they go into it: a .npy file (n, …) with --tensors",
            )
        return self.manifest.preprocessing

    def answer(self, sample: Any) -> list[Array]:
        """The outputs for one raw sample."""
        return self.session.run([self.preprocessing(sample)[None]])

    def described(self, outputs: Sequence[Array], sample: Any) -> dict[str, Any]:
        """Outputs in the task's words, as JSON has them."""
        prepared = self.manifest.preprocessing
        labels = self.manifest.labels
        if self.manifest.task == "detection" and isinstance(prepared, ImagePreprocessing):
            return {"boxes": _boxes(outputs, np.asarray(sample), prepared, self.manifest)}
        first = np.asarray(outputs[0])
        if len(outputs) == 1 and first.ndim == 2 and labels and first.shape[1] == len(labels):
            best = np.argsort(-first[0], kind="stable")
            return {
                "classes": [[labels[index], round(float(first[0, index]), 4)] for index in best]
            }
        arrays = [np.asarray(each) for each in outputs]
        return {
            "outputs": [
                (array[0] if array.ndim and len(array) == 1 else array).tolist() for array in arrays
            ]
        }


def read_about(home: Path) -> Mapping[str, Any]:
    """What the bundle says of itself. Raises InputError where it does not."""
    about = _json(home / ABOUT)
    if not isinstance(about, dict) or not {"files", "model", "device", "options"} <= set(about):
        raise InputError(f"{home / ABOUT} is not a bundle's description", hint="unpack it again")
    return about


def check_files(home: Path, about: Mapping[str, Any]) -> None:
    """Raise ChangedError where a file is missing or is another than when the bundle was made."""
    wrong = []
    for name, wanted in about["files"].items():
        path = home / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            wrong.append(f"{name} was changed")
    if wrong:
        more = f" and {len(wrong) - LONGEST_LISTED} more" if len(wrong) > LONGEST_LISTED else ""
        raise ChangedError(
            f"{home.name}: {', '.join(wrong[:LONGEST_LISTED])}{more}",
            hint="unpack or copy the bundle again; its numbers are for other files",
        )


def differences(about: Mapping[str, Any]) -> list[str]:
    """How this machine differs from the one where the bundle was made, a sentence each."""
    sentences = []
    machine = about.get("machine", {})
    here = platform.machine()
    if machine.get("architecture") not in (None, here):
        sentences.append(
            f"made on {machine['architecture']}, this is {here}: its latency is not this machine's"
        )
    else:
        there = instruction_sets()
        # What is not known is not missing.
        wanted = set(machine.get("instruction_sets") or ()) if there else set()
        missing = sorted(wanted - there)
        if missing:
            sentences.append(
                f"this processor lacks {', '.join(missing)}, with which it was measured: it is "
                "slower here, and int8 may give other outputs; check with --self-test"
            )
    for name, wanted in about.get("packages", {}).items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # another build of the same package; loading it says what is missing
        if version != wanted:
            sentences.append(
                f"measured with {name} {wanted}, this is {version}; check with --self-test"
            )
    return sentences


def instruction_sets() -> set[str]:
    """The processor's flags, as Linux lists them; empty where nobody lists them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    flags: set[str] = set()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags |= set(value.split())
    return flags


def self_test(bundle: Bundle) -> list[str]:
    """What differs from the recorded outputs by more than the bundle allows; empty when nothing
    does.
    """
    recorded = testing.read(bundle.home / SELF_TEST)
    found = testing.infer(bundle.session, recorded.tensors)
    return testing.differences(recorded, found, bundle.about["tolerances"])


def _run(arguments: argparse.Namespace, home: Path, runtime: type[Runtime]) -> int:
    bundle = Bundle(home, runtime, arguments.threads)
    for sentence in differences(bundle.about):
        print(f"note: {sentence}", file=sys.stderr)  # noqa: T201 (a command of its own)
    if arguments.info:
        facts = {key: value for key, value in bundle.about.items() if key != "files"}
        print(json.dumps(facts, indent=2))  # noqa: T201
        return 0
    if arguments.self_test:
        wrong = self_test(bundle)
        for line in wrong:
            print(f"self-test: {line}", file=sys.stderr)  # noqa: T201
        count = bundle.about["self_test_samples"]
        print(f"self-test: {'FAILED' if wrong else 'passed'}, {count} samples")  # noqa: T201
        return 1 if wrong else 0
    if not arguments.inputs:
        raise InputError("nothing to run on", hint="pass an image, a folder, or --self-test")
    for name, sample in _samples(arguments.inputs, bundle, tensors=arguments.tensors):
        outputs = bundle.session.run([sample[None]]) if arguments.tensors else bundle.answer(sample)
        print(_line(name, bundle.described(outputs, sample), arguments))  # noqa: T201
    return 0


def _line(name: str, answer: Mapping[str, Any], arguments: argparse.Namespace) -> str:
    if arguments.json:
        return json.dumps({"input": name, **answer})
    if "classes" in answer:
        best = answer["classes"][: arguments.top]
        return f"{name}: " + ", ".join(f"{label} {score:.3f}" for label, score in best)
    if "boxes" in answer:
        boxes = [f"{box['label']} {box['score']:.2f} at {box['xyxy']}" for box in answer["boxes"]]
        return f"{name}: {'; '.join(boxes) or 'nothing found'}"
    return f"{name}: {json.dumps(answer['outputs'])}"


def _samples(inputs: Sequence[str], bundle: Bundle, *, tensors: bool) -> Iterator[tuple[str, Any]]:
    """Name and raw sample of each input; the images of a folder in the order of their names."""
    for text in inputs:
        path = Path(text)
        if tensors and path.suffix.lower() != ".npy":
            raise InputError(
                f"{path}: --tensors takes .npy files of prepared tensors (n, …)",
                hint="leave out --tensors, and it is prepared as the model wants it",
            )
        if path.is_dir():
            inside = sorted(
                each for each in path.rglob("*") if each.suffix.lower() in IMAGE_ENDINGS
            )
            if not inside:
                raise InputError(
                    f"{path}: no images in it",
                    hint=f"known endings: {', '.join(sorted(IMAGE_ENDINGS))}",
                )
            for each in inside:
                yield str(each), _read(each, bundle)
        elif path.suffix.lower() == ".npy":
            array = _array(path)
            if tensors:
                if not array.ndim:
                    raise InputError(
                        f"{path} holds a single value", hint="--tensors takes an array (n, …)"
                    )
                yield from ((f"{path}[{index}]", each) for index, each in enumerate(array))
            else:
                yield str(path), array
        else:
            yield str(path), _read(path, bundle)


def _read(path: Path, bundle: Bundle) -> Any:
    kind = bundle.preprocessing.kind
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    if kind == "text":
        return path.read_text(encoding="utf-8", errors="replace")
    from edgecnn.data.files.recordings import is_recording, read_recording

    if is_recording(path):
        recording, rate = read_recording(path)
        wanted = getattr(bundle.preprocessing, "rate", rate)
        if rate != wanted:
            raise InputError(
                f"{path.name} has {rate} Hz, the model takes recordings of {wanted} Hz",
                hint=f"bring it to {wanted} Hz first (sox, ffmpeg -ar {wanted})",
            )
        return recording
    if kind in ("image", "letterbox"):
        from edgecnn.data.files.images import decode

        try:
            return decode(path)
        except ImportError as error:
            raise MissingDependencyError("pillow is not installed") from error
    raise InputError(
        f"{path.name}: the model takes a {kind}", hint="pass it as a .npy file of the raw sample"
    )


def _array(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _boxes(
    outputs: Sequence[Array],
    image: Array,
    prepared: ImagePreprocessing,
    manifest: Manifest,
) -> list[dict[str, Any]]:
    from edgecnn.detection.answer import OURS, decode_outputs
    from edgecnn.detection.heads import open_head

    settings = manifest.postprocessing or OURS
    head = open_head(settings)
    stated = (manifest.metrics.get("min_score"), settings.min_score, head.min_score)
    detections = decode_outputs(
        list(outputs),
        prepared.shape,
        prepared.place(*image.shape[:2]),
        image.shape,
        min_score=float(next(score for score in stated if score is not None)),
        head=head,
    )
    names = settings.class_names or manifest.labels[:1] or ("object",)
    return [
        {
            "label": names[number] if 0 <= number < len(names) else f"class {number}",
            "score": round(float(score), 4),
            "xyxy": [round(float(value), 1) for value in box],
        }
        for box, score, number in zip(
            detections.xyxy, detections.scores, detections.class_ids.tolist(), strict=True
        )
    ]


def _parsed(arguments: Sequence[str], name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}", description="Run the model on images, folders or .npy files."
    )
    parser.add_argument("inputs", nargs="*", help="images, folders of images, .npy, .wav, .txt")
    parser.add_argument("--install", action="store_true", help="install what it needs, here")
    parser.add_argument("--self-test", action="store_true", help="compare with recorded outputs")
    parser.add_argument("--info", action="store_true", help="say what was measured, and where")
    parser.add_argument("--tensors", action="store_true", help="a .npy file holds prepared tensors")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each input")
    parser.add_argument("--top", type=int, default=3, help="classes to print")
    parser.add_argument("--threads", type=int, default=None, help="instead of the bundle's own")
    return parser.parse_args(list(arguments))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="unpack the bundle again") from error


def _report(message: str, hint: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    if hint:
        print(f"  → {hint}", file=sys.stderr)  # noqa: T201
    return code
