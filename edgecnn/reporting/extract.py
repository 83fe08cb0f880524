"""Raw data inside a report: results go in compressed, and come out again as they were.

The payload is base64 of a zlib or LZMA stream over: a magic line, a JSON document of all results
without their samples, and the samples of all runs as byte planes (samples minus the run's smallest,
least significant bytes first): noise ends up in few planes, and the others compress to nothing.
Measured on 20,000 real timings: 2.0 bytes a sample; gzip of the JSON file takes 2.7, which in
base64 is 0.2 MB more for the 220,000 samples of a page whose goal is 2 MB. The times of the stages
(`passes.stages.times_ns`) are samples, too: as JSON they were 6 of the 7.6 MB that 200 real rows
had here.
"""

from __future__ import annotations

import base64
import binascii
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.files import parse_json, read_file
from edgecnn.results import Block, Results, Run

MAX_PAGE_BYTES = 256 << 20
MAX_UNPACKED_BYTES = 128 << 20
MAX_SAMPLES = 16 << 20
"""A page of 10,000 rows holds 7 million; read back, a sample takes up to 48 bytes."""
_MAGIC = b"edgecnn raw 2\n"
_FIRST_MAGIC = b"edgecnn raw 1\n"
"""Of pages in which the times of stages are in the JSON document."""
_LARGEST = 1 << 62
_SMALL = 4 << 20
"""Below this LZMA is worth its time: 200 real rows take 395 KB and 0.15 s, zlib's 430 and 0.04."""
_FEWEST = 64
_FIELDS = ("warmup_ns", "samples_ns")
_ELEMENT = re.compile(
    rb'<script type="application/octet-stream" id="edgecnn-raw" data-codec="(zlib|lzma)">'
    rb"([A-Za-z0-9+/=\s]*)</script>"
)


@dataclass(frozen=True)
class Packed:
    """What goes into the page: `text` is base64 of a stream of `codec` ("zlib" or "lzma")."""

    text: str
    codec: str
    kept: int = 0
    measured: int = 0


