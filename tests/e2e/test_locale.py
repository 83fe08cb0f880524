"""Every verb in a locale that knows ASCII only, with names that are not ASCII."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

EDGECNN = [sys.executable, "-c", "from edgecnn.cli import main; main()"]
ASCII = {
    "the C locale": {"LC_ALL": "C"},
    "no UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII streams": {"LANG": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
}
HARDEST = "no UTF-8 mode"
STATE = """
import sys
from edgecnn.cli.screen import streams
streams.ensure_utf8()
streams.make_safe()
print(sys.getfilesystemencoding(), open(sys.executable).encoding.lower(), sys.stdout.errors)
"""


def environment(locale: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    return {**kept, **ASCII[locale]}


@pytest.fixture
def edgecnn(tmp_path):
    """Run a verb in the hardest of them, in a folder of its own."""

    def run(*arguments: object, codes: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [*EDGECNN, *map(str, arguments)], cwd=tmp_path, env=environment(HARDEST),
            capture_output=True, check=False, timeout=300,
        )  # fmt: skip
        said = done.stderr.decode("utf-8")
        assert "Traceback" not in said
        assert done.returncode in codes, said
        return done.stdout.decode("utf-8")

    return run


def test_measuring_comparing_and_reporting(edgecnn, tmp_path, lenet_artifacts):
    shutil.copy(lenet_artifacts["tflite:float32"].path, tmp_path / "modèle é.tflite")
    quick = ("--quick", "--processes", "1", "--max-secs", "0.3", "--runtimes", "litert:cpu")
    edgecnn("benchmark", "modèle é.tflite", *quick, "--out", "résultat.json")
    (row,) = json.loads((tmp_path / "résultat.json").read_text())["measurements"]
    assert (row["status"], row["artifact"]["name"]) == ("ok", "modèle é.tflite")
    twice = ("résultat.json", "résultat.json")  # so short a run leaves the row undecided
    edgecnn("compare", *twice, "--out", "vergleich.md", codes=(1,))
    assert (tmp_path / "vergleich.md").stat().st_size > 0
    for ending in ("html", "md", "csv"):
        edgecnn("report", "résultat.json", "--out", f"bericht.{ending}")
        assert (tmp_path / f"bericht.{ending}").stat().st_size > 0
    assert "modèle é" in (tmp_path / "bericht.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_converting_verifying_and_explaining(edgecnn, tmp_path, trained_lenet):
    for ending in ("", ".manifest.json"):  # the manifest says how the samples are prepared
        shutil.copy(f"{trained_lenet.path}{ending}", tmp_path / f"réseau.keras{ending}")
    edgecnn("convert", "réseau.keras", "--to", "tflite:float32,onnx:float32", "--out", "dossier é")
    for ending in ("tflite", "onnx"):
        (path,) = (tmp_path / "dossier é").glob(f"*.{ending}")
        said = edgecnn("verify", path.relative_to(tmp_path), "--parent", "réseau.keras")
        assert path.name in said
    edgecnn("explain", "réseau.keras", "--data", "digits", "--samples", "5", "--out", "é.html")
    assert "réseau" in (tmp_path / "é.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--help", "Usage: edgecnn"),
        pytest.param("models lenet5", "32×32×1", marks=pytest.mark.slow),
        ("data inspect digits", "8 … 8 … 8"),
        ("data pack digits --out paqué", "packed:paqué"),
        pytest.param("doctor", "litert:cpu", marks=pytest.mark.slow),
        ("env list", "tflite-runtime"),
        pytest.param(
            "train --model lenet5 --data digits --epochs 1 --out é.keras", "é.keras",
            marks=pytest.mark.slow,
        ),
        ("detect synthetic --headless --frames 2 --events é.jsonl", "2 frames in"),
    ],
    ids=lambda text: " ".join(text.split()[:2]),
)  # fmt: skip
def test_a_verb_writes_what_it_has_to_say(edgecnn, tmp_path, line, words):
    arguments = line.split()
    assert words in edgecnn(*arguments)
    for option in {"--out", "--events"}.intersection(arguments):
        assert (tmp_path / arguments[arguments.index(option) + 1]).exists()


@pytest.mark.parametrize("locale", ASCII)
def test_a_verb_starts_in_the_same_state_in_each_of_them(locale):
    """So what it reads and writes is tested in one; the others differ in less from UTF-8."""
    done = subprocess.run(
        [sys.executable, "-c", STATE], env=environment(locale), capture_output=True, check=True
    )
    assert done.stdout.decode("ascii").split() == ["utf-8", "utf-8", "edgecnn-plain"]
