"""edgecnn results gate: exit with 1 when something got worse than what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options
from edgecnn.cli.screen.messages import say

if TYPE_CHECKING:
    from edgecnn.analysis.gate import GateBaseline, RegressionGate
    from edgecnn.results import Measurement, Results


@click.command(short_help="Fail when something got worse.")
@click.argument("results", type=options.FILE)
@click.option(
    "--against",
    default="main",
    show_default=True,
    help="Label of the baseline.",
)
@options.defaulted(
    "--threshold",
    type=options.Share(),
    default_text="1%",
    help="Smallest slowdown that fails; smaller ones pass even if significant.",
)
@click.option(
    "--remeasure",
    "--beside",
    "remeasure",
    type=options.FILE,
    multiple=True,
    help="Folder with the baseline's model files, to measure them again with the new ones.",
)
@click.option("--machine", default="", help="Machine name used at import, if any.")
@click.option(
    "--format",
    "form",
    type=options.Name(options.export_format_names),
    help="Write --out as bmf, customSmallerIsBetter or junit instead of Markdown.",
)
@click.option("--out", type=options.FILE, help="Write the answer, as for a pull request (.md).")
@options.force()
def command(
    *,
    results: Path,
    against: str,
    threshold: float | None,
    remeasure: tuple[Path, ...],
    machine: str,
    form: str | None,
    out: Path | None,
    force: bool,
) -> None:
    """Compare RESULTS with what is stored, and exit with 1 when something got worse.

    Rows are compared with the stored sessions of the same configuration, data and machine since
    the last change; with --remeasure they are measured again alternately with the baseline's files,
    which is much more sensitive. The false-positive rate is at most 1%. Exits with 2 if no row can
    be compared.
    """
    from edgecnn.analysis import gate as gates
    from edgecnn.errors import GateError, InputError
    from edgecnn.registry import lookup
    from edgecnn.reporting import exports
    from edgecnn.reporting import gate as words

    if form and out is None:
        raise InputError("--format needs --out", hint="pass --out FILE")
    if form:
        lookup("format", form, exports.FORMATS)
    options.claim_new_file(out, force=force, inputs=(results,))
    loaded = _load(results)
    pairs = _with_baselines(loaded, against, machine)
    if remeasure:
        pairs = _remeasure(loaded, pairs, remeasure)
    gate = gates.regression_gate(pairs, against, **options.without_none(threshold=threshold))
    for each in gate.rows:
        bad = each.outcome in gates.FAILING
        color = "red" if bad else "green" if each.outcome == "faster" else None
        click.echo(click.style(words.sentence(each, against), fg=color))
    if out is not None:
        _write(gate, [row for row, _ in pairs], form, out)
    if gate.failed:
        raise GateError(words.headline(gate), hint="see the rows above")
    if not any(each.effect for each in gate.rows):
        raise InputError(
            f"no row can be compared with {against}: {gate.rows[0].why if gate.rows else 'none'}",
            hint=f"measure {against} on this machine and import it: "
            f"edgecnn results import FILE --label {against}",
        )
    click.echo(words.headline(gate))


def _load(path: Path) -> Sequence[Results]:
    """The results in a file; rows of it that cannot be read are named: they pass no gate."""
    from edgecnn.reporting import extract

    loaded = extract.read_any(path)
    for one in loaded:
        for lost in one.left_out:
            say(f"{path}: {lost}")
    return loaded


def _with_baselines(
    results: Sequence[Results], label: str, machine: str
) -> list[tuple[Measurement, GateBaseline]]:
    """Every row with what is stored of it under `label`."""
    from edgecnn.analysis import gate as gates
    from edgecnn.store import open_database

    with open_database() as database:
        if label not in database.labels():
            raise _unknown_label(label, database.labels())
        return [
            (row, gates.GateBaseline(stored.rows, why=stored.why))
            for one in results
            for row, stored in zip(
                one.measurements,
                database.baselines(one, label, machine=machine, most=gates.MOST_SESSIONS),
                strict=True,
            )
        ]


def _write(gate: RegressionGate, rows: Sequence[Measurement], form: str | None, out: Path) -> None:
    from edgecnn.files import write_text_atomically
    from edgecnn.reporting import exports
    from edgecnn.reporting import gate as words

    if form is None:
        text = words.markdown(gate)
    else:
        text = exports.junit(rows, gate) if form == "junit" else exports.FORMATS[form](rows)
    write_text_atomically(out, text)
    click.echo(out)


def _remeasure(
    loaded: Sequence[Results],
    pairs: Sequence[tuple[Measurement, GateBaseline]],
    folders: Sequence[Path],
) -> list[tuple[Measurement, GateBaseline]]:
    """The pairs, with a baseline from the same rounds wherever it can be measured again."""
    from dataclasses import replace

    from edgecnn.analysis import matching
    from edgecnn.benchmarking import remeasuring
    from edgecnn.cli.screen.progress import progress_bar

    bases = {id(row): base for row, base in pairs}
    new_pairs = []
    for one in loaded:
        files = remeasuring.find_files(folders, one)
        for row in one.measurements:
            base = bases[id(row)]
            if not base.rows or row.status != "ok":
                new_pairs.append((row, base))
                continue
            with progress_bar() as progress:
                pair = remeasuring.remeasure(
                    base.rows[-1], row, files, protocol=one.protocol, progress=progress
                )
            if pair.before is None:
                click.echo(f"{matching.name(row)}: not measured again: {pair.why}", err=True)
                new_pairs.append((row, base))
            else:
                new = remeasuring.judged(row, pair)
                new_pairs.append((new, replace(base, remeasured=pair.before)))
    return new_pairs


def _unknown_label(label: str, labels: list[str]) -> Exception:
    from edgecnn.errors import InputError
    from edgecnn.registry import unknown_name

    if labels:
        return unknown_name("label", label, labels)
    return InputError(
        "the database holds no results yet",
        hint=f"edgecnn results import FILE --label {label}",
    )
