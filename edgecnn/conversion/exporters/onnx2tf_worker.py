"""Runs in onnx2tf's environment: one ONNX file to one TFLite file.

Reads a request as JSON from standard input and answers with one line of JSON. It needs nothing
of edgecnn.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    request = json.load(sys.stdin)
    answer_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # onnx2tf prints its progress
    try:
        answer = convert(request)
    except Exception as error:  # noqa: BLE001 (whatever it is, edgecnn says it in one line)
        answer = {"error": f"{type(error).__name__}: {error}"}
    except SystemExit as error:  # its way of giving up
        answer = {"error": f"it gave up (exit code {error.code})"}
    answer_to.write("\n" + json.dumps(answer) + "\n")
    answer_to.flush()


def convert(request: dict[str, Any]) -> dict[str, Any]:
    import onnx2tf

    folder = Path(request["folder"])
    onnx2tf.convert(
        input_onnx_file_path=request["model"],
        output_folder_path=str(folder),
        tflite_backend="flatbuffer_direct",
        keep_shape_absolutely_input_names=request["keep"] or None,
        copy_onnx_input_output_names_to_tflite=True,
        non_verbose=True,
        verbosity="error",
    )
    made = sorted(folder.glob("*_float32.tflite"))
    return {"file": str(made[0])} if made else {"error": "it wrote no float32 file"}


if __name__ == "__main__":
    main()
