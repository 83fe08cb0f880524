"""The results of `benchmarks/optimize.py` as a page."""

from __future__ import annotations

from typing import Any

from edgecnn.conversion.layer_names import short_names

DASH = "–"


def table(found: dict[str, Any], missing: dict[str, list[str]]) -> str:
    networks = found["networks"]
    parts = [part for one in networks.values() for part in one.values()]
    loads = [load for part in parts for load in part.get("load", ())]
    busy = f"{min(loads):.1f} to {max(loads):.1f}" if loads else "unknown"
    lines = [
        "# What `edgecnn optimize` finds",
        "",
        f"Two cores, shared, of {_machines(networks)}: the load was {busy} (parts began "
        f"and ended at). Protocol {found['protocol']}, runtimes LiteRT, ONNX Runtime and OpenVINO "
        "with one thread (ResNet-18 with one and two). Made by `python benchmarks/optimize.py`; "
        "numbers in [optimize.json](optimize.json).",
        "",
        "Ratios are medians over alternating processes, so that a busy machine hits both sides. "
        "Seconds, and shares of seconds, are those of the busy machine.",
        "",
        *_budgets(networks),
        *_against_nncf(networks),
        *_grid(networks),
        *_broken(networks),
        *_full(networks),
        *_missing(missing),
    ]
    return "\n".join(lines) + "\n"


def _machines(networks: dict[str, Any]) -> str:
    """Which networks were measured on what; numbers of two machines do not compare."""
    measured_on: dict[str, list[str]] = {}
    for name, parts in networks.items():
        for machine in dict.fromkeys(part["machine"] for part in parts.values()):
            measured_on.setdefault(machine, []).append(f"`{name}`")
    return "; ".join(f"an {machine} ({', '.join(each)})" for machine, each in measured_on.items())


def _missing(missing: dict[str, list[str]]) -> list[str]:
    if not missing:
        return []
    lines = [f"- `{name}`: {', '.join(parts)}" for name, parts in missing.items()]
    return ["## Not measured yet", "", *lines]


