"""Names of what is known, for completion."""

from __future__ import annotations


def model_names() -> list[str]:
    from edgecnn.registry import trained_names

    return list(trained_names())


def network_names() -> list[str]:
    """Names of everything that edgecnn has of its own: models, then detectors."""
    from edgecnn.registry import DETECTORS, MODELS

    return [*MODELS.names(), *DETECTORS.names()]


def buildable_names() -> list[str]:
    """Names of everything that can be built: edgecnn's own, then those of keras.applications."""
    from edgecnn.models.applications import APPLICATIONS
    from edgecnn.registry import SEQUENCE_MODELS

    return [*network_names(), *SEQUENCE_MODELS.names(), *APPLICATIONS]


_DATA_WITHOUT_A_PLACE = ("digits", "mnist", "fashion-mnist", "cifar10")


def data_names() -> list[str]:
    """Names of data sources, for completion: with a colon where a place has to follow."""
    from edgecnn.registry import DATA_SOURCES

    return [name if name in _DATA_WITHOUT_A_PLACE else f"{name}:" for name in DATA_SOURCES.names()]


def runtime_names() -> list[str]:
    from edgecnn.registry import RUNTIMES

    loaded = {name: RUNTIMES.load(name) for name in RUNTIMES.names()}
    return ["all", *(f"{name}:{device}" for name in loaded for device in loaded[name].devices)]


def target_names() -> list[str]:
    from edgecnn.conversion.targets import TARGETS

    return ["all", *(str(target) for target in TARGETS)]


def profile_names() -> list[str]:
    from edgecnn.benchmarking.protocol import PROFILES

    return list(PROFILES)


def scenario_names() -> list[str]:
    from edgecnn.benchmarking.loop.scenarios import SCENARIOS

    return list(SCENARIOS)


def preprocessing_names() -> list[str]:
    from edgecnn.preprocessing import PRESETS

    return list(PRESETS)


def head_names() -> list[str]:
    from edgecnn.registry import HEADS

    return list(HEADS.names())


def board_names() -> list[str]:
    from edgecnn.boards import inventory

    return list(inventory.load())


def export_format_names() -> list[str]:
    """What results are written as for other programs."""
    from edgecnn.reporting.exports import FORMATS

    return list(FORMATS)
