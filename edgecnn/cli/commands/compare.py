"""edgecnn compare: two results, before and after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options

if TYPE_CHECKING:
    from edgecnn.results import Results


@click.command()
@click.argument("before", type=options.FILE)
@click.argument("after", type=options.FILE)
@options.defaulted(
    "--threshold",
    type=options.Share(),
    default_text="3%",
    help="The change of latency that matters in practice.",
)
@click.option("--out", type=options.FILE, help="Write the comparison as .md, .html or .json too.")
@click.option(
    "--allow-differences",
    is_flag=True,
    help="Also compare rows that differ in model, data, threads, scenario, affinity or schema.",
)
@options.force()
def command(
    *,
    before: Path,
    after: Path,
    threshold: float | None,
    out: Path | None,
    allow_differences: bool,
    force: bool,
) -> None:
    """Say what got better, what got worse and what stays undecided from BEFORE to AFTER.

    Both are results files (.json), or a report.html that carries its results.

    Exit code 1 when a configuration got significantly slower or less accurate or stopped
    working, and when one that both files hold could not be compared. Of two results of the same
    machine and software the last line says whether the second reproduces the first.
    """
    from edgecnn.analysis import compare
    from edgecnn.cli.screen.tables import console
    from edgecnn.errors import GateError, InputError
    from edgecnn.reporting import comparison

    options.claim_new_file(out, force=force, inputs=(before, after))
    outcome = compare.compare(
        _load(before),
        _load(after),
        allow_differences=allow_differences,
        **options.without_none(threshold=threshold),
    )
    console().print(comparison.terminal(outcome))
    if out is not None:
        comparison.write(outcome, out)
        click.echo(out)
    if not outcome.changes and not outcome.failures:
        raise InputError(
            "no configuration can be compared",
            hint="the reasons are above; --allow-differences compares anyway",
        )
    if outcome.regressed:
        raise GateError(comparison.verdict(outcome))
    if not outcome.complete:
        raise GateError(
            comparison.verdict(outcome),
            hint="the reasons are above; measure in several processes (--processes 5), and the "
            "same files",
        )


def _load(path: Path) -> Results:
    """A results file, or the one inside a page."""
    from edgecnn.errors import InputError
    from edgecnn.reporting import extract
    from edgecnn.results import Results

    if path.suffix.lower() != ".html":
        return Results.load(path)
    inside = extract.read_embedded(path)
    if len(inside) > 1:
        raise InputError(
            f"{path.name} holds {len(inside)} results, and a comparison takes one on each side",
            hint=f"edgecnn report {path.name} --out results.json takes them out",
        )
    return inside[0]
