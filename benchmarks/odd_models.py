"""Models as people have them, on every runtime: measured, or refused with which reason?

python benchmarks/odd_models.py [--only NAMES] [--out DIR]
    →   benchmarks/results/odd_models.md

Makes some ninety small models that are odd in one way each (operators, dtypes, shapes, outputs,
control flow, versions, files), benchmarks each on every runtime of this machine that reads it, and
writes what became of each row, by reason. Times do not matter here: one short process for each row.
A
row that crashed or timed out, or whose reason does not name anything that a reader could act on,
is a fault of edgecnn's. About six minutes on two cores.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from networks import RESULTS
from odd_onnx import onnx_models
from odd_others import files, keras_models

from edgecnn.benchmarking.protocol import resolve
from edgecnn.benchmarking.session import benchmark
from edgecnn.errors import EdgeCNNError
from edgecnn.results import Measurement


def main() -> None:
    """Make, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="models, comma-separated")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    only = set(filter(None, arguments.only.split(",")))
    with tempfile.TemporaryDirectory(prefix="edgecnn-odd-") as folder:
        found = list(_measured(Path(folder), only))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "odd_models.md").write_text(_page(found), encoding="utf-8")


def _measured(folder: Path, only: set[str]) -> Iterator[tuple[str, str, str]]:
    """(model, runtime, what became of it); the runtime is empty for a file that was refused."""
    protocol = resolve("quick", min_secs=0.05, min_runs=5, max_secs=0.3, processes=1)
    for path in _made(folder, only):
        try:
            results = benchmark([path], protocol=protocol, passes=())
        except EdgeCNNError as error:
            yield path.name, "", f"refused: {error.message}"
            continue
        for row in results.measurements:
            if row.cause != "missing":
                yield path.name, row.configuration, _outcome(row)


def _made(folder: Path, only: set[str]) -> Iterator[Path]:
    for name, build in {**dict(onnx_models()), **dict(keras_models()), **dict(files())}.items():
        if not only or name in only:
            path = folder / name
            build(path)
            yield path


def _outcome(row: Measurement) -> str:
    if row.status != "ok":
        return f"{row.status}: {row.error}"
    if row.verdict == "INVALID":
        return f"INVALID: {row.reasons[0]}"
    return "measured"


def _page(found: Sequence[tuple[str, str, str]]) -> str:
    models = {name for name, _, _ in found}
    states = Counter(outcome.partition(":")[0] for _, _, outcome in found)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    lines = [
        "# Odd models",
        "",
        "`python benchmarks/odd_models.py`: small models that are odd in one way each, on every "
        "runtime of this machine.",
        "",
        f"{len(models)} models, {len(found)} rows: {counted}.",
        "",
        "| what became of it | rows | models (runtimes) |",
        "|---|---|---|",
    ]
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, runtime, outcome in found:
        groups[_group(outcome, name)].append((name, runtime))
    for group, rows in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        by_model: dict[str, list[str]] = defaultdict(list)
        for name, runtime in rows:
            by_model[name].append(runtime.removesuffix(":cpu"))
        shown = "; ".join(
            f"{name} ({', '.join(runtimes)})" if any(runtimes) else name
            for name, runtimes in sorted(by_model.items())
        )
        if group == "measured":
            shown = f"{len(by_model)} models on at least one runtime"
        lines.append(f"| {group.replace('|', chr(92) + '|')} | {len(rows)} | {shown} |")
    return "\n".join(lines) + "\n"


def _group(outcome: str, name: str) -> str:
    """The reason without what differs from file to file."""
    text = outcome.replace(f"{name}: ", "").replace(name, "the file")
    text = re.sub(r"/\S*/(?=the file)", "", text)
    text = re.sub(r" \(the file has [^)]*\)", "", text)
    text = re.sub(r"Node \(.*?\)", "Node", text)
    return text if len(text) <= 220 else f"{text[:150]} … {text[-60:]}"


if __name__ == "__main__":
    main()
