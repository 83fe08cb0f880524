"""Whether the results that are there can be continued, and what they note of how data were fed."""

from __future__ import annotations

import json
from typing import Any

from edgecnn.benchmarking.protocol import Protocol
from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.preprocessing import Preprocessing
from edgecnn.results import Results


def check_previous(
    previous: Results,
    protocol: Protocol,
    data: Dataset | None,
    preprocessing: Preprocessing | str | None = None,
    about: ModelOptions | None = None,
) -> None:
    """Raise InputError when results cannot be continued with this protocol and this data, or hold
    rows that cannot be read and would be lost.
    """
    if previous.left_out:
        first = previous.left_out[0]
        raise InputError(
            f"{len(previous.left_out)} of the rows there cannot be read, first {first.row}: "
            f"{first.reason}",
            hint="pass --force to measure all rows again, or choose another --out",
        )
    if previous.protocol != protocol.to_dict():
        raise InputError(
            "the results there were measured with another protocol",
            hint="pass --force to measure all rows again, or choose another --out",
        )
    if previous.data.get("sha256") != (data.sha256 if data else None):
        raise InputError(
            "the results there were measured on other data",
            hint="pass --force to measure all rows again, or choose another --out",
        )
    option = option_record(preprocessing) if preprocessing is not None else None
    if previous.data.get("preprocessing") != option:
        raise InputError(
            "the results there were measured with another --preprocessing",
            hint="pass --force to measure all rows again, or choose another --out",
        )
    if previous.data.get("about_model") != about_record(about).get("about_model"):
        raise InputError(
            "the results there were measured with another --head or --labels",
            hint="pass --force to measure all rows again, or choose another --out",
        )


def option_record(preprocessing: Preprocessing | str) -> Any:
    """An option as JSON gives it back."""
    if isinstance(preprocessing, str):
        return preprocessing
    return json.loads(json.dumps(preprocessing.to_dict()))


def about_record(about: ModelOptions | None) -> dict[str, Any]:
    """What the user said about the models, as JSON gives it back."""
    if about is None or about == ModelOptions():
        return {}
    return {"about_model": {"head": about.head, "labels": list(about.labels)}}
