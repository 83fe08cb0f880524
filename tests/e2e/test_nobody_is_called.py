"""No verb calls anybody or writes outside of edgecnn's own places, unless its user asks for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
EDGECNN = [sys.executable, "-P", "-c", "from edgecnn.cli import main; main()"]
_COMMANDS = """
doctor
train --model lenet5 --data digits --epochs 1 --out m.keras
convert m.keras --to tflite:float32,onnx:float32,onnx:static_int8,mnn:float32,mnn:int8 \
  --calibration digits --out art
verify art/m_float32.onnx --parent m.keras
benchmark m.keras art/m_float32.tflite art/m_float32.onnx art/m_float32.mnn \
  --quick --processes 1 --out r.json
report r.json --out r.html
compare r.json r.json
explain m.keras --data digits --samples 4 --shifts 0,2 --out explain.html
detect synthetic --headless --frames 5
models
data inspect digits --out look
"""
VERBS = [line.split()[0] for line in _COMMANDS.strip().splitlines()]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What every verb did in a network where all calls are seen and none is answered."""
    namespace = _namespace()
    if namespace is None:
        pytest.skip("this user may not make a network namespace (unshare --net)")
    work = tmp_path_factory.mktemp("sealed")
    steps = []
    for line in _COMMANDS.strip().splitlines():
        name, *_ = arguments = line.split()
        places = {key: work / "places" / name / key for key in ("HOME", "TMPDIR")}
        for place in places.values():
            place.mkdir(parents=True)
        environment = {key: str(place) for key, place in places.items()}
        # Unset by being empty: a caller's own settings would hide what edgecnn does.
        environment |= dict.fromkeys(("XDG_CACHE_HOME", "XDG_DATA_HOME", "EDGECNN_HOME"), "")
        steps.append({"name": name, "command": [*EDGECNN, *arguments], "env": environment})
    plan = work / "plan.json"
    plan.write_text(json.dumps(steps), encoding="utf-8")
    before = _installed()
    done = subprocess.run(
        [*namespace, sys.executable, str(HERE / "sealed.py"), str(plan)],
        capture_output=True,
        text=True,
        check=False,
        env=_without_own_settings(),
        cwd=work,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    found["installed"] = sorted(set(_installed()) ^ set(before))
    for name in VERBS:
        found[name]["left"] = {
            key: sorted(
                str(path.relative_to(work / "places" / name / key))
                for path in (work / "places" / name / key).rglob("*")
                if not path.is_dir()
            )
            for key in ("HOME", "TMPDIR")
        }
    return found


def _installed() -> list[str]:
    """The packages of this Python, as `pip freeze` has them."""
    command = [sys.executable, "-m", "pip", "freeze", "--all", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def _without_own_settings() -> dict[str, str]:
    unwanted = {"ORT_DISABLE_TELEMETRY", "KERAS_HOME", "CI", "DO_NOT_TRACK"}
    return {key: value for key, value in os.environ.items() if key not in unwanted}


def _namespace() -> list[str] | None:
    for command in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        if shutil.which("unshare") and shutil.which("ip"):
            done = subprocess.run([*command, "ip", "link"], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    return None


@pytest.mark.slow
def test_a_call_would_be_seen(sealed: Mapping[str, Any]):
    called = sealed["a call"]["called"]
    assert "93.184.216.34:80" in called
    assert any(address.endswith(":53") for address in called)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_does_its_work_without_a_network(sealed: Mapping[str, Any], verb: str):
    decided = (0, 1) if verb == "compare" else (0,)  # so short a run may leave rows undecided
    assert sealed[verb]["exit"] in decided, sealed[verb]["said"]


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_calls_nobody(sealed: Mapping[str, Any], verb: str):
    assert sealed[verb]["called"] == []


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_writes_into_its_own_places_only(sealed: Mapping[str, Any], verb: str):
    own = (".cache/edgecnn/", ".local/share/edgecnn/")
    left = sealed[verb]["left"]
    assert [path for path in left["HOME"] if not path.startswith(own)] == []
    assert left["TMPDIR"] == []


@pytest.mark.slow
def test_nothing_is_installed(sealed: Mapping[str, Any]):
    """MNN's scripts, and the import of MNN.tools alone, have pip install a package of theirs."""
    assert sealed["installed"] == []


def test_a_user_who_wants_telemetry_can_have_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    code = "import edgecnn, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
