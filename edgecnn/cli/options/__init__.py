"""Options that several verbs share, with their completion and their parsing."""

from edgecnn.cli.options.data import DataOptions, ReadingOptions, data, reading_options
from edgecnn.cli.options.defaults import defaulted, without_none
from edgecnn.cli.options.general import (
    accept_global,
    claim,
    claim_new_file,
    command_line,
    debug,
    force,
)
from edgecnn.cli.options.kinds import FILE, Command, Name, Names, Numbers, Share
from edgecnn.cli.options.limits import LimitOptions, limits
from edgecnn.cli.options.measuring import (
    LoadOptions,
    PassOptions,
    affinity,
    further_passes,
    on_runtime,
    protocol,
    runtimes,
    scenario,
)
from edgecnn.cli.options.models import (
    about_model,
    allow_unsafe,
    custom,
    label_names,
    model,
    model_options,
    preprocessing,
    shape,
    targets,
    weights,
)
from edgecnn.cli.options.names import (
    board_names,
    buildable_names,
    data_names,
    export_format_names,
    network_names,
)
from edgecnn.cli.options.training import epochs, seed, training_config

__all__ = [
    "FILE",
    "Command",
    "DataOptions",
    "LimitOptions",
    "LoadOptions",
    "Name",
    "Names",
    "Numbers",
    "PassOptions",
    "ReadingOptions",
    "Share",
    "about_model",
    "accept_global",
    "affinity",
    "allow_unsafe",
    "board_names",
    "buildable_names",
    "claim",
    "claim_new_file",
    "command_line",
    "custom",
    "data",
    "data_names",
    "debug",
    "defaulted",
    "epochs",
    "export_format_names",
    "force",
    "further_passes",
    "label_names",
    "limits",
    "model",
    "model_options",
    "network_names",
    "on_runtime",
    "preprocessing",
    "protocol",
    "reading_options",
    "runtimes",
    "scenario",
    "seed",
    "shape",
    "targets",
    "training_config",
    "weights",
    "without_none",
]
