"""Results for other programs: Bencher, github-action-benchmark, and whatever reads JUnit.

- `bmf`: Bencher Metric Format (bencher.dev, reference "Bencher Metric Format"): benchmark → measure
  → value, lower_value, upper_value. Latency is in nanoseconds, as Bencher's built-in measure.
- `customSmallerIsBetter`: github-action-benchmark's array of name, unit, value, range, extra.
- `junit`: JUnit XML as Jenkins reads it (junit-10.xsd): a test case for each row.

INVALID rows and rows without a number are in `junit` alone: the others would draw them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from edgecnn.analysis import matching
from edgecnn.analysis.gate import FAILING, RegressionGate
from edgecnn.reporting.gate import sentence
from edgecnn.results import Measurement, Results
from edgecnn.text import fitted

NAME_LENGTH = 200


def bmf(rows: Sequence[Measurement]) -> str:
    """Bencher Metric Format."""
    document = {name: _measures(row) for name, row in _named(rows)}
    return json.dumps(document, indent=1) + "\n"


def custom_smaller_is_better(rows: Sequence[Measurement]) -> str:
    """The array that github-action-benchmark takes as `customSmallerIsBetter`."""
    entries: list[dict[str, Any]] = []
    for name, row in _named(rows):
        latency = row.latency
        if latency is not None:
            entry: dict[str, Any] = {"name": f"{name}: p50", "unit": "ms", "value": latency.p50}
            if latency.ci95:
                half = (latency.ci95[1] - latency.ci95[0]) / 2
                entry["range"] = f"± {half:.4g}"
            entry["extra"] = f"{row.verdict or 'no verdict'}; processes: {len(row.runs)}"
            entries.append(entry)
        peak = row.memory["peak_rss_bytes"]
        if peak:
            entries.append({"name": f"{name}: peak memory", "unit": "bytes", "value": peak})
        if row.accuracy is not None and row.accuracy.metric.startswith("top"):
            wrong = round(100 * (1 - row.accuracy.value), 4)
            entries.append({"name": f"{name}: {row.accuracy.metric} error", "unit": "%",
                            "value": wrong})  # fmt: skip
    return json.dumps(entries, indent=1) + "\n"


def junit(rows: Sequence[Measurement], gate: RegressionGate | None = None) -> str:
    """JUnit XML. A row of a gate fails when it got worse; without a gate INVALID rows fail."""
    judged = {id(each.row): each for each in gate.rows} if gate else {}
    suite = ET.Element("testsuite", name="edgecnn")
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for name, row in _unique(rows):
        counts["tests"] += 1
        latency = row.latency
        case = ET.SubElement(
            suite,
            "testcase",
            name=_xml(name),
            classname=_xml(row.configuration or "edgecnn"),
            time=f"{latency.p50 / 1e3:.9f}" if latency else "0",
        )
        kind, message = _case(row, judged.get(id(row)), gate)
        if kind == "skipped":
            ET.SubElement(case, kind).text = message
        elif kind:
            ET.SubElement(case, kind, message=message, type=row.status).text = message
        elif message:
            ET.SubElement(case, "system-out").text = message
        counts[f"{kind}s" if kind in ("failure", "error") else "skipped"] += bool(kind)
    for name, count in counts.items():
        suite.set(name, str(count))
    root = ET.Element("testsuites", name="edgecnn")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Measurement]], str]] = {
    "bmf": bmf,
    "customSmallerIsBetter": custom_smaller_is_better,
    "junit": junit,
}


def rows_of(results: Sequence[Results]) -> list[Measurement]:
    """All rows of several results."""
    return [row for one in results for row in one.measurements]


def _case(row: Measurement, judged: Any, gate: RegressionGate | None) -> tuple[str, str]:
    """("failure" | "error" | "skipped" | "", what to say)."""
    if judged is not None and gate is not None:
        message = _xml(sentence(judged, gate.against))
        if judged.outcome in FAILING:
            return "failure", message
        return ("skipped" if judged.outcome == "new" else ""), message
    why = _xml("; ".join(row.reasons) or row.error or "")
    if row.status == "unsupported":
        return "skipped", why
    if row.status != "ok":
        return "error", why or row.status
    return ("failure" if row.verdict == "INVALID" else ""), why


def _measures(row: Measurement) -> dict[str, dict[str, float]]:
    measures: dict[str, dict[str, float]] = {}
    latency = row.latency
    if latency is not None:
        measures["latency"] = _metric(latency.p50, latency.ci95, 1e6)
    if row.throughput_per_s:
        measures["throughput"] = {"value": row.throughput_per_s}
    if row.memory["peak_rss_bytes"]:
        measures["peak-memory"] = {"value": float(row.memory["peak_rss_bytes"])}
    if row.artifact.size_bytes:
        measures["file-size"] = {"value": float(row.artifact.size_bytes)}
    if row.accuracy is not None:
        measures["accuracy"] = _metric(row.accuracy.value, row.accuracy.ci95, 1.0)
    return measures


def _metric(value: float, interval: tuple[float, float] | None, factor: float) -> dict[str, float]:
    metric = {"value": value * factor}
    if interval:
        metric |= {"lower_value": interval[0] * factor, "upper_value": interval[1] * factor}
    return metric


def _named(rows: Sequence[Measurement]) -> Iterator[tuple[str, Measurement]]:
    """Rows that have a number to show, each under the name that it has among all rows."""
    for name, row in _unique(rows):
        if row.status == "ok" and row.verdict != "INVALID" and row.runs:
            yield name, row


def _unique(rows: Sequence[Measurement]) -> Iterator[tuple[str, Measurement]]:
    """Every row with a name of its own. Rows of one name are distinguished by what they differ in,
    file or cores, so that a name means the same in the next export; only where nothing else
    differs, by their order.
    """
    namesakes: dict[str, list[Measurement]] = {}
    for row in rows:
        namesakes.setdefault(matching.name(row), []).append(row)
    taken: dict[str, int] = {}
    for row in rows:
        name = matching.name(row)
        others = namesakes[name]
        if len({each.artifact.sha256 for each in others}) > 1:
            name += f" (sha256 {row.artifact.sha256[:8]})"
        if len({each.placement.affinity for each in others}) > 1:
            name += f" cores {','.join(map(str, row.placement.affinity)) or 'any'}"
        name = fitted(name, NAME_LENGTH)
        taken[name] = taken.get(name, 0) + 1
        yield (name if taken[name] == 1 else f"{name} ({taken[name]})"), row


def _xml(text: str) -> str:
    """Text that XML 1.0 can hold."""
    return "".join(char for char in fitted(text, 2_000) if char not in "\ufffe\uffff")
