"""What the site shows of files that lie elsewhere in the repository."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
CARRIED_ENDINGS = (".json", ".md", ".png", ".svg")


def carried() -> Iterator[tuple[Path, str]]:
    """(file, place on the site) of what benchmarks/ left, of the schema and of model cards."""
    for path in sorted(RESULTS.rglob("*")):
        if path.suffix in CARRIED_ENDINGS:
            yield path, f"measured/results/{path.relative_to(RESULTS).as_posix()}"
    assets = ROOT / "edgecnn" / "assets"
    yield assets / "results.schema.json", "reference/results.schema.json"
    yield assets / "stop_sign_small.md", "measured/stop_sign_small.md"


def changes() -> str:
    """CHANGELOG.md without its heading, which the page has."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return text.partition("\n")[2].strip()


def extras() -> str:
    """Each extra of pyproject.toml with what pip installs for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = []
    for name, requirements in project["optional-dependencies"].items():
        packages = ", ".join(f"`{requirement}`" for requirement in requirements)
        lines.append(f"`{name}`\n:   {packages}\n")
    return "\n".join(lines)
