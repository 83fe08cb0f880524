"""Write an explanation as its file's ending says: a page, a poster, or its numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError
from edgecnn.escaping import csv_cell
from edgecnn.explanation import chart
from edgecnn.explanation.explain import Explanation
from edgecnn.files import atomic_path
from edgecnn.registry import lookup

SCHEMA_VERSION = 1


def write(explanation: Explanation, path: Path) -> None:
    """Write `.html`, `.png`, `.json` or `.csv`. See `check_ending` for other endings."""
    check_ending(path)
    content = lookup("report format", path.suffix.lower(), _RENDERERS)(explanation)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def check_ending(path: Path) -> None:
    """Raise InputError for an ending that nothing is written as."""
    if path.suffix.lower() not in _RENDERERS:
        raise InputError(
            f"cannot write an explanation as {path.suffix or 'a file without an ending'}",
            hint=f"known endings: {', '.join(_RENDERERS)}",
        )


def numbers(explanation: Explanation) -> dict[str, Any]:
    """Everything measured, without the images; sizes in pixels of the network's input."""
    artifact = explanation.subject.artifact
    order = sorted(range(len(explanation.scores)), key=lambda index: -explanation.scores[index])[:5]
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": artifact.name, "sha256": artifact.sha256, "format": artifact.format},
        "picture": explanation.image_name,
        "notes": list(explanation.subject.notes),
        "fed": asdict(explanation.subject.fed),
        "invalid": list(explanation.invalid),
        "best": [
            {"class": index, "label": explanation.subject.label(index),
             "score": float(explanation.scores[index])}
            for index in order
        ],
        "grad_cam": [
            {"class": one.index, "layer": one.layer.name, "heat": _rounded(one.heat)}
            for one in explanation.class_maps
        ],
        "occlusion": None
        if explanation.occlusion is None
        else {"class": explanation.occlusion.index, "patch": list(explanation.occlusion.patch),
              "drop": _rounded(explanation.occlusion.drop)},
        "receptive_fields": [
            {"layer": one.layer.name, "theory": theory(explanation, one.layer.name),
             "effective_side": one.side, "effective_area": one.area, "samples": one.samples}
            for one in explanation.fields
        ],
        "colours": [
            {"channel": one.channel, "drop": one.drop, "gradient_share": one.share}
            for one in explanation.colors
        ],
        "shift": {"data": explanation.data_name, "points": chart.rows(explanation.curves)},
        "layers": [asdict(layer) for layer in explanation.subject.layers],
    }  # fmt: skip


def theory(explanation: Explanation, layer: str) -> dict[str, float] | None:
    """A layer's theoretical receptive field by name; None where it is not known."""
    field = explanation.theory.get(layer)
    return None if field is None else dict(field._asdict())


def _json(explanation: Explanation) -> bytes:
    return (json.dumps(numbers(explanation), indent=1, allow_nan=False) + "\n").encode()


def _csv(explanation: Explanation) -> bytes:
    """The shift curves, one line for each file and shift."""
    rows = chart.rows(explanation.curves)
    if not rows:
        raise InputError(
            "a .csv holds the shift curves, and none were measured", hint="pass --data"
        )
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def _html(explanation: Explanation) -> bytes:
    from edgecnn.explanation.page import render

    return render(explanation).encode()


def _png(explanation: Explanation) -> bytes:
    from edgecnn.explanation.poster import render

    return render(explanation)


def _rounded(values: Any) -> list[list[float]]:
    return [[round(float(value), 4) for value in row] for row in values]


_RENDERERS: Mapping[str, Callable[[Explanation], bytes]] = {
    ".html": _html,
    ".png": _png,
    ".json": _json,
    ".csv": _csv,
}
