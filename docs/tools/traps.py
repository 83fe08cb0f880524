"""The traps of docs/measuring/traps.toml as cards: a drawing, what happens, what the row says.

A trap of timing is drawn as its samples over time, any other as what was asked and what became of
it. Colors come from the page's style sheet.
"""

from __future__ import annotations

import math
import random
import re
import tomllib
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "measuring" / "traps.toml"
WIDTH, HEIGHT = 240, 84
SAMPLES = 60


def read() -> Mapping[str, Any]:
    """The file as it is."""
    return tomllib.loads(SOURCE.read_text(encoding="utf-8"))


def cards() -> str:
    """Every section with its traps."""
    parts = []
    for section in read()["section"]:
        parts.append(f"## {section['title']}\n\n{section.get('text', '').strip()}\n")
        inside = "\n".join(_card(trap) for trap in section["trap"])
        parts.append(f"<div class='traps'>\n{inside}\n</div>\n")
    return "\n".join(parts)


def verdict_of(says: str) -> str:
    """The class of what a row says: invalid, noisy, unsupported, refused, avoided or said."""
    found = re.match(r"(INVALID|NOISY|unsupported|refused|prevented)", says)
    words = {"prevented": "avoided"}
    return words.get(found[1], found[1].lower()) if found else "said"


def _card(trap: Mapping[str, str]) -> str:
    drawing = _series(trap["samples"]) if "samples" in trap else _became(trap["given"], trap["got"])
    kind = verdict_of(trap["says"])
    return (
        f"<figure class='trap {kind}'>{drawing}<figcaption><strong>{_inline(trap['trap'])}</strong>"
        f"<span class='says'>{_inline(trap['says'])}</span></figcaption></figure>"
    )


def _inline(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))


def _svg(inside: str) -> str:
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' aria-hidden='true'>{inside}</svg>"


def _became(given: str, got: str) -> str:
    """Two boxes: what was given or claimed, and what it really is."""
    return _svg(
        _box(3, "given", given) + "<path class='arrow' d='M114 42h11m-5-5l5 5-5 5'/>"
        + _box(129, "got", got)
    )  # fmt: skip


def _box(left: int, kind: str, text: str) -> str:
    lines = _wrapped(text)
    top = 46 - 7 * (len(lines) - 1)
    words = "".join(
        f"<text x='{left + 54}' y='{top + 14 * number}'>{escape(line, quote=False)}</text>"
        for number, line in enumerate(lines)
    )
    return f"<rect class='{kind}' x='{left}' y='12' width='108' height='60' rx='5'/>{words}"


def _wrapped(text: str, width: int = 16) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _series(kind: str) -> str:
    """Latencies over time as dots; those that the trap is about are marked."""
    if kind not in SHAPES:
        raise LookupError(f"no shape {kind!r} for a trap; known: {', '.join(SHAPES)}")
    noise = random.Random(kind)  # noqa: S311 (the same drawing every time)
    dots = []
    for number in range(SAMPLES):
        level, odd = SHAPES[kind](number / (SAMPLES - 1), noise)
        if level < 0:  # not measured
            continue
        x = 10 + (WIDTH - 20) * number / (SAMPLES - 1)
        y = HEIGHT - 14 - (HEIGHT - 26) * min(level + noise.gauss(0, 0.015), 1)
        dots.append(
            f"<circle class='{'odd' if odd else 'even'}' cx='{x:.1f}' cy='{y:.1f}' r='2.2'/>"
        )
    return _svg(f"<path class='axis' d='M6 6v{HEIGHT - 12}h{WIDTH - 12}'/>{''.join(dots)}")


Shape = Callable[[float, random.Random], tuple[float, bool]]
"""From a moment (0…1) to a latency (0…1) and whether the trap shows there."""


def _hog(_at: float, noise: random.Random) -> tuple[float, bool]:
    slow = noise.random() < 0.55
    return (0.35 + 0.35 * noise.random(), True) if slow else (0.18, False)


def _bursts(at: float, noise: random.Random) -> tuple[float, bool]:
    slow = math.sin(14 * at) > 0.35
    return (0.5 + 0.12 * noise.random(), True) if slow else (0.18, False)


def _clock(at: float, _noise: random.Random) -> tuple[float, bool]:
    return (0.18 + max(0.0, at - 0.45) * 0.75, at > 0.5)


def _drift(at: float, _noise: random.Random) -> tuple[float, bool]:
    return (0.18 + 0.4 * at, at > 0.35)


def _modes(_at: float, noise: random.Random) -> tuple[float, bool]:
    return (0.62, True) if noise.random() < 0.4 else (0.2, False)


def _outlier(at: float, _noise: random.Random) -> tuple[float, bool]:
    return (0.95, True) if abs(at - 0.66) < 0.006 else (0.2, False)


def _first(at: float, _noise: random.Random) -> tuple[float, bool]:
    return (0.95, True) if at == 0 else (0.2 + 0.25 * math.exp(-18 * at), at < 0.1)


def _neighbor(at: float, _noise: random.Random) -> tuple[float, bool]:
    return (0.46, True) if 0.28 < at < 0.47 or 0.7 < at < 0.82 else (0.2, False)


def _steps(at: float, _noise: random.Random) -> tuple[float, bool]:
    return (0.18 + 0.14 * int(at * 4.99), at > 0.2)


def _few(at: float, _noise: random.Random) -> tuple[float, bool]:
    shown = int(at * (SAMPLES - 1)) % 9 == 0
    return (0.2, True) if shown else (-9, False)


def _early(at: float, _noise: random.Random) -> tuple[float, bool]:
    return (0.03, True) if at < 0.5 else (0.8, False)


def _quota(at: float, _noise: random.Random) -> tuple[float, bool]:
    stopped = int(at * 59) % 10 == 9
    return (0.9, True) if stopped else (0.2, False)


def _leak(at: float, _noise: random.Random) -> tuple[float, bool]:
    return (0.1 + 0.7 * at, True)


def _late(at: float, noise: random.Random) -> tuple[float, bool]:
    level = 0.15 + 0.85 * at**2 + 0.06 * noise.random()
    return (level, level > 0.5)


def _interval(at: float, _noise: random.Random) -> tuple[float, bool]:
    process = int(at * 3.99)
    return ((0.2, 0.5, 0.33, 0.62)[process], process > 0)


SHAPES: Mapping[str, Shape] = {
    "early": _early,
    "hog": _hog,
    "bursts": _bursts,
    "clock": _clock,
    "drift": _drift,
    "modes": _modes,
    "outlier": _outlier,
    "first": _first,
    "neighbor": _neighbor,
    "steps": _steps,
    "few": _few,
    "quota": _quota,
    "leak": _leak,
    "late": _late,
    "interval": _interval,
}
