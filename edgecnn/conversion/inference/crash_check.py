"""Load a newly written file in a separate process: some runtimes crash."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgecnn.errors import UnsupportedError

TIMEOUT_SECS = 300.0
_LOAD = (
    "import sys; from pathlib import Path; "
    "from edgecnn.conversion.verification.verify import load_session; "
    "load_session(Path(sys.argv[1]))"
)
_RUN_NCNN = (
    "import sys; from pathlib import Path; "
    "from edgecnn.conversion.exporters.onnx_to_ncnn import try_out; try_out(Path(sys.argv[1]))"
)


def refuse_what_crashes(path: Path) -> None:
    """Raise UnsupportedError where ONNX Runtime dies of a quantized `.onnx` file with loops or
    branches (it rewrites what is inside of them); files without any are not tried.
    """
    import onnx

    loops = _nodes_with_graphs(onnx.load(str(path), load_external_data=False).graph)
    if not loops:
        return
    crashed = _crash(_LOAD, path)
    if crashed:
        raise UnsupportedError(
            f"ONNX Runtime crashes ({crashed}) when it loads the "
            f"quantized file, which has {', '.join(loops)}",
            hint="build recurrent layers with unroll=True for a fixed length; onnx:float32 and "
            "onnx:float16 take the model as it is",
        )


def refuse_what_crashes_ncnn(path: Path) -> None:
    """Raise UnsupportedError where ncnn dies of a `.param` file that pnnx wrote."""
    crashed = _crash(_RUN_NCNN, path)
    if crashed:
        raise UnsupportedError(
            f"ncnn crashes ({crashed}) when it runs the file that pnnx writes of the model",
            hint="a tflite or onnx target may take the model",
        )


def _crash(code: str, path: Path) -> str:
    """The signal that ended a process which runs `code` on a file; empty where none did."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            check=False,
            timeout=TIMEOUT_SECS,
        )
    except subprocess.TimeoutExpired:
        return ""
    return signal.Signals(-done.returncode).name if done.returncode < 0 else ""


def _nodes_with_graphs(graph: Any) -> list[str]:
    operators = [
        node.op_type for node in graph.node if any(each.HasField("g") for each in node.attribute)
    ]
    return list(dict.fromkeys(operators))
