"""What MkDocs calls while it builds: generated passages, and the files of benchmarks/results.

A page asks for a passage with a comment on a line of its own:

    <!-- generated: cli -->

The names are those of `PASSAGES`. Nothing generated is kept in the repository.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from docs.tools import cli_pages, figures, registries, repository, schema_pages, traps  # noqa: E402

PASSAGES: Mapping[str, Callable[[], str]] = {
    "changes": repository.changes,
    "cli": cli_pages.verbs,
    "data-sources": registries.data_sources,
    "exit-codes": cli_pages.exit_codes,
    "extras": repository.extras,
    "figure-coverage": figures.coverage,
    "figure-differences": figures.differences,
    "figure-detectors": figures.detectors,
    "figure-family": figures.family,
    "figure-fidelity": figures.fidelity,
    "figure-memory": figures.memory,
    "figure-overhead": figures.overhead,
    "figure-repeatability": figures.repeatability,
    "figure-shrinking": figures.shrinking,
    "figure-translation": figures.translation,
    "figure-voices": figures.voices,
    "flow": figures.flow,
    "formats": registries.formats,
    "heads": registries.heads,
    "manifest": schema_pages.manifest,
    "measured-list": figures.results_list,
    "networks": registries.networks,
    "python": registries.python_interface,
    "recipes": registries.recipes,
    "results": schema_pages.results,
    "runtimes": registries.runtimes,
    "tasks": registries.tasks,
    "traps": traps.cards,
}
_SHORT_CODE = re.compile(r"<code>([^<]{1,24})</code>")
_ASKED = re.compile(r"^<!-- generated: (\S+) -->$", re.MULTILINE)


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add what benchmarks/ measured, and the schema of a results file."""
    for path, place in repository.carried():
        file = File.generated(
            config, place, abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV
        )
        files.append(file)
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Short code in a line is not broken at its hyphens (`--force`)."""
    return _SHORT_CODE.sub(r'<code class="short">\1</code>', html)


def on_post_page(output: str, **_: Any) -> str:
    """The theme's search is a dialog and a switch without names for screen readers."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"').replace(
        'id="__search"', 'id="__search" aria-label="Search"'
    )


def on_post_template(output_content: str, **_: Any) -> str:
    """The page for addresses that lead nowhere is no page to MkDocs."""
    return on_post_page(output_content)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put each generated passage where the page asks for it."""

    def made(match: re.Match[str]) -> str:
        if match[1] not in PASSAGES:
            raise PluginError(
                f"{page.file.src_uri}: no passage {match[1]!r} (see docs/tools/hooks.py)"
            )
        return PASSAGES[match[1]]()

    return _ASKED.sub(made, markdown)
