"""The figures of benchmarks/results, drawn when the site is built, so that they cannot go stale."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

from docs.tools.flow import drawing
from docs.tools.plots import Line, Scale, figure, missing

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def _of(name: str, command: str) -> Callable[[Callable[[Any], str]], Callable[[], str]]:
    """Hand a function what `name` holds; without the file it says which command makes it."""

    def decorate(draw: Callable[[Any], str]) -> Callable[[], str]:
        @wraps(draw)
        def drawn() -> str:
            path = RESULTS / name
            if not path.exists():
                return missing(f"benchmarks/results/{name}", command)
            return draw(json.loads(path.read_text(encoding="utf-8")))

        return drawn

    return decorate


def flow() -> str:
    """The drawing of the whole way, inline, so that it follows the theme and the width."""
    return (
        f"<div class='flow wide'>{drawing(3).strip()}</div>\n"
        f"<div class='flow narrow'>{drawing(1).strip()}</div>\n"
    )


@_of("coverage.json", "python benchmarks/coverage.py")
def coverage(found: Any) -> str:
    """How often the 95% interval held the truth, row by row."""
    lines = []
    for name, row in found["coverage"].items():
        held, of = row["holds_truth"]
        if of:
            half = row["half_width"]
            width = f", ±{half:.1%} wide" if half else ""
            lines.append(Line(name, f"{held} of {of} intervals{width}", bar=100 * held / of))
    left_out = len(found["coverage"]) - len(lines)
    held = sum(row["holds_truth"][0] for row in found["coverage"].values())
    of = sum(row["holds_truth"][1] for row in found["coverage"].values())
    caption = (
        f"Share of 95% intervals that hold the truth: {held} of {of} in all, on "
        f"{found['machine']}, {found['from'][:10]}"
    )
    ends = "Bars end at 100%; the line is 95%."
    if left_out:
        ends += f" {left_out} rows have no interval that could be judged (too few quiet blocks)."
    return figure(caption, Scale(0, 100, at=95), lines, ends=ends)


@_of("coverage.json", "python benchmarks/coverage.py")
def differences(found: Any) -> str:
    """How often equal things were called different, and different ones were found."""
    between, within = found["between_runs"], found["within_runs"]
    asked = (
        ("Two runs of one command: rows called different", between["rows_called_different"], False),
        (
            "Two runs of one command: called a regression",
            between["runs_called_a_regression"],
            False,
        ),
        ("Two copies of one file in a run: called different", within["called_different"], False),
        ("A slowdown of 3% planted between runs: found", between["planted_3_percent_called"], True),
        ("A slowdown of 3% planted within a run: found", within["planted_3_percent_called"], True),
    )
    lines = [
        Line(label, f"{hit} of {of}" if of else "could not be judged",
             bar=100 * hit / of if of else None,
             notes="more is better" if wanted else "less is better")
        for label, (hit, of), wanted in asked
    ]  # fmt: skip
    return figure("Differences that were called", Scale(0, 100), lines, ends="Bars end at 100%.")


@_of("fidelity.json", "python benchmarks/fidelity.py")
def fidelity(found: Any) -> str:
    """How far edgecnn is from other tools on the same files."""
    same, other = found["same_call"], found["other_call_by_design"]
    lines = [
        Line("Loops that make the same call into the runtime",
             f"{same['within']} of {same['comparisons']} within",
             bar=100 * same["within"] / same["comparisons"]),
        Line("Tools that time another call by design",
             f"{other['within']} of {other['comparisons']} within",
             bar=100 * other["within"] / other["comparisons"]),
    ]  # fmt: skip
    limits = found["limits"]
    ends = (
        f"Within: {limits['share']:.0%} apart at most, or "
        f"{1000 * limits['difference_there_ms']:.0f} µs where an inference takes "
        f"less than {limits['below_ms']} ms. Bars end at 100%."
    )
    return figure("Comparisons with other tools", Scale(0, 100), lines, ends=ends)


@_of("repeatability.json", "python benchmarks/repeatability.py")
def repeatability(found: Any) -> str:
    """The same benchmark twice, and once next to a CPU hog."""
    lines = []
    for row in found["rows"]:
        first, second = row["verdicts"]
        change = 100 * (row["ratio"] - 1)
        hog = row["beside_a_hog"]
        noticed = "hog noticed" if hog["told"] else "hog missed"
        lines.append(
            Line(f"{row['artifact']} on {row['runtime']}",
                 f"{change:+.1f}%, {first} and {second}; {noticed}",
                 dots=[(change, "dot" if row["agree"] else "dot warn")])
        )  # fmt: skip
    limit = 100 * found["agreement"]
    scale = Scale(-6, 6, band=(-limit, limit), at=0)
    return figure(
        "The second run against the first", scale, lines, ends=f"−6% to +6%; shaded: ±{limit:.0f}%."
    )


@_of("memory.json", "python benchmarks/memory.py")
def memory(found: Any) -> str:
    """A row's peak of memory next to a plain loop's."""
    lines = []
    for row in found:
        mine, bare = row["row_bytes"] / 1e6, row["bare_bytes"] / 1e6
        lines.append(Line(row["model"], f"{mine:.0f} MB, plain loop {bare:.0f} MB",
                          dots=[(bare, "dot hollow"), (mine, "dot")]))  # fmt: skip
    highest = max(max(row["row_bytes"], row["bare_bytes"]) for row in found) / 1e6
    return figure(
        "Peak memory of a row and of a plain loop", Scale(20, 1.2 * highest, logarithmic=True),
        lines, ends="Filled: edgecnn's row. Hollow: the plain loop. Log scale.",
    )  # fmt: skip


@_of("loop_overhead.json", "python benchmarks/loop_overhead.py")
def overhead(found: Any) -> str:
    """What the timed loop adds to an inference, in a sentence."""
    inside, limit = found["inside_the_clock_p50_ns"], found["limit_ns"]
    return f"The timed loop adds {inside:.0f} ns to an inference (median; limit: {limit:,} ns).\n"


@_of("translation.json", "python benchmarks/translation.py quality")
def translation(found: Any) -> str:
    """BLEU of the translator's files."""
    lines = [
        Line(row["file"],
             f"BLEU {row['bleu']:.1f}" + (
                 f", {row['latency']['sentence_ms']:.0f} ms a sentence" if "latency" in row else ""
             ),
             dots=[(row["bleu"], "dot")], intervals=[row["bleu_ci95"]],
             notes=f"{row['runtime']}, beam {row['beam']}")
        for row in found["rows"] if "bleu" in row
    ]  # fmt: skip
    return figure("BLEU on 1,000 sentences with its 95% interval", Scale(30, 70), lines,
                  ends="30 to 70.")  # fmt: skip


