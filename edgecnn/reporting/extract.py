"""Raw data inside a report: results go in compressed, and come out again as they were.

The payload is base64 of a zlib or LZMA stream over: a magic line, a JSON document of all
results without their samples, and the samples of all runs as byte planes (samples minus the
run's smallest, least significant bytes first): noise ends up in few planes, and the others
compress to nothing. Measured on 20,000 real timings: 2.0 bytes a sample, JSON text 2.7.
"""

from __future__ import annotations

import base64
import binascii
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.results import Results

ELEMENT_ID = "edgecnn-raw"
MAX_PAGE_BYTES = 256 << 20
MAX_UNPACKED_BYTES = 1 << 30
_MAGIC = b"edgecnn raw 1\n"
_SMALL = 4 << 20
"""Below this LZMA is worth its time (it packs 10–20% better and 10 times slower)."""
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


def pack(results: Sequence[Results]) -> Packed:
    """Compress results, every raw sample included."""
    documents = [_without_derived(result.to_dict()) for result in results]
    arrays = []
    for holder, name in _sample_fields(documents):
        samples = np.asarray(holder[name], np.int64)
        base = int(samples.min()) if samples.size else 0
        holder[name] = [int(samples.size), base]
        arrays.append((samples - base).astype(np.uint64))
    pooled = np.concatenate(arrays) if arrays else np.empty(0, np.uint64)
    width = max(1, (int(pooled.max()).bit_length() + 7) // 8) if pooled.size else 1
    planes = pooled.astype("<u8").view(np.uint8).reshape(-1, 8).T[:width]
    header = json.dumps({"width": width, "results": documents}, separators=(",", ":")).encode()
    plain = b"".join((_MAGIC, len(header).to_bytes(8, "little"), header, planes.tobytes()))
    if len(plain) <= _SMALL:
        return Packed(base64.b64encode(lzma.compress(plain)).decode(), "lzma")
    return Packed(base64.b64encode(zlib.compress(plain, 6)).decode(), "zlib")


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
    try:
        if path.stat().st_size > MAX_PAGE_BYTES:
            raise InputError(f"{path}: larger than {MAX_PAGE_BYTES >> 20} MiB")
        page = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    found = _ELEMENT.findall(page)
    if len(found) != 1:
        raise InputError(
            f"{path}: no edgecnn raw data in this page"
            if not found
            else f"{path}: {len(found)} blocks of raw data, expected one",
            hint="only report.html files written by edgecnn carry their results, "
            "and a page that was saved again from a browser may have lost them",
        )
    codec, text = found[0]
    try:
        return unpack(Packed(text.decode("ascii"), codec.decode("ascii")))
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error


def _without_derived(values: dict[str, Any]) -> dict[str, Any]:
    """What `Results.from_dict` reads; what it derives again is left out."""
    derived = (
        *("effective", "load_ms", "first_inference_ms", "latency_ms"),
        *("throughput_per_s", "samples", "memory"),
    )
    for row in values["measurements"]:
        for name in derived:
            row.pop(name, None)
    return values


def _sample_fields(documents: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    for document in documents:
        for row in document["measurements"]:
            for run in row["runs"]:
                for name in _FIELDS:
                    yield run, name


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
    if not plain.startswith(_MAGIC):
        raise ValueError(f"expected {_MAGIC!r}, received {plain[: len(_MAGIC)]!r}")
    start = len(_MAGIC) + 8
    end = start + int.from_bytes(plain[len(_MAGIC) : start], "little")
    document = json.loads(plain[start:end])
    width = document["width"]
    if not isinstance(width, int) or not 1 <= width <= 8:
        raise ValueError(f"expected a width of 1 to 8 bytes, received {width!r}")
    body = np.frombuffer(plain, np.uint8, offset=end) if end < len(plain) else np.empty(0, np.uint8)
    return document, body.reshape(width, -1)


def _with_samples(document: dict[str, Any], planes: npt.NDArray[np.uint8]) -> list[dict[str, Any]]:
    count = planes.shape[1]
    wide = np.zeros((count, 8), np.uint8)
    wide[:, : planes.shape[0]] = planes.T
    offsets = wide.view("<i8").reshape(-1)
    start = 0
    for holder, name in _sample_fields(document["results"]):
        size, base = holder[name]
        if start + size > count:
            raise ValueError(f"expected {start + size} samples, received {count}")
        holder[name] = (offsets[start : start + size] + base).tolist()
        start += size
    results: list[dict[str, Any]] = document["results"]
    return results
