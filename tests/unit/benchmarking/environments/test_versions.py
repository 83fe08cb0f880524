"""Versions of runtimes: what a name asks for, and which releases lie between two."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from edgecnn.benchmarking.environments import installer, versions
from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.errors import InputError, MissingDependencyError
from edgecnn.registry import RUNTIMES


@pytest.mark.parametrize(
    ("name", "runtime", "package", "version"),
    [
        ("onnxruntime==1.23.2", "onnxruntime", "onnxruntime", "1.23.2"),
        ("onnxruntime-gpu==1.23.*", "onnxruntime", "onnxruntime-gpu", "1.23.*"),
        ("litert==2.1.0", "litert", "ai-edge-litert", "2.1.0"),
        ("AI_Edge_LiteRT==2.1.0", "litert", "ai-edge-litert", "2.1.0"),
        ("onnxruntime==1.23.2+onnxruntime-gpu", "onnxruntime", "onnxruntime-gpu", "1.23.2"),
        ("onnxruntime==1.23.2+cu12", "onnxruntime", "onnxruntime", "1.23.2+cu12"),
        ("opencv==4.11.0.86", "opencv", "opencv-python-headless", "4.11.0.86"),
    ],
)
def test_a_version_is_asked_for_by_package_or_runtime(name, runtime, package, version):
    assert versions.parse(name) == versions.RuntimeVersion(runtime, package, version)


@pytest.mark.parametrize(
    "name",
    ["onnxruntime==", "onnxruntime==latest", "onnxruntime==1.*.2", "requests==2.0", "==1.0",
     "onnxruntime==1.23; rm -rf /", "../onnxruntime==1.0", "onnxruntime==1.0/../..",
     "--index-url=x==1", "onnxruntime==1.23.2 extra"],
)  # fmt: skip
def test_anything_else_is_refused_before_an_installer_sees_it(name):
    with pytest.raises(InputError):
        versions.parse(name)


def test_every_runtime_of_edgecnn_has_its_package_listed():
    assert set(RUNTIMES.builtin) <= set(versions.PACKAGES)


def test_a_pattern_takes_what_begins_with_it_and_no_other_number():
    wanted = versions.parse("onnxruntime==1.2.*")
    assert [
        each for each in ("1.2", "1.2.0", "1.2.5", "1.20.1", "1.1") if wanted.accepts(each)
    ] == [
        "1.2",
        "1.2.0",
        "1.2.5",
    ]


@pytest.mark.parametrize(
    ("asked", "fitting", "other"),
    [
        ("1.23", ["1.23", "1.23.0", "1.23.0+cpu"], ["1.23.1", "1.23.0.post1", "1.23.0rc1"]),
        ("1.23.0", ["1.23", "1.23.0.0"], ["1.2.3"]),
        ("1.23.0+cpu", ["1.23.0+cpu"], ["1.23.0", "1.23.0+cu12"]),
        ("1.24.0rc1", ["1.24.0rc1"], ["1.24.0", "1.24.0rc2"]),
    ],
)
def test_a_version_may_be_written_with_fewer_zeros(asked, fitting, other):
    wanted = versions.RuntimeVersion("onnxruntime", "onnxruntime", asked)
    assert all(map(wanted.accepts, fitting))
    assert not any(map(wanted.accepts, other))


def test_releases_between_two_are_sorted_by_number_and_final():
    known = ["1.9", "1.10.0", "1.10.0rc1", "1.2", "1.10.1.post1", "1.10.1", "2.0.dev3", "1.8"]
    assert versions.between(known, "1.8", "1.10.1.post1") == [
        "1.8",
        "1.9",
        "1.10.0",
        "1.10.1",
        "1.10.1.post1",
    ]


@pytest.mark.parametrize(("good", "bad"), [("1.0", "3.0"), ("2.0", "1.0"), ("1.0", "1.0.0")])
def test_ends_that_are_not_there_or_the_wrong_way_round_are_refused(good, bad):
    with pytest.raises(InputError):
        versions.between(["1.0", "2.0"], good, bad)


def planted(
    home: Path, version: str, runtime: str = "onnxruntime", package: str = "", name: str = ""
) -> None:
    """An environment as `create` leaves it, without anything inside."""
    folder = home / "envs" / (name or f"{runtime}=={version}")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    record = {"packages": [], "runtime": runtime, "package": package or runtime,
              "version": version}  # fmt: skip
    (folder / "edgecnn.json").write_text(json.dumps(record))


def test_the_newest_environment_that_fits_a_pattern_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    for version in ("1.9.1", "1.10.0", "1.10.2", "1.11.0"):
        planted(tmp_path, version)
    assert environments.resolve("onnxruntime==1.10.*") == "onnxruntime==1.10.2"
    assert environments.resolve("onnxruntime==1.9.1") == "onnxruntime==1.9.1"
    assert environments.resolve("onnxruntime==1.10") == "onnxruntime==1.10.0"
    assert "onnxruntime==1.11.0" in environments.names()
    with pytest.raises(InputError, match="is not created") as missing:
        environments.resolve("onnxruntime==1.12.*")
    assert missing.value.hint == "edgecnn env create 'onnxruntime==1.12.*'"
    assert environments.remove("onnxruntime==1.11.*")
    assert not environments.remove("onnxruntime==1.11.*")


GPU, CPU = "onnxruntime-gpu==1.10.0", "onnxruntime==1.10.0"
GPU_FOLDER = "onnxruntime==1.10.0+onnxruntime-gpu"


@pytest.fixture
def home(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    return tmp_path


def test_the_build_for_gpus_is_not_the_one_for_processors(home):
    planted(home, "1.10.0")
    assert environments.installed(CPU) == environments.resolve(CPU) == CPU
    assert environments.installed(GPU) is None
    with pytest.raises(InputError, match=r"onnxruntime-gpu==1\.10\.0 is not created"):
        environments.resolve(GPU)
    assert not environments.remove(GPU)

    planted(home, "1.10.0", package="onnxruntime-gpu", name=GPU_FOLDER)
    assert environments.resolve(GPU) == environments.resolve(GPU_FOLDER) == GPU_FOLDER
    assert environments.resolve(CPU) == CPU


def test_an_environment_that_was_named_after_the_runtime_alone_is_found(home):
    planted(home, "1.10.0", package="onnxruntime-gpu")
    assert environments.installed(GPU) == environments.resolve(GPU) == CPU
    assert environments.resolve("onnxruntime==1.10.*") == CPU
    assert environments.installed(CPU) is None, "the other package can be created"


@pytest.mark.parametrize(
    ("there", "asked", "force", "made"),
    [
        ([], CPU, False, CPU),
        ([], GPU, False, GPU_FOLDER),
        ([("onnxruntime", CPU)], GPU, False, GPU_FOLDER),
        ([("onnxruntime-gpu", CPU)], GPU, True, CPU),
        ([("onnxruntime-gpu", CPU)], CPU, False, f"{CPU}+onnxruntime"),
    ],
)
def test_an_environment_of_another_package_is_never_replaced(
    home, monkeypatch, there, asked, force, made
):
    for package, name in there:
        planted(home, "1.10.0", package=package, name=name)

    def make(folder: Path, base: Path) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)

    package = asked.partition("==")[0]
    monkeypatch.setattr(installer, "make", make)
    monkeypatch.setattr(installer, "install", lambda python, packages: None)
    monkeypatch.setattr(installer, "installed", lambda python: [f"{package}==1.10.0"])
    monkeypatch.setattr(environments, "_missing", lambda runtime, python: "")

    assert environments.create(asked, force=force).parents[1].name == made
    assert environments.installed(asked) == made
    kept = {name for each, name in there if each != package}
    assert set(environments.names()) >= {made, *kept}
    for each, name in there:
        assert environments.installed(f"{each}==1.10.0") == name


def test_a_damaged_record_of_an_environment_is_no_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    planted(tmp_path, "1.10.0")
    (tmp_path / "envs" / "onnxruntime==1.10.0" / "edgecnn.json").write_text("[1, 2")
    with pytest.raises(InputError, match="is not created"):
        environments.resolve("onnxruntime==1.10.0")


@pytest.fixture
def without_pip(monkeypatch, tmp_path) -> Path:
    """A Python as `uv venv` makes it, which runs edgecnn."""
    folder = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    return python


def use_uv(monkeypatch) -> None:
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    if shutil.which("uv", path=path) is None:
        pytest.skip("uv is not installed (it is among edgecnn's own development tools)")
    monkeypatch.setenv("PATH", path)


def test_what_is_installed_is_listed_by_uv_where_there_is_no_pip(without_pip, monkeypatch):
    use_uv(monkeypatch)
    (site,) = without_pip.parents[1].glob("lib/python*/site-packages")
    (site / "planted-1.2.dist-info").mkdir()
    (site / "planted-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: planted\nVersion: 1.2\n"
    )
    assert [line for line in installer.installed(without_pip) if line] == ["planted==1.2"]


def test_what_uv_cannot_install_is_said_by_uv_where_there_is_no_pip(
    without_pip, monkeypatch, tmp_path
):
    use_uv(monkeypatch)
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(tmp_path))):
        monkeypatch.setenv(name, value)
    with pytest.raises(
        installer.CreationError, match="could not install nothing-like-it"
    ) as failed:
        installer.install(without_pip, ["nothing-like-it"])
    assert "No module named pip" not in failed.value.message


def test_a_python_without_pip_says_how_to_get_it(without_pip):
    with pytest.raises(MissingDependencyError, match="pip is not installed here") as missing:
        installer.available("onnxruntime")
    assert missing.value.hint == f"{without_pip} -m ensurepip"


def test_an_installer_that_fails_says_why_without_the_password_of_an_index():
    script = "import sys; sys.exit('ERROR: no https://me:s3cret@index.invalid/simple')"
    with pytest.raises(installer.CreationError) as failed:
        installer.call([sys.executable, "-c", script], "install it")
    assert "s3cret" not in failed.value.message
    assert "could not install it: ERROR: no https://index.invalid/simple" in failed.value.message
    assert failed.value.exit_code == 3
