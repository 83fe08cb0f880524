"""Help screens of verbs with many options: the options under headings, in reading order."""

from __future__ import annotations

from collections.abc import Mapping

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
        "drawn",
    ),
    "What to measure": (
        "shapes",
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
        "preprocessing",
        "classes",
        "exif",
        "strict",
    ),
}
"""Names of parameters; an option that is not here stands under `OTHERS`, which comes last."""


class Sectioned(click.Command):
    """A command whose options are shown under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        heading_of = {name: title for title, names in HEADINGS.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in (*HEADINGS, OTHERS)}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                rows[heading_of.get(param.name or "", OTHERS)].append(record)
        for title, records in rows.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
