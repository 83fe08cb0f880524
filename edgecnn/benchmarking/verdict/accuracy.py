"""Accuracy that contradicts its references, proves little, or was not measured."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.data.splitting.training_overlap import TrainingOverlap
from edgecnn.evaluation.parity_findings import findings, inconclusive_reason, lost_parts
from edgecnn.feeding.choice import HINT
from edgecnn.results import Measurement
from edgecnn.results.chance_level import uninformative_reason

ACCURACY_COLLAPSE = 0.05


def inaccurate(measurement: Measurement) -> Iterator[str]:
    accuracy = measurement.accuracy
    if accuracy is not None and accuracy.trained_on:
        yield TrainingOverlap(accuracy.trained_on, accuracy.n, accuracy.trained_on_exactly).sentence
    if accuracy is None or accuracy.ci95 is None:
        return
    if _collapsed(accuracy.ci95[1], accuracy.parent_value):
        yield (
            f"accuracy collapse: {accuracy.value:.1%} where the float parent has "
            f"{accuracy.parent_value:.1%} on the same {accuracy.n} samples: check the calibration "
            "data and the runtime"
        )
    elif _collapsed(accuracy.ci95[1], accuracy.trained_value):
        yield (
            f"accuracy collapse: {accuracy.value:.1%} where training measured "
            f"{accuracy.trained_value:.1%} on the same data: the preprocessing differs from the "
            "one in training"
        )


def _collapsed(upper: float, reference: float | None) -> bool:
    return reference is not None and upper < reference - ACCURACY_COLLAPSE


def unmeasured(measurement: Measurement) -> Iterator[str]:
    """Why there is no accuracy, or what was assumed of the input."""
    fed = measurement.fed
    if fed is not None and not fed.known:
        yield f"accuracy is not measured: {fed.unscored or f'{fed.because}; {HINT}'}"
    elif fed is not None and (fed.conflict or fed.unscored):
        yield fed.sentence


def proving_little(measurement: Measurement) -> Iterator[str]:
    """Accuracy and parity that show less than their numbers seem to."""
    accuracy, parity = measurement.accuracy, measurement.parity
    if accuracy is not None and (nothing := uninformative_reason(accuracy, "this row")):
        yield f"{nothing}; check the data, the labels and the preprocessing"
    step = accuracy.further.get("score_step") if accuracy is not None else None
    if accuracy is not None and isinstance(step, (int, float)):
        best = accuracy.further.get("highest_score")
        highest = f", the highest is {best:.3g}" if isinstance(best, (int, float)) else ""
        yield (
            f"boxes and scores share one quantized output with a step of {step:.3g}: scores of 0…1 "
            f"are lost in it{highest}; keep that output in float, or export boxes and scores as "
            "separate outputs"
        )
    if parity is not None:
        yield from findings(parity) if accuracy is None else lost_parts(parity)
        nothing = inconclusive_reason(parity)
        if accuracy is not None and nothing:
            yield nothing
