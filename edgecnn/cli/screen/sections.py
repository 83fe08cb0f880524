"""Help screens of verbs with many options: the options under headings, in reading order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

OTHERS = "Options"
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "What to train": (
        "model",
        "weights",
        "epochs",
        "seed",
        "input_size",
        "mixed_precision",
    ),
    "Training configuration (default: the network's own)": (
        "batch_size",
        "learning_rate",
        "augment",
        "mirror",
        "optimizer",
        "schedule",
        "warmup_epochs",
        "weight_decay",
        "label_smoothing",
        "class_weights",
        "gradient_clip",
        "patience",
        "average",
    ),
    "Training configuration of detectors": (
        "views",
        "windows",
        "negatives",
        "hard",
        "cutouts",
        "pasted",
        "small",
        "close",
        "drawn",
    ),
    "What to measure": (
        "shape",
        "targets",
        "target",
        "runtimes",
        "runtime",
        "on",
        "threads",
        "batches",
        "strict_float32",
        "affinity",
        "loadgen",
        "sustained",
        "profile_ops",
    ),
    "What to look for": (
        "max_drop",
        "max_latency",
        "max_memory",
        "max_size",
        "objective",
        "objectives",
    ),
    "What to try": (
        "space",
        "changes",
        "list_space",
        "trials",
        "timeout",
        "final_epochs",
        "sampler",
        "pruning",
    ),
    "Where trials run": (
        "workers",
        "trial_threads",
        "cluster",
        "tls_ca",
        "tls_cert",
        "tls_key",
    ),
    "How queries arrive": ("scenario", "streams", "target_qps", "latency_bound_ms"),
    "How long to measure": ("profile", "min_secs", "min_runs", "max_secs", "processes"),
    "Data": (
        "data",
        "data_dir",
        "split_seed",
        "classes",
        "exif",
        "strict",
    ),
    "About the model": (
        "preprocessing",
        "custom",
        "head",
        "labels",
        "beam",
        "allow_unsafe",
    ),
}
"""Names of parameters; an option that is not here stands under `OTHERS`, which comes last."""


class Sectioned(click.Command):
    """A command whose options are shown under headings: those of `HEADINGS`, or where an option
    means something else to this command, those that `headings` names for it.
    """

    def __init__(
        self, *arguments: Any, headings: Mapping[str, str] | None = None, **attributes: Any
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.heading_of = {name: title for title, names in HEADINGS.items() for name in names}
        self.heading_of |= headings or {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, options in by_heading(self, ctx).items():
            with formatter.section(title):
                formatter.write_dl([record for _, record in options])


def by_heading(
    command: click.Command, ctx: click.Context
) -> Mapping[str, Sequence[tuple[click.Option, tuple[str, str]]]]:
    """The options of a command that are shown, each with its record, under their headings in
    reading order; those of a command without headings under `OTHERS`.
    """
    heading_of = command.heading_of if isinstance(command, Sectioned) else {}
    sections: dict[str, list[tuple[click.Option, tuple[str, str]]]] = {
        title: [] for title in (*HEADINGS, OTHERS)
    }
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record is not None and isinstance(param, click.Option):
            sections[heading_of.get(param.name or "", OTHERS)].append((param, record))
    return {title: options for title, options in sections.items() if options}