def pack(results: Sequence[Results], most_samples: int | None = None) -> Packed:
    """Compress results with every raw sample, or with at most about `most_samples` of them.

    Where there are more, each process keeps as many as fit, at even ranks: percentiles stay
    what they were to within a rank, order in time is kept, warm-ups go first. Times of stages get
    a fifth of the room in the same way. What is left out is written into the protocol of the
    embedded results (`samples_embedded`).
    """
    runs = list(_runs(results))
    documents = [_plain(result) for result in results]
    stages = [_own_stage_times(holder) for holder in _holders(documents)]
    staged = [len(times) for lists in stages for times in lists.values() if _is_whole(times)]
    measured = sum(len(run.samples_ns) for run in runs)
    warmups = sum(len(run.warmup_ns) for run in runs)
    room = most_samples or 0
    thin = most_samples is not None and measured + warmups + sum(staged) > most_samples
    for_stages = min(sum(staged), room // 5)
    most = {"samples_ns": _fair_share([len(run.samples_ns) for run in runs], room - for_stages)}
    most_of_stage = _fair_share(staged, for_stages)
    arrays: list[npt.NDArray[np.uint64]] = []
    kept = 0
    for holder, run, lists in zip(_holders(documents), runs, stages, strict=True):
        for name in _FIELDS:
            samples = run.all_ns if name == "samples_ns" else np.asarray(run.warmup_ns, np.int64)
            if thin:
                chosen = _at_even_ranks(samples, most.get(name, 0))
                samples = samples[chosen]
                if name == "samples_ns":
                    holder["blocks"] = _thinned(run.blocks, chosen)
            holder[name] = _moved(samples, arrays)
            kept += samples.size if name == "samples_ns" else 0
        for stage, times in lists.items():
            if _is_whole(times):
                samples = np.asarray(times, np.int64)
                if thin:
                    samples = samples[_at_even_ranks(samples, most_of_stage)]
                lists[stage] = dict(zip(("size", "base"), _moved(samples, arrays), strict=True))
    if thin:
        for document in documents:
            note = {"samples_embedded": f"{kept} of {measured}"}
            document["protocol"] = {**document["protocol"], **note}
    plain = _joined(documents, arrays)
    small = len(plain) <= _SMALL
    stream = lzma.compress(plain, preset=1) if small else zlib.compress(plain, 6)
    text = base64.b64encode(stream).decode()
    return Packed(text, "lzma" if small else "zlib", kept, measured)


def _own_stage_times(holder: dict[str, Any]) -> dict[str, Any]:
    """The times of each stage in a run's document, in copies that may be changed."""
    stages = holder.get("passes", {}).get("stages")
    if not isinstance(stages, Mapping) or not isinstance(stages.get("times_ns"), Mapping):
        return {}
    times = dict(stages["times_ns"])
    holder["passes"] = {**holder["passes"], "stages": {**stages, "times_ns": times}}
    return times


def _is_whole(times: Any) -> bool:
    """Whether they can be moved out of the JSON document without a change."""
    return (
        isinstance(times, list)
        and {int}.issuperset(map(type, times))
        and (not times or (min(times) > -_LARGEST and max(times) < _LARGEST))
    )


def _moved(samples: npt.NDArray[np.int64], arrays: list[npt.NDArray[np.uint64]]) -> list[int]:
    """[how many, the smallest]; what they are above it goes to `arrays`."""
    base = int(samples.min()) if samples.size else 0
    arrays.append((samples - base).astype(np.uint64))
    return [int(samples.size), base]


def _joined(documents: Sequence[Any], arrays: Sequence[npt.NDArray[np.uint64]]) -> bytes:
    pooled = np.concatenate(arrays) if arrays else np.empty(0, np.uint64)
    width = max(1, (int(pooled.max()).bit_length() + 7) // 8) if pooled.size else 1
    planes = pooled.astype("<u8").view(np.uint8).reshape(-1, 8).T[:width]
    header = json.dumps({"width": width, "results": documents}, separators=(",", ":")).encode()
    return b"".join((_MAGIC, len(header).to_bytes(8, "little"), header, planes.tobytes()))


def unpack(packed: Packed) -> list[Results]:
    """The results that `pack` was given. Raises InputError when the payload is not ours."""
    try:
        stream = base64.b64decode(packed.text, validate=False)
        plain = _decompress(stream, packed.codec)
        document, planes = _split(plain)
        return [Results.from_dict(values) for values in _with_samples(document, planes)]
    except (
        binascii.Error,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise InputError(
            f"the embedded raw data is damaged ({type(error).__name__}: {error})",
            hint="take the results.json that the report was made from",
        ) from error


def read_embedded(path: Path) -> list[Results]:
    """The results inside a report.html. Raises InputError when there are none to read."""
    path = Path(path)
    blocks = _ELEMENT.findall(read_file(path, limit=MAX_PAGE_BYTES))
    if len(blocks) != 1:
        raise InputError(
            f"{path}: no edgecnn raw data in this page"
            if not blocks
            else f"{path}: {len(blocks)} blocks of raw data, expected one",
            hint="only report.html files written by edgecnn carry their results, "
            "and a page that was saved again from a browser may have lost them",
        )
    codec, text = blocks[0]
    try:
        return unpack(Packed(text.decode("ascii"), codec.decode("ascii")))
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error


def read_any(path: Path) -> list[Results]:
    """The results in a results file, or in a page that carries them. Raises InputError."""
    return read_embedded(path) if path.suffix.lower() == ".html" else [Results.load(path)]


def _runs(results: Sequence[Results]) -> Iterator[Run]:
    for result in results:
        for measurement in result.measurements:
            yield from measurement.runs


def _fair_share(sizes: Sequence[int], most: int) -> int:
    """The largest number a process may keep so that all together keep at most `most`."""
    remaining = most
    for index, size in enumerate(sorted(sizes)):
        share = remaining // (len(sizes) - index)
        if size > share:
            return max(_FEWEST, share)
        remaining -= size
    return max(sizes, default=0)


def _at_even_ranks(samples: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.intp]:
    """Where at most `most` of `samples` lie, at ranks spread evenly from smallest to largest."""
    if samples.size <= most:
        return np.arange(samples.size)
    if most < 2:
        return np.empty(0, np.intp)
    ranks = np.linspace(0, samples.size - 1, most).round().astype(np.intp)
    return np.sort(np.argsort(samples)[ranks])


def _thinned(blocks: Sequence[Block], chosen: npt.NDArray[np.intp]) -> list[dict[str, Any]]:
    """The blocks over the samples at `chosen` (sorted indices) alone."""
    kept = []
    for block in blocks:
        first, last = np.searchsorted(chosen, [block.first, block.first + block.count])
        kept.append({**vars(block), "first": int(first), "count": int(last - first)})
    return kept


def _plain(value: Any) -> Any:
    """A dataclass of results as what `from_dict` reads: nothing derived, samples left out.

    `dataclasses.asdict` copies every value on its way and took a quarter of a large build.
    """
    if isinstance(value, tuple) and value and _stored_names(type(value[0])) is not None:
        return [_plain(item) for item in value]
    names = _stored_names(type(value))
    if names is None:
        return value
    return {name: _plain(getattr(value, name)) for name in names}


_NAMES: dict[type, tuple[str, ...] | None] = {}


def _stored_names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass without the samples; None for another type."""
    if kind not in _NAMES:
        names = [field.name for field in fields(kind)] if is_dataclass(kind) else None
        _NAMES[kind] = (
            None if names is None else tuple(name for name in names if name not in _FIELDS)
        )
    return _NAMES[kind]


def _holders(documents: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The runs of all documents, in the order of `_runs`."""
    for document in documents:
        for row in document["measurements"]:
            yield from row["runs"]


def _places(documents: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Where the samples of all documents belong, in the order in which they were moved."""
    for holder in _holders(documents):
        yield from ((holder, name) for name in _FIELDS)
        stages = _own_stage_times(holder)
        yield from ((stages, name) for name, moved in stages.items() if isinstance(moved, dict))


def _decompress(stream: bytes, codec: str) -> bytes:
    """Decompress at most MAX_UNPACKED_BYTES: a small page may not fill the memory."""
    if codec == "zlib":
        inflater = zlib.decompressobj()
        plain = inflater.decompress(stream, MAX_UNPACKED_BYTES)
        finished = inflater.eof
    else:
        reader = lzma.LZMADecompressor(memlimit=256 << 20)
        plain = reader.decompress(stream, MAX_UNPACKED_BYTES)
        finished = reader.eof
    if not finished:
        raise ValueError(f"incomplete, or more than {MAX_UNPACKED_BYTES >> 20} MiB when unpacked")
    return plain


def _split(plain: bytes) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    if not plain.startswith((_MAGIC, _FIRST_MAGIC)):
        raise ValueError(f"expected {_MAGIC!r}, received {plain[: len(_MAGIC)]!r}")
    start = len(_MAGIC) + 8
    end = start + int.from_bytes(plain[len(_MAGIC) : start], "little")
    document = parse_json(plain[start:end].decode("utf-8"), "the embedded raw data")
    width = document["width"]
    if not isinstance(width, int) or not 1 <= width <= 8:
        raise ValueError(f"expected a width of 1 to 8 bytes, received {width!r}")
    body = np.frombuffer(plain, np.uint8, offset=end) if end < len(plain) else np.empty(0, np.uint8)
    return document, body.reshape(width, -1)


def _with_samples(document: dict[str, Any], planes: npt.NDArray[np.uint8]) -> list[dict[str, Any]]:
    count = planes.shape[1]
    if count > MAX_SAMPLES:
        raise ValueError(f"{count:,} samples, expected at most {MAX_SAMPLES:,}")
    wide = np.zeros((count, 8), np.uint8)
    wide[:, : planes.shape[0]] = planes.T
    offsets = wide.view("<i8").reshape(-1)
    start = 0
    for places, name in _places(document["results"]):
        size, base = places[name].values() if isinstance(places[name], dict) else places[name]
        if not 0 <= size <= count - start:
            raise ValueError(f"expected {size} samples, received {count - start}")
        places[name] = (offsets[start : start + size] + base).tolist()
        start += size
    results: list[dict[str, Any]] = document["results"]
    return results
