"""Models as people have them, on every runtime: measured, or refused with which reason?

python benchmarks/odd_models.py [--part runtimes|bare] [--only NAMES] [--every N]
    →   benchmarks/results/odd_models.md, odd_models_bare.md

Makes some hundred small models that are odd in one way each (operators, dtypes, shapes, outputs,
control flow, versions, files), benchmarks each on every runtime of this machine that reads it, and
writes what became of each row, by reason. A row that crashed or timed out, or whose reason does not
name anything that a reader could act on, is a fault of edgecnn's.

Then models that others wrote to test an operator (`odd_operators`; of those in ONNX every N-th),
and all the odd ones once more, in the runtime of their format: of those that run there without
edgecnn (`odd_bare`), how many does edgecnn measure? One that leaves the size of its images open
counts when it is measured with the sizes that the refusal asks for.

Times do not matter here: one short process for each row. About a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from networks import RESULTS
from odd_bare import why_not
from odd_onnx import onnx_models
from odd_operators import onnx_cases, tflite_functions
from odd_others import files, keras_models

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.protocol import resolve
from edgecnn.errors import EdgeCNNError
from edgecnn.results import Measurement, RuntimeOptions

PROTOCOL = resolve("quick", min_secs=0.05, min_runs=5, max_secs=0.3, processes=1)
OWN_RUNTIME = {".onnx": "onnxruntime:cpu", ".tflite": "litert:cpu"}


@dataclass(frozen=True)
class Compared:
    """A model in its format's runtime: why it does not run there, and what edgecnn made of it."""

    name: str
    bare: str
    outcome: str

    @property
    def measured(self) -> bool:
        """A row with a number, whatever its verdict."""
        return self.outcome.startswith(("measured", "INVALID"))


def main() -> None:
    """Make, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="models, comma-separated")
    parser.add_argument("--every", type=int, default=6, help="which of the onnx package's cases")
    parser.add_argument("--part", choices=("runtimes", "bare", "both"), default="both")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    only = set(filter(None, arguments.only.split(",")))
    with tempfile.TemporaryDirectory(prefix="edgecnn-odd-") as folder:
        odd = list(_made(Path(folder), only, onnx_models, keras_models, files))
        arguments.out.mkdir(parents=True, exist_ok=True)
        if arguments.part != "runtimes":
            cases = (lambda: onnx_cases(arguments.every), tflite_functions)
            models = [*odd, *_made(Path(folder), only, *cases)]
            models = [path for path in models if path.suffix in OWN_RUNTIME]
            compared = list(map(_compared, models, why_not(models)))
            _write(arguments.out / "odd_models_bare.md", _comparison(compared))
        if arguments.part != "bare":
            _write(arguments.out / "odd_models.md", _page(list(_measured(odd))))


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _made(
    folder: Path,
    only: set[str],
    *sources: Callable[[], Iterator[tuple[str, Callable[[Path], None]]]],
) -> Iterator[Path]:
    for name, build in (pair for source in sources for pair in source()):
        path = folder / name
        if (only and name not in only) or path.exists():
            continue
        try:
            build(path)
        except Exception as error:  # noqa: BLE001 (a converter that does not know the operator)
            print(f"{name} cannot be made: {type(error).__name__}")
        else:
            yield path


def _measured(paths: Sequence[Path]) -> Iterator[tuple[str, str, str]]:
    """(model, runtime, what became of it); the runtime is empty for a file that was refused."""
    for path in paths:
        try:
            results = benchmark([path], protocol=PROTOCOL, passes=())
        except EdgeCNNError as error:
            yield path.name, "", f"refused: {error.message}"
            continue
        for row in results.measurements:
            if row.cause != "missing":
                yield path.name, row.configuration, _outcome(row)


def _compared(path: Path, bare: str) -> Compared:
    outcome, hint = _in_its_runtime(path, "")
    asked = re.search(r"--shape (\S+)", hint)
    if asked and not outcome.startswith(("measured", "INVALID")):
        outcome, _ = _in_its_runtime(path, asked[1])
    return Compared(path.name, bare, outcome)


def _in_its_runtime(path: Path, shape: str) -> tuple[str, str]:
    """(what became of it, what edgecnn says to do)."""
    try:
        results = benchmark(
            [path],
            [OWN_RUNTIME[path.suffix]],
            options=RuntimeOptions(shape=shape),
            protocol=PROTOCOL,
            passes=(),
        )
    except EdgeCNNError as error:
        return f"refused: {error.message}", error.hint
    (row,) = results.measurements
    return _outcome(row), row.hint or ""


def _outcome(row: Measurement) -> str:
    if row.status != "ok":
        return f"{row.status}: {row.error}"
    if row.verdict == "INVALID":
        return f"INVALID: {row.reasons[0]}"
    return "measured"


def _comparison(compared: Sequence[Compared]) -> list[str]:
    running = [each for each in compared if not each.bare]
    left = [each for each in running if not each.measured]
    lines = [
        "# Odd models next to the bare runtime",
        "",
        "`python benchmarks/odd_models.py --part bare`: the odd models, cases by which the onnx "
        "package tests runtimes, and functions of TensorFlow, each in the runtime of its format.",
        "",
        f"{len(compared)} models, {len(running)} of which run in their format's runtime without "
        f"edgecnn: edgecnn measures {len(running) - len(left)} of these "
        f"({1 - len(left) / max(len(running), 1):.1%}).",
    ]
    for suffix, runtime in OWN_RUNTIME.items():
        those = [each for each in running if each.name.endswith(suffix)]
        measured = sum(each.measured for each in those)
        lines += ["", f"- {runtime}: {measured} of {len(those)}"]
    if left:
        lines += ["", "| not measured | why |", "|---|---|"]
        lines += [f"| {each.name} | {_cell(_group(each.outcome, each.name))} |" for each in left]
    more = [each for each in compared if each.bare and each.measured]
    names = ", ".join(each.name for each in more) or "none"
    return [*lines, "", f"Measured although the first script failed on them: {names}."]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _page(found: Sequence[tuple[str, str, str]]) -> list[str]:
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
        lines.append(f"| {_cell(group)} | {len(rows)} | {shown} |")
    return lines


def _group(outcome: str, name: str) -> str:
    """The reason without what differs from file to file."""
    text = outcome.replace(f"{name}: ", "").replace(name, "the file")
    text = re.sub(r"/\S*/(?=the file)", "", text)
    text = re.sub(r" \(the file has [^)]*\)", "", text)
    text = re.sub(r"Node \(.*?\)", "Node", text)
    return text if len(text) <= 220 else f"{text[:150]} … {text[-60:]}"


if __name__ == "__main__":
    main()
