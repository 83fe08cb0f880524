"""Made-up results whose names, labels and error texts try to break out of every format."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.results import Effective, Results
from tests.unit.reporting.factory import environment, measurement

HOSTILE_NAMES = (
    "<script>window.hacked=1</script>.tflite",
    "</script><img src=x onerror=window.hacked=1>.onnx",
    "\"'><svg/onload=window.hacked=1>",
    "{{7*7}}{% raw %}",
    '=HYPERLINK("http://evil.example";"x")',
    "@SUM(1+1)|cmd",
    "\x1b[31mred\x1b]0;title\x07\x1b[2J",
    "abc\u202egnp.exe\u2066\u200f",
    "| pipe | [link](javascript:alert(1)) `code` **bold** <!-- -->",
    "line\nbreak\r\n# heading\n- item",
    "\u2028\u2029\x00\ud800",
    "x" * 10_000,
    "[/bold] [red]markup[/red]",
    "window.hacked=1;//",
)


def hostile() -> Results:
    """Names, labels and error texts that try to break out of every format."""
    rows = []
    for index, text in enumerate(HOSTILE_NAMES):
        row = measurement(samples=70, processes=3)
        rows.append(
            replace(
                row,
                artifact=replace(
                    row.artifact, name=text, model=text, recipe=text, format=text, sha256=text
                ),
                runtime=text,
                device=text,
                accuracy=replace(row.accuracy, metric=text),
                verdict=("VALID", "NOISY", "INVALID")[index % 3],
                reasons=(text, text),
                runs=tuple(
                    replace(run, effective=Effective(text, text, text, runtime_version=text))
                    for run in row.runs
                ),
            )
        )
        other = replace(row.options, threads=2)
        rows.append(
            replace(rows[-1], options=other, status="failed", runs=(), error=text, hint=text)
        )
    text = " ".join(HOSTILE_NAMES[:11])
    return Results(
        measurements=tuple(rows),
        environment=replace(
            environment(board=text),
            created_at=text,
            system={text: text, "os": text},
            packages={text: text},
        ),
        protocol={"name": text, text: text},
        data={"name": text, "sha256": text},
        command=text,
    )
