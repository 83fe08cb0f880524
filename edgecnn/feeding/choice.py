"""Choose a model's preprocessing: from the user, its manifest, the model file, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.feeding.inferred_input import InferredInput
from edgecnn.manifest import Manifest
from edgecnn.preprocessing import (
    PRESETS,
    Fed,
    Preprocessing,
    SpectrogramPreprocessing,
    fed_with,
    in_layout,
    read_preprocessing,
    tensor_range,
    with_preset,
)
from edgecnn.preprocessing.fed import Source, describe_values

HINT = f"specify the model's preprocessing with --preprocessing {'|'.join(PRESETS)}|FILE"
_SAME = 0.15
"""Ranges that differ by less than this share are one: calibration stops short of the ends."""


@dataclass(frozen=True)
class ChosenPreprocessing:
    """A preprocessing with the record of where it is from; None where nobody can say, and for data
    that are what the model takes.
    """

    preprocessing: Preprocessing | None
    fed: Fed


def choose_preprocessing(
    base: Callable[[], Preprocessing],
    manifest: Manifest,
    *,
    option: str | Preprocessing | None = None,
    proof: InferredInput | None = None,
    layout: str = "",
    are_tensors: bool = False,
) -> ChosenPreprocessing:
    """What a model is fed.

    `option` is what the user said: a preset, a file, or a preprocessing (from Python); it goes
    before the manifest, and that before `proof`. Where they contradict each other, the record
    says so. `base` gives the preprocessing that fits the samples at hand to the model's size;
    its statistics are not used. `layout` is the model's own order of axes. `are_tensors` says
    that the samples are arrays of numbers, which go in as they are where nothing else is known.

    Raises InputError for an option that is not known, or not for such samples, and for sounds of
    another sample rate than the model takes.
    """
    known = manifest.preprocessing
    if option is not None:
        chosen, because = _optional(option, base)
        _check_rate(chosen, base)
        source: Source = "option" if isinstance(option, str) else "caller"
        conflict = _contradiction(chosen, known, "the manifest says") or _against(chosen, proof)
        record = fed_with(chosen, source, because, layout=layout, conflict=conflict)
        return ChosenPreprocessing(chosen, record)
    if known is not None:
        if len(manifest.inputs) == 1:  # without it, some callers know no size to prepare for
            _check_rate(known, base)
        return ChosenPreprocessing(known, _recorded(known, manifest, proof, layout))
    if proof is not None:
        fitting = base()
        try:
            chosen = proof.applied(fitting)
        except InputError:  # the proof speaks of images, the samples are not images
            return ChosenPreprocessing(None, UNKNOWN)
        return ChosenPreprocessing(
            chosen, fed_with(chosen, proof.known_from, proof.because, layout=layout)
        )
    if are_tensors:
        chosen = with_preset(base(), "raw")
        because = "the data set holds arrays of numbers, used unchanged"
        return ChosenPreprocessing(chosen, fed_with(chosen, "data", because, layout=layout))
    return ChosenPreprocessing(None, UNKNOWN)


def require_preprocessing(choice: ChosenPreprocessing, name: str) -> Preprocessing | None:
    """The preprocessing of the model called `name`, None for samples that need none. Raises
    InputError, with what to say, where nothing is known.
    """
    if choice.preprocessing is None and not choice.fed.known:
        raise InputError(f"{name}: {choice.fed.because}", hint=HINT)
    return choice.preprocessing


UNKNOWN = Fed(
    "unknown",
    "the preprocessing is unknown (no manifest, no first layer that rescales, no quantized input, "
    "no metadata)",
)
"""The record of a model that nothing is known about."""


def _optional(
    option: str | Preprocessing, base: Callable[[], Preprocessing]
) -> tuple[Preprocessing, str]:
    if not isinstance(option, str):
        return option, "as the caller asked"
    if option in PRESETS:
        return with_preset(base(), option), f"--preprocessing {option}"
    return read_preprocessing(option_file(option), base()), f"--preprocessing {option}"


def _check_rate(chosen: Preprocessing, base: Callable[[], Preprocessing]) -> None:
    """Raise InputError for sounds of another rate: their spectrograms are stretched."""
    if not isinstance(chosen, SpectrogramPreprocessing):
        return
    try:
        of_data = base()
    except InputError:  # no sounds at all, or no data: whoever prepares them says it
        return
    if isinstance(of_data, SpectrogramPreprocessing) and of_data.rate != chosen.rate:
        raise InputError(
            f"the model takes recordings of {chosen.rate} Hz, the data set has {of_data.rate} Hz",
            hint=f"resample them to {chosen.rate} Hz first (sox, ffmpeg -ar {chosen.rate})",
        )


def option_file(option: str) -> Path:
    """The file that an option names. Raises InputError for what is neither a preset nor a file."""
    from edgecnn.registry import unknown_name

    path = Path(option)
    if not path.is_file():
        error = unknown_name("preprocessing", option, PRESETS)
        raise InputError(error.message, hint=f"{error.hint}, or a JSON file")
    return path


def check_option(option: str | None) -> None:
    """Raise InputError for an option that is neither a preset nor a file, before any work."""
    if option is not None and option not in PRESETS:
        option_file(option)


def _recorded(
    known: Preprocessing, manifest: Manifest, proof: InferredInput | None, layout: str
) -> Fed:
    """The record in a manifest, where it has one, checked against what the model proves."""
    recorded = manifest.feeding
    source, because = (
        (recorded.known_from, recorded.because)
        if recorded is not None and recorded.known
        else ("manifest", "its manifest says so")
    )
    conflict = _against(known, proof)
    return in_layout(fed_with(known, source, because, conflict=conflict), layout)


def _against(chosen: Preprocessing, proof: InferredInput | None) -> str:
    """What first layers say against a choice. Ranges that calibration found are not a
    contradiction: they are those of the samples.
    """
    if proof is None or proof.known_from not in ("model", "metadata"):
        return ""
    try:
        proven = proof.applied(chosen)
    except InputError:
        return ""
    return _contradiction(chosen, proven, f"but {proof.because}, which is for")


def _contradiction(chosen: Preprocessing, other: Preprocessing | None, says: str) -> str:
    if other is None or other == chosen:
        return ""
    first, second = tensor_range(chosen), tensor_range(other)
    if first is None or second is None:
        same = describe_values(chosen) == describe_values(other)
        return "" if same else f"{says} {describe_values(other)}"
    span = max(first[1] - first[0], second[1] - second[0])
    if max(abs(one - two) for one, two in zip(first, second, strict=True)) <= _SAME * span:
        return ""
    return f"{says} {describe_values(other)}"


__getattr__ = old_names(__name__, {"Choice": "ChosenPreprocessing"})
