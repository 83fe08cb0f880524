"""Whether a runtime survives a file that was newly written: some crash, and would take us along."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgecnn.errors import UnsupportedError

TIMEOUT_SECS = 300.0
_LOAD = (
    "import sys; from pathlib import Path; from edgecnn.conversion.verify import load_session; "
    "load_session(Path(sys.argv[1]))"
)


def refuse_what_crashes(path: Path) -> None:
    """Raise UnsupportedError where ONNX Runtime dies of a quantized `.onnx` file with loops or
    branches (it rewrites what is inside of them); files without any are not tried.
    """
    import onnx

    loops = _nodes_with_graphs(onnx.load(str(path), load_external_data=False).graph)
    if not loops:
        return
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, str(path)],
            capture_output=True,
            check=False,
            timeout=TIMEOUT_SECS,
        )
    except subprocess.TimeoutExpired:
        return
    if done.returncode < 0:
        raise UnsupportedError(
            f"ONNX Runtime crashes ({signal.Signals(-done.returncode).name}) when it loads the "
            f"quantized file, which has {', '.join(loops)}",
            hint="build recurrent layers with unroll=True for a fixed length; onnx:float32 and "
            "onnx:float16 take the model as it is",
        )


def _nodes_with_graphs(graph: Any) -> list[str]:
    found = [
        node.op_type for node in graph.node if any(each.HasField("g") for each in node.attribute)
    ]
    return list(dict.fromkeys(found))
