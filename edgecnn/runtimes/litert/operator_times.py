"""Times of single operators in LiteRT, from its own profiler."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecnn.errors import UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.runtimes.base import Array, OperatorTime, operator_times
from edgecnn.system import scratch
from edgecnn.text import shortened

WARMUP = 3
TIMEOUT_SECS = 300.0


def profile(
    package: Path,
    model: Path,
    options: RuntimeOptions,
    tensors: Sequence[Sequence[Array]],
    inferences: int,
) -> list[OperatorTime]:
    """Profile a model on the CPU with the LiteRT that lies in `package`.

    The profiler belongs to LiteRT's compiled model, which runs the same XNNPACK kernels as
    the interpreter; it knows whole microseconds. Raises UnsupportedError where this LiteRT
    has no profiler, or one that answers in another form.
    """
    library = package / "libLiteRt.so"
    if not library.exists():
        raise UnsupportedError(f"this LiteRT has no profiler: there is no {library.name} in it")
    names = [spec.name for spec in read_signature(model).inputs]
    with scratch.folder() as folder:
        feeds = []
        for number, inputs in enumerate(tensors):
            files = [folder / f"{number}-{index}.npy" for index in range(len(inputs))]
            for path, array in zip(files, inputs, strict=True):
                np.save(path, array)
            feeds.append(dict(zip(names, map(str, files), strict=True)))
        request = {
            "library": str(library),
            "model": str(model),
            "threads": options.threads,
            "inferences": inferences,
            "warmup": WARMUP,
            "inputs": feeds,
        }
        executed = _ask(json.dumps(request))
    return operator_times(
        (f"{kind} {number}", kind, None, elapsed_us * 1_000)
        for number, kind, elapsed_us in executed
    )


def _ask(request: str) -> list[tuple[str, str, int]]:
    program = Path(__file__).with_name("profiler.py")
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(program)],
            input=request,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnsupportedError(f"LiteRT's profiler took more than {TIMEOUT_SECS:g} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        why = lines[-1] if lines and done.returncode > 0 else f"exit code {done.returncode}"
        raise UnsupportedError(
            f"LiteRT's profiler failed: {shortened(why, 600)}",
            hint="profile the same model on openvino:cpu",
        )
    executed: list[tuple[str, str, int]] = json.loads(done.stdout.splitlines()[-1])
    return executed
