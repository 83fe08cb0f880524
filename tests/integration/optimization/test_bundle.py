"""A bundle runs without edgecnn, and refuses what is not what was measured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.errors import InputError
from edgecnn.optimization.bundles import installing
from edgecnn.optimization.bundles.bundle import write_bundle
from edgecnn.optimization.bundles.c_array import smallest_arena, write_c_array
from tests.integration.optimization.bundle_process import NAME, run
from tests.integration.optimization.conftest import digits, plain


@pytest.fixture(scope="module")
def files(made, tmp_path_factory) -> dict[str, Path]:
    outcomes = convert(
        made(plain),
        "tflite:static_int8,onnx:static_int8",
        calibration=digits(),
        out=tmp_path_factory.mktemp("artifacts"),
        samples=64,
    )
    return {outcome.target.format: outcome.artifact.path for outcome in outcomes}


@pytest.fixture(scope="module")
def bundle(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "shipped"
    return write_bundle(files["tflite"], out, dataset=digits(), evidence={"accepted": True})


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    for index in range(3):
        Image.fromarray(digits()["test"].samples[index]).save(folder / f"{index}.png")
    return folder


def test_a_folder_of_images_is_read_as_edgecnn_reads_it(bundle: Path, files, images: Path):
    from edgecnn.conversion.verification.verify import load_session

    done = run(bundle, str(images), "--json")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    session = load_session(files["tflite"])
    prepare = digits().preprocessing((8, 8, 1))
    for index, line in enumerate(told):
        (outputs,) = session.run([prepare(digits()["test"].samples[index])[None]])
        best = digits().labels[int(outputs[0].argmax())]
        assert line["classes"][0][0] == best
        assert line["classes"][0][1] == pytest.approx(float(outputs.max()), abs=1e-3)


def test_the_self_test_passes_where_it_was_made(bundle: Path):
    done = run(bundle, "--self-test")
    assert (done.returncode, done.stdout.strip()) == (0, "self-test: passed, 8 samples")


def test_outputs_that_differ_from_the_recorded_ones_fail_the_self_test(files, tmp_path: Path):
    from edgecnn.optimization.bundles import runner

    home = write_bundle(files["tflite"], tmp_path / "out", dataset=digits()) / NAME
    with np.load(home / runner.SELF_TEST) as recorded:
        arrays = dict(recorded)
    arrays["output_0_0"] = arrays["output_0_0"] + 5
    np.savez_compressed(home / runner.SELF_TEST, **arrays)
    accept_again(home, runner.SELF_TEST)
    done = run(home.parent, "--self-test")
    assert done.returncode == 1
    assert "off by" in done.stderr


def accept_again(home: Path, name: str) -> None:
    import hashlib

    about = json.loads((home / "bundle.json").read_text())
    about["files"][name] = hashlib.sha256((home / name).read_bytes()).hexdigest()
    (home / "bundle.json").write_text(json.dumps(about))


@pytest.mark.parametrize("name", ["reader_static_int8.tflite", "manifest.json"])
def test_a_changed_file_is_refused_by_name(files, images: Path, name: str, tmp_path: Path):
    home = write_bundle(files["tflite"], tmp_path / "out") / NAME
    content = bytearray((home / name).read_bytes())
    content[-3] ^= 1
    (home / name).write_bytes(bytes(content))
    done = run(home.parent, str(images))
    assert done.returncode == 2
    assert f"{name} was changed" in done.stderr
    (home / name).unlink()
    assert f"{name} is missing" in run(home.parent, str(images)).stderr


def test_another_processor_and_another_version_are_reported(files, tmp_path: Path):
    home = write_bundle(files["tflite"], tmp_path / "out", dataset=digits()) / NAME
    about = json.loads((home / "bundle.json").read_text())
    about["machine"]["instruction_sets"] = ["avx10_9"]
    about["packages"] = {"ai-edge-litert": "0.0.1"}
    (home / "bundle.json").write_text(json.dumps(about))
    done = run(home.parent, "--self-test")
    assert done.returncode == 0
    assert "lacks avx10_9" in done.stderr
    assert "measured with ai-edge-litert 0.0.1" in done.stderr
    about["machine"]["architecture"] = "abacus"
    (home / "bundle.json").write_text(json.dumps(about))
    assert "made on abacus" in run(home.parent, "--self-test").stderr


def test_an_input_that_cannot_be_read_is_one_line(bundle: Path, tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nonsense")
    for given in ([tmp_path / "broken.png"], [tmp_path / "missing.png"], [tmp_path], []):
        done = run(bundle, *map(str, given))
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture
def here(bundle: Path, capsys):
    """The bundle's runner in this process: (exit code, what it printed)."""
    from edgecnn.optimization.bundles import runner
    from edgecnn.runtimes.litert import LiteRT

    def answer(*arguments: str) -> tuple[int, str]:
        code = runner.main(arguments, bundle / NAME, LiteRT)
        told = capsys.readouterr()
        return code, told.out + told.err

    return answer


@pytest.mark.parametrize(
    ("write", "arguments", "said"),
    [
        (lambda path: path.write_bytes(b""), (), "cannot read"),
        (lambda path: np.save(path, np.float32(3)), ("--tensors",), "holds a single value"),
    ],
    ids=["empty", "scalar"],
)
def test_an_array_that_cannot_be_used_is_one_line(here, tmp_path: Path, write, arguments, said):
    path = tmp_path / "given.npy"
    write(path)
    code, told = here(str(path), *arguments)
    assert code == 2
    assert said in told


