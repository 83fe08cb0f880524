"""A gate in sentences, for the terminal and for a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from edgecnn import numbers
from edgecnn.analysis.gate import FAILING, GatedRow, GateOutcome, RegressionGate
from edgecnn.escaping import markdown_cell


def sentence(judged: GatedRow, against: str) -> str:
    """What happened to a row, for a pull request."""
    effect, name = judged.effect, judged.name
    if judged.outcome == "new":
        return f"{name} is new: {judged.why}."
    if judged.outcome == "broken":
        return f"{name} worked on {against} and no longer does: {judged.why}."
    if judged.outcome == "less accurate":
        return f"{name} is {numbers.points(judged.points)} points less accurate than {against}."
    if effect is None:
        return f"{name} could not be compared with {against}: {judged.why}."
    low, high = effect.interval()
    change = f"{_percent(effect.ratio)} [{_percent(low)}, {_percent(high)}]"
    times = f"{numbers.number(effect.before_ms)} → {numbers.number(effect.after_ms)} ms"
    if judged.outcome in ("slower", "faster"):
        share = f"{abs(effect.ratio - 1):.1%}"
        return (
            f"{name} is {share} {judged.outcome} than {against} "
            f"[{_percent(low)}, {_percent(high)}], {times}, {effect.how}."
        )
    sensitivity = (
        f"; a slowdown of {judged.detectable - 1:.1%} would be seen" if judged.detectable else ""
    )
    verb = "as fast as" if judged.outcome == "same" else "not distinguishable from"
    return f"{name} is {verb} {against}: {change}, {times}, {effect.how}{sensitivity}."


def headline(gate: RegressionGate) -> str:
    """The answer in one line, with what it does not cover counted."""
    bad = gate.having(*FAILING)
    compared = [row for row in gate.rows if row.outcome != "new"]
    total = numbers.plural(len(compared), "configuration")
    words: Mapping[GateOutcome, str] = {
        "slower": "slower",
        "less accurate": "less accurate",
        "broken": "broken",
        "faster": "faster",
    }
    counts = [
        f"{len(gate.having(outcome))} {word}"
        for outcome, word in words.items()
        if gate.having(outcome)
    ]
    new = gate.having("new")
    rest = f"; {len(new)} new" if new else ""
    if bad:
        return f"Regression against {gate.against}: {', '.join(counts)} of {total}{rest}."
    apart = [row for row in gate.rows if row.outcome == "undecided" and row.effect is None]
    if apart:
        rest += f"; {len(apart)} could not be compared"
    summary = f" ({', '.join(counts)})" if counts else ""
    blind = max((row.detectable or inf for row in compared if row.effect), default=inf)
    seen = f"; a slowdown of {blind - 1:.1%} would be seen in each" if blind < inf else ""
    return f"No regression against {gate.against} in {total}{summary}{rest}{seen}."


def markdown(gate: RegressionGate) -> str:
    """GitHub-flavored Markdown for a pull request: the answer, then every row that counts."""
    lines = [f"**{markdown_cell(headline(gate), 400)}**"]
    notable = gate.having(*FAILING) + gate.having("faster", "undecided", "new")
    if notable:
        lines += ["", *(f"- {markdown_cell(sentence(row, gate.against), 600)}" for row in notable)]
    same = gate.having("same")
    if same:
        names = [f"- {markdown_cell(sentence(row, gate.against), 600)}" for row in same]
        lines += ["", f"<details><summary>Unchanged ({len(same)})</summary>", "", *names, "",
                  "</details>"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}%".replace("-", "−")
