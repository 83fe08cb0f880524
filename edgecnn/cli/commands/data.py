"""edgecnn data: look at, pack and collect data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli import options
from edgecnn.cli.commands.data_capture import command as capture_command
from edgecnn.cli.commands.data_pack import check_command, pack_command
from edgecnn.cli.screen.messages import print_line
from edgecnn.cli.screen.progress import progress_bar

if TYPE_CHECKING:
    from edgecnn.data.inspection.inspect import Inspection, SampleLocation

BAR_WIDTH = 30
MAX_GROUPS = 5
MAX_GROUP_SIZE = 6
MAX_LINES = 20


@click.group()
def command() -> None:
    """Look at, pack and collect data."""


command.add_command(capture_command)
command.add_command(pack_command)
command.add_command(check_command)


@command.command("inspect", short_help="Count samples; find duplicates, leaks and damage.")
@click.argument("data", type=options.Name(options.data_names))
@click.option("--data-dir", type=options.FILE, help="Folder with the files, instead of a download.")
@click.option("--split-seed", type=int, default=0, show_default=True, help="Seed of the splits.")
@options.reading_options(strict=False)
@click.option("--out", type=options.FILE, help="Folder for inspection.json and a contact sheet.")
@click.option("--strict", is_flag=True, help="Exit 1 on leakage, conflicts, or anything left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def inspect_command(
    *,
    data: str,
    data_dir: Path | None,
    reading: options.ReadingOptions,
    split_seed: int,
    out: Path | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Count the samples of DATA, and find duplicates, leakage, conflicts and broken files.

    Duplicates are samples with exactly equal content; near duplicates are images that look
    similar (difference hash within 3 of 64 bits, thumbnails correlated by 0.98). Leakage is one of
    them in two splits.
    """
    from edgecnn.cli.datasets import load_data
    from edgecnn.data.inspection import contact_sheet
    from edgecnn.data.inspection.inspect import inspect
    from edgecnn.errors import GateError
    from edgecnn.files import write_text_atomically

    options.claim(out)
    chosen = options.DataOptions(data, data_dir, reading)
    dataset = load_data(chosen, seed=split_seed, quiet=as_json)
    with progress_bar() as progress:
        inspection = inspect(dataset, progress=progress)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        write_text_atomically(out / "inspection.json", json.dumps(inspection.to_dict(), indent=2))
        if dataset.modality == "image":
            contact_sheet.write(dataset, out / "contact-sheet.png")
    if as_json:
        click.echo(json.dumps(inspection.to_dict(), indent=2))
    else:
        _print(inspection)
    if strict and inspection.faulty:
        raise GateError(
            f"{inspection.name}: {len(inspection.leakage)} leaks between splits, "
            f"{len(inspection.conflicts)} conflicts of labels, {len(inspection.skipped)} left out"
        )


def _print(inspection: Inspection) -> None:
    total = sum(sum(counts.values()) for counts in inspection.counts.values())
    print_line(
        f"{inspection.name}: {total} samples ({inspection.modality}), "
        f"sha256 {inspection.sha256[:12]}"
    )
    for axis, (least, median, most) in inspection.sizes.items():
        print_line(f"  {axis}: {least} … {median:g} … {most} (min, median, max)")
    for split, counts in inspection.counts.items():
        print_line(f"{split}: {sum(counts.values())}")
        widest = max((len(label) for label in counts), default=0)
        most_of = max(counts.values(), default=0) or 1
        for label, count in counts.items():
            print_line(f"  {label:<{widest}} {count:>7} {'█' * round(BAR_WIDTH * count / most_of)}")
    for fact, value in inspection.facts.items():
        print_line(f"{fact}: {_format_value(value)}")
    _print_groups("LEAKAGE, equal samples in two splits", inspection.leakage)
    if inspection.modality == "image":
        _print_groups("LEAKAGE, near duplicates in two splits", inspection.near_leakage)
    _print_groups("conflicts, equal samples with different labels", inspection.conflicts)
    _print_groups("exact duplicates", inspection.duplicates)
    if inspection.modality == "image":
        _print_groups("near duplicates", inspection.near_duplicates)
    _print_groups("blank", tuple((at,) for at in inspection.blank))
    if inspection.doubtful:
        _print_lines("doubtful annotations", inspection.doubtful)
    _print_lines("left out or used in part", inspection.skipped)


def _print_lines(title: str, lines: tuple[str, ...]) -> None:
    print_line(f"{title}: {len(lines)}")
    for line in lines[:MAX_LINES]:
        print_line(f"  {line}")
    if len(lines) > MAX_LINES:
        print_line(f"  … and {len(lines) - MAX_LINES} more (--json shows all)")


def _print_groups(title: str, groups: tuple[tuple[SampleLocation, ...], ...]) -> None:
    print_line(f"{title}: {len(groups)}")
    for group in groups[:MAX_GROUPS]:
        more = f" and {len(group) - MAX_GROUP_SIZE} more" if len(group) > MAX_GROUP_SIZE else ""
        print_line("  " + " = ".join(str(at) for at in group[:MAX_GROUP_SIZE]) + more)
    if len(groups) > MAX_GROUPS:
        print_line(f"  … and {len(groups) - MAX_GROUPS} more (--json shows all)")


def _format_value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_format_value(part)}" for name, part in value.items()) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
