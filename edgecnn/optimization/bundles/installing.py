"""Install a bundle's dependencies into a folder of their own: `python -m NAME --install`.

pip puts the pinned packages next to the bundle and not into the user's Python, which Debian does
not allow. What no inference loads is then taken out of that folder again: tests, headers and
compilers of numpy, parts for other devices and other model formats, the tools of ONNX Runtime.
A copy of this file lies in each bundle; it needs the standard library alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

LEFT_OUT = (
    "bin",
    "**/tests",
    "**/*.pyi",
    "numpy/f2py",
    "numpy/distutils",
    "numpy/_core/include",
    "numpy/_core/lib",
    "ai_edge_litert/tools",
    "ai_edge_litert/vendors",
    "onnxruntime/capi/libonnxruntime.so*",
    "onnxruntime/transformers",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/datasets",
    "openvino/libs/*gguf_frontend*",
    "openvino/libs/*jax_frontend*",
    "openvino/libs/*paddle_frontend*",
    "openvino/libs/*pytorch_frontend*",
    "openvino/libs/*tensorflow_frontend*",
)
"""Of the installed packages, as patterns. ONNX Runtime's Python module holds the whole runtime; its
shared library is for programs in other languages."""
GPU_PARTS = (
    "ai_edge_litert/*Accelerator*.so",
    "ai_edge_litert/*Accelerator*.dylib",
    "openvino/libs/*intel_gpu*",
    "openvino/libs/*intel_npu*",
    "openvino/libs/cache.json",
)
"""Left out where the bundle runs on a processor."""


def folder(home: Path) -> Path:
    """Where the packages of the bundle in `home` lie, for the Python that runs."""
    return home.parent / f"packages-{sys.implementation.cache_tag}"


def install(home: Path, device: str = "cpu") -> int:
    """Install the packages, whole or not at all, and run the self-test; returns the exit code."""
    place = folder(home)
    unfinished = place.with_name(f"{place.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    wanted = home.parent / "requirements.txt"
    options = ["--quiet", "--no-compile", "--no-warn-conflicts", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(unfinished)]
    try:
        done = subprocess.run([*command, "-r", str(wanted)], check=False)
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            return _report("pip could not install the packages", _advice())
        for pattern in (*LEFT_OUT, *(GPU_PARTS if device == "cpu" else ())):
            for path in list(unfinished.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        return _report(
            f"cannot write {place}: {error.strerror}", "check permissions and free space"
        )
    # The self-test also leaves the byte code of what it imports, so that the next start is quick.
    writing = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    tested = subprocess.run(
        [sys.executable, "-m", home.name, "--self-test"],
        cwd=home.parent,
        env=writing,
        check=False,
    )
    print(f"installed {size_bytes(place) / 1e6:.0f} MB in {place}")  # noqa: T201 (a command)
    return tested.returncode


def size_bytes(place: Path) -> int:
    """Bytes of all files of an installation."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def _advice() -> str:
    have_pip = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, check=False
    )
    if have_pip.returncode != 0:
        return "this Python has no pip: apt-get install python3-pip"
    return "see its message above; --install needs a package index, the rest does not"


def _report(message: str, hint: str) -> int:
    print(f"error: {message}\n  → {hint}", file=sys.stderr)  # noqa: T201
    return 3
