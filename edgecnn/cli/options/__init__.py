"""Options that several verbs share, with their completion and their parsing."""

from edgecnn.cli.options.data import ReadingOptions, data, reading_options
from edgecnn.cli.options.defaults import defaulted, given
from edgecnn.cli.options.general import accept_global, claim, command_line, debug, force
from edgecnn.cli.options.kinds import FILE, Command, Name, Names, Numbers, Share
from edgecnn.cli.options.measuring import further_passes, on_runtime, protocol, runtimes, scenario
from edgecnn.cli.options.models import (
    about_model,
    allow_unsafe,
    custom,
    label_names,
    model,
    preprocessing,
    shape,
    targets,
    weights,
)
from edgecnn.cli.options.names import buildable_names, data_names, network_names
from edgecnn.cli.options.training import epochs, seed, training_config

__all__ = [
    "FILE",
    "Command",
    "Name",
    "Names",
    "Numbers",
    "ReadingOptions",
    "Share",
    "about_model",
    "accept_global",
    "allow_unsafe",
    "buildable_names",
    "claim",
    "command_line",
    "custom",
    "data",
    "data_names",
    "debug",
    "defaulted",
    "epochs",
    "force",
    "further_passes",
    "given",
    "label_names",
    "model",
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
]
