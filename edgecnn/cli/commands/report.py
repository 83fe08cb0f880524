"""edgecnn report: results files → page, Markdown, CSV, chart."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.cli import options


@click.command()
@click.argument("results", nargs=-1, required=True, type=options.FILE)
@click.option(
    "--out",
    type=options.FILE,
    required=True,
    help="report.html, .md, .csv, .json, or a chart: .png, .svg, .pdf.",
)
@click.option(
    "--chart",
    "--picture",
    "chart",
    help="Chart to write as .png, .svg or .pdf, as in accuracy_latency, speedup or memory.",
)
@options.force()
def command(results: tuple[Path, ...], out: Path, chart: str | None, force: bool) -> None:
    """Turn RESULTS files (.json, or a report.html that carries them) into a report.

    `edgecnn report report.html --out results.json` gets the raw results out again.
    """
    from edgecnn.reporting import CHART, extract, write
    from edgecnn.results import Results

    options.claim_new_file(out, force=force, inputs=results)
    from_page = all(path.suffix == ".html" for path in results)
    loaded: list[Results] = []
    for path in results:
        if path.suffix == ".html":
            loaded += extract.read_embedded(path)
        else:
            loaded.append(Results.load(path))
    for path, one in zip(results, loaded, strict=False):
        for lost in one.left_out:
            click.echo(f"{path.name}: {lost}", err=True)
    raw = from_page and out.suffix == ".json"
    for written in write(loaded, out, chart=chart or CHART, raw=raw):
        click.echo(written)
