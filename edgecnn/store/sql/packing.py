"""Rows and raw samples as bytes, and back.

A row is JSON without its samples, compressed. Samples are nanoseconds above the run's smallest in
64 bits: their bytes are put together by place (all lowest bytes first), because the upper ones are
zeros, and then compressed. What is read back may have been changed by anybody: sizes are bounded
before memory is taken, and the row is checked field by field like one from a file.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.files import parse_json
from edgecnn.records import read_field
from edgecnn.results import MAX_FILE_BYTES, Block, Measurement, Results, Run

LEVEL = 3
"""Of zlib: 6 takes three times as long for 4% fewer bytes of samples."""


class DamagedError(InputError):
    """A stored row that cannot be read."""


def pack_document(document: Mapping[str, Any]) -> bytes:
    """JSON, compressed."""
    try:
        text = json.dumps(document, separators=(",", ":"), allow_nan=False, default=_fields)
    except ValueError:  # a sensor or a pass gave NaN or infinity, which JSON does not have
        plain = json.loads(json.dumps(document, default=_fields))
        plain = read_field(Mapping[str, Any], plain, "")
        text = json.dumps(plain, separators=(",", ":"), allow_nan=False)
    return zlib.compress(text.encode(), LEVEL)


def unpack_document(packed: bytes, what: str) -> Any:
    """What `pack_document` packed. Raises DamagedError."""
    try:
        return parse_json(_inflated(packed, what).decode(), what)
    except (InputError, UnicodeDecodeError) as error:
        raise DamagedError(f"{what}: {error}", hint="") from error


def pack_row(row: Measurement) -> tuple[bytes, bytes]:
    """(document, samples) of a row."""
    least = [min((*run.warmup_ns, *run.samples_ns), default=0) for run in row.runs]
    counts = [
        [len(run.warmup_ns), len(run.samples_ns), base]
        for run, base in zip(row.runs, least, strict=True)
    ]
    document: dict[str, Any] = {name: getattr(row, name) for name in _KEPT}
    bare: dict[str, Any] = {"samples_ns": (), "warmup_ns": (), "blocks": ()}
    document["runs"] = [{**_fields(run), **bare} for run in row.runs]
    document["counts"] = counts
    document["blocks"] = [[_block(block) for block in run.blocks] for run in row.runs]
    arrays = [
        np.asarray(part, "<i8") - base
        for run, base in zip(row.runs, least, strict=True)
        for part in (run.warmup_ns, run.samples_ns)
    ]
    joined = np.concatenate(arrays) if arrays else np.empty(0, "<i8")
    planes = joined.view(np.uint8).reshape(-1, 8).T
    return pack_document(document), zlib.compress(planes.tobytes(), LEVEL)


def unpack_row(document: bytes, samples: bytes | None, what: str) -> Measurement:
    """The row that `pack_row` packed; without samples where those were pruned.

    Raises DamagedError.
    """
    values = unpack_document(document, what)
    try:
        counts = read_field(tuple[tuple[int, int, int], ...], values.pop("counts"), what)
        blocks = values.pop("blocks")
        row = Measurement.from_dict(values, what)
        if samples is None:
            return row
        times = _times(samples, sum(warm + timed for warm, timed, _ in counts), what)
        runs = []
        for run, (warm, timed, base), spans in zip(row.runs, counts, blocks, strict=True):
            own, times = times[: warm + timed] + base, times[warm + timed :]
            runs.append(_run(run, own[:warm], own[warm:], spans, what))
        return replace(row, runs=tuple(runs))
    except InputError as error:
        raise DamagedError(error.message) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{what}: not a row of results") from error


def pack_session(results: Results) -> bytes:
    """Results without their rows."""
    return pack_document({**replace(results, measurements=()).to_dict(), "measurements": []})


def unpack_session(packed: bytes, rows: Sequence[Measurement], what: str) -> Results:
    """The results that `pack_session` packed, with these rows. Raises DamagedError."""
    try:
        return replace(Results.from_dict(unpack_document(packed, what)), measurements=tuple(rows))
    except DamagedError:
        raise
    except InputError as error:
        raise DamagedError(f"{what}: {error}") from error


_KEPT = (
    "artifact", "runtime", "device", "options", "placement", "load", "status", "verdict", "reasons",
    "error", "hint", "cause", "accuracy", "parity", "fed",
)  # fmt: skip


def _fields(value: Any) -> dict[str, Any]:
    """A dataclass as JSON holds it. `asdict` would copy all that is in it, which took a quarter of
    an import's time. Raises TypeError for anything else.
    """
    kind = type(value)
    names = _NAMES.get(kind) or _NAMES.setdefault(kind, [each.name for each in fields(kind)])
    return {name: getattr(value, name) for name in names}


_NAMES: dict[type, list[str]] = {}
"""The fields of each class that was met."""


def _block(block: Any) -> list[Any]:
    return [
        block.first, block.count, list(block.reference_ns), list(block.memory_ns), block.delay,
        block.quiet,
    ]  # fmt: skip


def _run(run: Run, warm: Any, timed: Any, spans: Sequence[Any], what: str) -> Run:
    """A run with its samples, checked like one from a file."""
    names = ("first", "count", "reference_ns", "memory_ns", "delay", "quiet")
    blocks = read_field(
        tuple[Block, ...], [dict(zip(names, span, strict=True)) for span in spans], what
    )
    size = len(timed)
    if any(min(each.first, each.count) < 0 or each.first + each.count > size for each in blocks):
        raise DamagedError(f"{what}: a block beyond the samples")
    if min(warm.min(initial=0), timed.min(initial=0)) < 0:
        raise DamagedError(f"{what}: negative times")
    return replace(
        run, warmup_ns=tuple(warm.tolist()), samples_ns=tuple(timed.tolist()), blocks=blocks
    )


def _times(samples: bytes, count: int, what: str) -> Any:
    raw = _inflated(samples, what)
    if len(raw) != 8 * count:
        raise DamagedError(f"{what}: {len(raw) // 8} samples, expected {count}")
    planes = np.frombuffer(raw, np.uint8).reshape(8, -1)
    return np.ascontiguousarray(planes.T).view("<i8").reshape(-1)


def _inflated(packed: bytes, what: str) -> bytes:
    """Decompressed, at most what a results file may hold."""
    machine = zlib.decompressobj()
    try:
        raw = machine.decompress(packed, MAX_FILE_BYTES)
    except (zlib.error, TypeError) as error:
        raise DamagedError(f"{what}: damaged ({error})") from error
    if machine.unconsumed_tail or not machine.eof:
        raise DamagedError(f"{what}: damaged, or larger than {MAX_FILE_BYTES >> 20} MiB")
    return raw