def _budgets(networks: dict[str, Any]) -> list[str]:
    lines = [
        "## The budget on samples that the search did not see",
        "",
        "| network | points | kept? | choice | lost (95% bound), n | validations, most of a "
        "file on a runtime | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in networks.items():
        for part, points in (("search", 1), ("tight", 0.3)):
            if part not in one:
                continue
            row = one[part]
            most = max(row["validations"].values(), default=0)
            lines.append(
                f"| `{name}` | {points} | {_answer(row)} | {row['choice'] or DASH} | "
                f"{_lost(row['claim'])} | {most} | {row['seconds']:.0f} |"
            )
    said = [
        f"- `{name}`, {points} point{'s' if points != 1 else ''}: {sentence}"
        for name, one in networks.items()
        for part, points in (("search", 1), ("tight", 0.3))
        if part in one
        for sentence in one[part]["sentences"]
        if "samples" in sentence and not sentence.startswith("ship ")
    ]
    return [*lines, "", *said, ""]


def _answer(row: dict[str, Any]) -> str:
    if row["accepted"]:
        return "yes"
    said = " ".join(row["sentences"])
    return "no: too few samples" if "cannot show" in said else "no"


def _lost(claim: dict[str, Any] | None) -> str:
    if not claim:
        return DASH
    return f"{claim['points']:.2f} (≤ {claim['bound']:.2f}), {claim['n']:,}"


def _against_nncf(networks: dict[str, Any]) -> list[str]:
    lines = [
        "## Against NNCF's accuracy control",
        "",
        "The same float ONNX file, the same samples to search on, the same scorer, OpenVINO with "
        "one thread; a budget of 1 point, of 3 for the networks with a layer that int8 ruins. "
        "NNCF stops at the point estimate on the samples that it searched on; `optimize` at a 95% "
        "bound on others. Both were then judged on the latter. Seconds in brackets are those of "
        "our search alone: the rest is the measurement of latencies and the claim, which NNCF "
        "does not make. Speed is NNCF's median latency over ours, in alternating processes.",
        "",
        "| network | NNCF: validations, seconds | ours: validations, seconds | seconds, ours / "
        "NNCF's | NNCF lost (bound) | ours lost (bound) | NNCF's latency / ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in networks.items():
        ratios = one.get("rounds", {}).get("ratios", {})
        for label, theirs, own, speed in (
            ("", "nncf", "ours", ratios.get("ours on openvino", {}).get("nncf, 1")),
            (", a layer ruined", "nncf_broken", "ours_broken", None),
        ):
            if theirs in one and own in one:
                lines.append(_controlled(f"`{name}`{label}", one[theirs], one[own], speed))
    return [*lines, ""]


def _controlled(
    label: str, theirs: dict[str, Any], own: dict[str, Any], speed: float | None
) -> str:
    passes = sum(own["validations"].values())
    most = max(own["validations"].values(), default=0)
    return (
        f"| {label} | {theirs['full_validations']} full ({theirs['validations']} in all), "
        f"{theirs['seconds']:.0f} s | {passes} in all, {most} of one, {own['seconds']:.0f} s "
        f"({own['stages'].get('search', 0):.0f}) | {own['seconds'] / theirs['seconds']:.2f} | "
        f"{_lost(theirs.get('claim'))} | {_lost(own['claim'])} | "
        f"{f'{speed:.2f}' if speed else DASH} |"
    )


def _grid(networks: dict[str, Any]) -> list[str]:
    lines = [
        "## Against the exhaustive grid",
        "",
        "Every preset of both formats on every runtime. The fastest "
        "three rows of the grid within the budget were measured again with the choice, in "
        "alternating processes; the ratio is the choice's latency over the best of them.",
        "",
        "| network | rows | grid, s | optimize, s | share of the time | best of the grid | choice "
        "/ best |",
        "|---|---|---|---|---|---|---|",
    ]
    rows: list[str] = []
    for name, one in networks.items():
        if "grid" not in one or "search" not in one:
            continue
        row = one["grid"]
        ratios = one.get("rounds", {}).get("ratios", {}).get("chosen", {})
        others = {key: value for key, value in ratios.items() if key.startswith("grid ")}
        best = min(others, key=lambda key: others[key], default=None)
        shown, ratio = DASH, DASH
        if best is not None:
            contender = one["rounds"]["contenders"][best]
            shown = (
                f"{contender['path'].rsplit('/', 1)[-1]} on {contender['runtime']}, "
                f"{contender['threads']}"
            )
            ratio = f"{1 / others[best]:.2f}"
        rows.append(
            f"| `{name}` | {row['rows']} | {row['seconds']:.0f} | {one['search']['seconds']:.0f} | "
            f"{row['share_of_time']:.0%} | {shown} | {ratio} |"
        )
    return [*lines, *rows, ""] if rows else []


def _broken(networks: dict[str, Any]) -> list[str]:
    rows = [(name, one["broken"]) for name, one in networks.items() if "broken" in one]
    if not rows:
        return []
    lines = [
        "## A layer that int8 ruins",
        "",
        "Its largest weights meet a channel that is always 0. The smallest file within 3 points, "
        "on LiteRT.",
        "",
        "| network | ruined | accepted | layers in float32 | validations | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows:
        kept = ", ".join(f"`{each}`" for each in short_names(row["kept_in_float"])) or "none"
        lines.append(
            f"| `{name}` | `{row['planted']}` | {'yes' if row['accepted'] else 'no'} | {kept} | "
            f"{max(row['validations'].values(), default=0)} | {row['seconds']:.0f} |"
        )
    return [*lines, ""]


def _full(networks: dict[str, Any]) -> list[str]:
    lines = []
    for name, one in networks.items():
        rounds = one.get("rounds")
        if not rounds or "keras predict" not in rounds["contenders"]:
            continue
        lines += [
            f"## {name} against the usual ways to deploy it",
            "",
            f"{rounds['rounds']} rounds. The choice is {one['search']['choice']}.",
            "",
            "| what | median ms | times the choice's latency |",
            "|---|---|---|",
        ]
        ratios = rounds["ratios"].get("chosen", {})
        for what in sorted(ratios, key=lambda key: ratios[key]):
            lines.append(f"| {what} | {rounds['p50_ms'][what]:.3g} | {ratios[what]:.2f} |")
        lines.append("")
    return lines
