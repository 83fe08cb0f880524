"""What commands write is not overwritten unasked, nor shared, nor lost to Ctrl-C or a full disk."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.command_line import EDGECNN, QUICK, edgecnn, here


@pytest.fixture(scope="module")
def measured(lenet_artifacts, tmp_path_factory) -> Path:
    """Results of one row, as the command leaves them."""
    out = tmp_path_factory.mktemp("measured") / "r.json"
    file = lenet_artifacts["tflite:float32"].path
    done = edgecnn("benchmark", file, "--runtimes", "litert:cpu", *QUICK, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_nothing_is_overwritten_without_force(tmp_path, measured):
    page = tmp_path / "r.html"
    assert edgecnn("report", measured, "--out", page).returncode == 0
    again = here("report", measured, "--out", page)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert here("report", measured, "--out", page, "--force").returncode == 0


def test_results_come_out_of_a_page_as_they_went_in(tmp_path, measured):
    page, again = (tmp_path / name for name in ("r.html", "again.json"))
    here("report", measured, "--out", page)
    done = here("report", page, "--out", again)
    assert done.returncode == 0, done.stderr
    assert json.loads(again.read_text()) == json.loads(measured.read_text())


def test_another_protocol_does_not_mix_with_what_is_there(tmp_path, measured, tflite):
    out = tmp_path / "r.json"
    shutil.copy(measured, out)
    other = edgecnn("benchmark", tflite, "--runtimes", "litert:cpu", "--out", out)
    assert other.returncode == 2
    assert "another protocol" in other.stderr
    assert out.read_bytes() == measured.read_bytes()


@pytest.mark.usefixtures("misbehaving_runtime")
def test_ctrl_c_keeps_finished_rows_and_the_next_run_completes_them(tmp_path, tflite):
    """Two rows: one that measures, one that hangs; Ctrl-C comes while it hangs."""
    out = tmp_path / "r.json"
    command = [
        *EDGECNN, "benchmark", tflite, "--runtimes", "litert:cpu,misbehaving:hang", *QUICK,
        "--out", out,
    ]  # fmt: skip
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: hangs_with_finished_row(process.pid))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    (row,) = json.loads(out.read_text())["measurements"]
    assert (row["runtime"], row["status"]) == ("litert", "ok")
    kept = row["runs"]

    done = edgecnn("benchmark", tflite, "--runtimes", "litert:cpu", *QUICK, "--out", out)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(out.read_text())["measurements"]
    assert row["runs"] == kept


def hangs_with_finished_row(pid: int) -> bool:
    """Whether the worker of `pid` is one that sleeps in `misbehaving`, after another has gone."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        libraries = [Path(f"/proc/{child}/maps").read_text() for child in children]
        seen.update(children)
    except OSError:
        return False
    quiet = [text for text in libraries if "litert" not in text and "numpy" in text]
    return len(seen) == 2 and bool(quiet)


seen: set[str] = set()


def wait_until(condition, timeout: float = 300.0) -> None:
    seen.clear()
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)
    time.sleep(1.0)


def test_a_full_disk_leaves_what_was_there(tmp_path, tflite):
    """A file system of 64 kB fills while results are written."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a small file system here")
    try:
        out = small / "r.json"
        out.write_text("")
        done = edgecnn(
            "benchmark", tflite, "--runtimes", "litert:cpu", "--profile", "quick", "--force",
            "--out", out,
        )  # fmt: skip
        assert done.returncode == 2
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert [path.name for path in small.iterdir()] == ["r.json"]
    finally:
        subprocess.run(["umount", small], check=True)


def is_locked(path: Path) -> bool:
    """Whether the file has its holder's number: it is made first, and locked then."""
    return path.exists() and path.read_text().isdigit()


def test_two_benchmarks_never_share_an_output(tmp_path, tflite):
    """Both used to say done, and the rows of one were gone."""
    out = tmp_path / "r.json"
    command = ("benchmark", tflite, "--runtimes", "litert:cpu", "--out", out)
    first = subprocess.Popen(
        [*EDGECNN, *map(str, command), *QUICK],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while not is_locked(tmp_path / ".r.json.lock"):
            assert first.poll() is None, first.communicate()
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)  # however long the second takes to start
        second = edgecnn(*command, *QUICK)
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 2
        assert f"r.json is being written by another edgecnn (process {first.pid})" in second.stderr
    finally:
        first.send_signal(signal.SIGCONT)
        said = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert len(json.loads(out.read_text())["measurements"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_what_is_read_is_never_overwritten(tmp_path):
    from tests.unit.test_results import FULL

    results = tmp_path / "r.json"
    FULL.save(results)
    before = results.read_bytes()
    for command in (
        ("report", results, "--out", results, "--force"),
        ("compare", results, results, "--out", results),
    ):
        done = here(*command)
        assert done.returncode == 2
        assert "is read here and would be overwritten" in done.stderr
    assert results.read_bytes() == before


def test_a_comparison_is_overwritten_only_when_asked(tmp_path):
    from tests.unit.test_results import FULL

    results, out = tmp_path / "r.json", tmp_path / "c.md"
    FULL.save(results)
    out.write_text("mine", encoding="utf-8")
    refused = here("compare", results, results, "--out", out)
    assert refused.returncode == 2
    assert "pass --force to overwrite it" in refused.stderr
    assert out.read_text(encoding="utf-8") == "mine"
    here("compare", results, results, "--out", out, "--force")
    assert out.read_text(encoding="utf-8") != "mine"
