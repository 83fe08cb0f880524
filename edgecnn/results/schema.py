"""The JSON Schema of a results file, from the types that it is read with.

python -m edgecnn.results.schema > edgecnn/assets/results.schema.json
"""

from __future__ import annotations

import json
from typing import Any

from edgecnn.results import SCHEMA_VERSION, Environment
from edgecnn.results.json_schema import DIALECT, Schema
from edgecnn.results.measurements import Contention, Measurement
from edgecnn.results.repeat import Repeat
from edgecnn.results.runs import Effective
from edgecnn.roofline import Roofline
from edgecnn.statistics.samples import LatencySummary

_DERIVED: dict[str, Any] = {
    "effective": Effective | None,
    "load_ms": float | None,
    "first_inference_ms": float | None,
    "latency_ms": LatencySummary | None,
    "contention": Contention | None,
    "throughput_per_s": float | None,
    "samples": int,
    "memory": dict[str, int | None],
    "stages_ms": dict[str, Any] | None,
    "cost": dict[str, Any] | None,
    "roofline": Roofline | None,
}
"""Keys that are written for readers and ignored when a file is read back."""


def results_schema() -> dict[str, Any]:
    """The schema of what `Results.save` writes."""
    schema = Schema()
    row = schema.of(Measurement)
    definition = schema.definitions["Measurement"]
    definition["properties"] |= {name: schema.of(kind) for name, kind in _DERIVED.items()}
    summary = schema.definitions["LatencySummary"]
    summary["properties"].pop("count", None)  # written as `samples`
    summary["required"] = [name for name in summary["required"] if name != "count"]
    return {
        "$schema": DIALECT,
        "title": "edgecnn results",
        "description": "What `edgecnn benchmark` writes: raw samples, and what they were made on.",
        "type": "object",
        "properties": {
            "schema_version": {"type": "integer", "minimum": 1, "maximum": SCHEMA_VERSION},
            "command": {"type": "string"},
            "repeat": schema.of(Repeat),
            "environment": schema.of(Environment),
            "protocol": {"type": "object"},
            "data": {"type": "object"},
            "measurements": {"type": "array", "items": row},
        },
        "required": ["schema_version", "measurements"],
        "$defs": dict(sorted(schema.definitions.items())),
    }


def text() -> str:
    """The schema as it is published."""
    return json.dumps(results_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(text())