@_of("unheard_voices.json", "python benchmarks/unheard_voices.py")
def voices(found: Any) -> str:
    """Top-1 on each speaker whom the network never heard."""
    lines = []
    for count, by_voice in sorted(found["top1"].items(), reverse=True):
        for voice, value in by_voice.items():
            lines.append(Line(f"{voice}, after hearing {count} others", f"{value:.1%}",
                              bar=100 * value))  # fmt: skip
    return figure("Digits known from a voice that was never heard", Scale(0, 100), lines,
                  ends="Bars end at 100%.")  # fmt: skip


@_of("shrinking.json", "python benchmarks/shrinking.py")
def shrinking(found: Any) -> str:
    """How much faster frames are shrunk than by area interpolation."""
    lines = [
        Line(f"{row['frame'][0]}×{row['frame'][1]} to {row['side']}",
             f"{row['fit_ms']:.2f} ms, {row['area_over_fit']:.1f} times as fast",
             bar=row["area_over_fit"])
        for row in found
    ]  # fmt: skip
    highest = max(row["area_over_fit"] for row in found)
    return figure("Shrinking a frame, against OpenCV's area interpolation", Scale(0, 1.1 * highest),
                  lines)  # fmt: skip


@_of("stop_signs.json", "python benchmarks/stop_signs.py")
def detectors(found: Any) -> str:
    """Latency of the shipped detectors by file and runtime."""
    rows = [row for row in found["rows"] if row.get("infer_ms")]
    lines = [
        Line(row["file"], f"{row['infer_ms']:.2f} ms", dots=[(row["infer_ms"], "dot")],
             notes=f"{row['configuration']}, {row['precision']}")
        for row in sorted(rows, key=lambda row: row["infer_ms"])
    ]  # fmt: skip
    times = [row["infer_ms"] for row in rows]
    machine = found["machine"]["processor"]
    return figure(f"Inference of the shipped detectors, one thread, {machine}",
                  Scale(0.8 * min(times), 1.2 * max(times), logarithmic=True), lines,
                  ends="Log scale.")  # fmt: skip


@_of("family.json", "python benchmarks/family.py")
def family(found: Any) -> str:
    """Accuracy of each network in float and as static int8."""
    lines = []
    for name, row in found.items():
        floats = next(filter(None, _accuracies(row, ".keras")), None)
        integers = next(filter(None, _accuracies(row, "static_int8")), None)
        dots = [(100 * value, kind) for value, kind in ((floats, "dot hollow"), (integers, "dot"))
                if value is not None]  # fmt: skip
        said = [f"{words} {value:.1%}" for words, value in (("float", floats),
                ("static int8", integers)) if value is not None]  # fmt: skip
        lines.append(Line(name, ", ".join(said), dots=dots))
    return figure("Top-1 on the test split", Scale(40, 100), lines,
                  ends="40% to 100%. Hollow: float. Filled: static int8.")  # fmt: skip


def _accuracies(row: Any, part: str) -> Iterable[float | None]:
    return (each["accuracy"] for each in row["rows"] if part in each["file"])


def results_list() -> str:
    """benchmarks/README.md's table, with links to the files as they lie on the site."""
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return "\n".join(_linked(rows)) + "\n"


def _linked(rows: Iterable[str]) -> Iterable[str]:
    """Files of results as links; those that nobody has measured yet as plain names."""

    def there(match: re.Match[str]) -> str:
        text, place = match[1].strip("`"), match[2]
        if (ROOT / "benchmarks" / place).is_file():
            return f"[{text.removeprefix('results/')}]({place})"
        return f"{text.removeprefix('results/')} (not measured yet)"

    for row in rows:
        named = re.sub(r"`(results/[\w./-]+\.\w+)`", r"[\1](\1)", row)
        yield re.sub(r"\[([^\]]+)\]\((results/[^)]+)\)", there, named)
