"""Disable telemetry of libraries before they are imported.

Importing OpenVINO contacts an analytics host and writes into the home directory; ONNX Runtime
keeps an identifier and a queue of events in the user's cache and in TMPDIR. Nobody asked for
that, and what a measuring process sends disturbs what it measures.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgecnn.system.places import cache_home


def switch_off() -> None:
    """Keep libraries from reporting, in this process and in those that it starts.

    What is imported already cannot be held back. A user who sets ORT_DISABLE_TELEMETRY keeps it.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # None makes `import openvino_telemetry` fail, and OpenVINO then takes its own empty stand-in:
    # it has no switch of its own but a file in the home directory.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def keep_keras_at_home() -> None:
    """Before Keras is imported: it writes `keras.json` into ~/.keras, wanted or not.

    Where a user has that folder, or says KERAS_HOME, it stays theirs; else edgecnn's cache takes
    the file.
    """
    if "KERAS_HOME" in os.environ or (Path.home() / ".keras").exists():
        return
    os.environ["KERAS_HOME"] = str(cache_home() / "keras")