@pytest.mark.parametrize("name", ["0.png", ""])
def test_images_are_no_prepared_tensors(here, images: Path, name: str):
    code, told = here(str(images / name), "--tensors")
    assert code == 2
    assert "--tensors takes .npy files" in told


@pytest.mark.parametrize(
    ("stem", "name"),
    [("class", "class_model"), ("random", "random_model"), ("numpy", "numpy_model")],
)
def test_a_name_that_python_needs_itself_is_made_another(
    files, tmp_path: Path, stem: str, name: str
):
    model = shutil.copy(files["tflite"], tmp_path / f"{stem}.tflite")
    out = write_bundle(Path(model), tmp_path / "out")
    done = run(out, "--self-test", name=name)
    assert done.returncode == 0, done.stderr


def test_the_bundle_can_be_imported(bundle: Path):
    code = f"import {NAME} as it; b = it.load(); print(b.about['runtime'], b.manifest.task)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=bundle, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["litert", "classification"]


def test_a_zip_file_holds_the_same(files, tmp_path: Path):
    out = write_bundle(files["onnx"], tmp_path / "shipped.zip")
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "unpacked")
    assert {"requirements.txt", "README.md", f"{NAME}/__main__.py"} <= set(names)
    done = run(tmp_path / "unpacked", "--self-test")
    assert done.returncode == 0, done.stderr


def test_what_exists_is_overwritten_only_with_force_and_only_where_it_is_a_bundle(
    files, tmp_path: Path
):
    out = write_bundle(files["tflite"], tmp_path / "out")
    with pytest.raises(InputError, match="exists already"):
        write_bundle(files["tflite"], out)
    assert write_bundle(files["tflite"], out, force=True) == out
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no bundle"):
        write_bundle(files["tflite"], other, force=True)
    assert (other / "letter.txt").exists()


def test_a_keras_file_is_no_bundle(made, tmp_path: Path):
    with pytest.raises(InputError, match="converted file"):
        write_bundle(made(plain), tmp_path / "out")


def test_a_c_header_cannot_add_custom_operators(files, tmp_path: Path):
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(files["tflite"]))
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode = 32, 32, b"Mine"
    path = tmp_path / "own.tflite"
    flatbuffer_utils.write_model(model, str(path))
    with pytest.raises(InputError, match="custom operators"):
        write_c_array(path, tmp_path / "model.h")
    assert not (tmp_path / "model.h").exists()


def test_a_c_header_names_operators(files, tmp_path: Path):
    out = tmp_path / "model.h"
    notes = write_c_array(files["tflite"], out)
    text = out.read_text()
    assert "AddConv2D" in text
    assert "AddFullyConnected" in text
    assert "arena" in " ".join(notes)
    with pytest.raises(InputError, match="exists already"):
        write_c_array(files["tflite"], out)
    with pytest.raises(InputError, match=r"\.tflite files"):
        write_c_array(files["onnx"], tmp_path / "other.h")


@pytest.mark.slow
def test_the_smallest_arena_is_found_by_trying(files):
    pytest.importorskip("tflite_micro")
    arena, note = smallest_arena(files["tflite"])
    assert arena is not None, note
    assert 1_000 < arena < 64_000
    assert arena % 256 == 0


def test_an_installation_beside_the_bundle_is_what_it_runs_with(bundle: Path):
    """Not the user's packages: a numpy of its own goes before theirs."""
    place = installing.folder(bundle / NAME)
    (place / "numpy").mkdir(parents=True)
    (place / "numpy" / "__init__.py").write_text("raise ImportError('this one')")
    done = run(bundle, "--self-test")
    shutil.rmtree(place)
    assert done.returncode == 3
    assert f"python -m {NAME} --install" in done.stderr


def test_packages_that_cannot_be_installed_leave_nothing_behind(files, tmp_path: Path):
    out = write_bundle(files["tflite"], tmp_path / "out")
    (out / "requirements.txt").write_text("no-such-package-anywhere @ file:///nowhere.whl\n")
    done = run(out, "--install")
    assert done.returncode == 3
    assert "could not install" in done.stderr
    assert not list(out.glob("packages-*"))


LARGEST_INSTALLED = 120e6


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_two_commands_run_it_in_an_empty_environment(
    files, file_format: str, images: Path, tmp_path: Path
):
    out = write_bundle(files[file_format], tmp_path / "out", dataset=digits())
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for arguments in (["--install"], ["--self-test"], [str(images)]):
        done = subprocess.run(
            [python, "-m", NAME, *arguments],
            cwd=out,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (place,) = out.glob("packages-*")
    assert installing.size_bytes(place) < LARGEST_INSTALLED


def test_a_model_that_answers_with_a_sequence_is_refused_with_what_runs_it(files, monkeypatch):
    from dataclasses import replace

    from edgecnn.embedded_manifest import load_artifact
    from edgecnn.optimization.bundles import bundle as module

    artifact = load_artifact(files["tflite"])
    told = replace(artifact, manifest=replace(artifact.manifest, task="translation"))
    monkeypatch.setattr(module, "load_artifact", lambda _path: told)
    with pytest.raises(InputError, match="a sequence is two") as caught:
        write_bundle(files["tflite"], files["tflite"].parent / "never")
    assert "edgecnn translate" in caught.value.hint
