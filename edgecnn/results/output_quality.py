"""Output quality of a row: accuracy on labeled samples and parity with the parent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgecnn.records import read_record
from edgecnn.results.foreign_text import make_harmless


@dataclass(frozen=True)
class Accuracy:
    """A task metric on this runtime's own outputs over `n` samples, with its 95% interval.

    The interval is Wilson's for a share of samples ("top1"), and a bootstrap's over images
    for average precision ("AP50-95"). `further` holds the task's other figures ("ap50").
    `parent_value` is the float parent's on the same samples, `mcnemar_p` how likely so uneven
    a split of their differences is by chance; `trained_value` is what training measured on
    the same data. `right` holds for a share of samples which of them were answered right
    (`results.accuracy_drop.answers` reads it), so that two rows can be compared sample by sample.
    For classes, `chance` is the share that guessing gives, `chance_p` how likely guessing gets
    as far, and `answered` how many classes were answered at all.
    """

    metric: str
    value: float
    n: int
    ci95: tuple[float, float] | None = None
    parent_value: float | None = None
    mcnemar_p: float | None = None
    trained_value: float | None = None
    further: Mapping[str, Any] = field(default_factory=dict)
    right: str = ""
    chance: float | None = None
    chance_p: float | None = None
    answered: int | None = None
    trained_on: int = 0
    """How many of the `n` samples training saw: the value then says nothing about new ones."""
    trained_on_exactly: bool = True
    """False where `trained_on` is an estimate."""
    drop_ci95: tuple[float, float] | None = None
    """95% interval of the loss against the parent, for a task with a paired test of its own
    (translation: a bootstrap in which both answer the same resampled sentences)."""
    paired_p: float | None = None
    """How likely that test finds such a difference between equal models."""

    def __post_init__(self) -> None:
        make_harmless(self, "metric", "further")


@dataclass(frozen=True)
class PartParity:
    """One output of a model against the parent's, or a part of it whose values span a range of
    another size than the rest.

    `low` and `high` are the parent's range over all samples, `step` the quantization step of the
    output, `snr_db` None where nothing differs. `lost`: hardly anything of the part is left;
    `left` is the one value that it has then, where it is one.
    """

    output: str
    part: str
    low: float
    high: float
    snr_db: float | None
    step: float | None = None
    lost: bool = False
    left: float | None = None

    def __post_init__(self) -> None:
        make_harmless(self, "output", "part")


@dataclass(frozen=True)
class Parity:
    """How far outputs are from the parent model's on the same inputs.

    `snr_db` is 10·log10(signal power / error power), None when the outputs are identical.
    `variation` is how much the parent's outputs differ between samples, as a share of their
    size, `follows_db` the power of these differences over that of the error: without variation
    nothing is compared. `parent_classes` and `classes` are how many classes each answers, for
    class scores. Results of earlier versions have neither these nor `parts`.
    """

    max_abs_error: float
    snr_db: float | None
    cosine: float
    top1_agreement: float | None
    n: int
    parent_sha256: str | None = None
    variation: float | None = None
    follows_db: float | None = None
    parent_classes: int | None = None
    classes: int | None = None
    parts: tuple[PartParity, ...] = ()
    same_ids: float | None = None
    """For answers that are sequences of ids: the share of ids that are the parent's, at the same
    place. `top1_agreement` is then the share of whole answers, and there is no ratio of signals."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON reads it back."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Parity:
        """Read what `asdict` gave. Raises FieldError for anything else."""
        return read_record(cls, values, "parity")
