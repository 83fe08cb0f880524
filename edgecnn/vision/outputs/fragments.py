"""MP4 in fragments (ISO/IEC 14496-12 §8.8): a video that can be played however it was cut short.

An ordinary MP4 has its index at the end; without it the file is nothing. Here the header comes
first and says nothing of frames, and every second follows as a fragment that carries its own
index: whatever lies on the disk is playable up to the last whole fragment.

OpenCV writes ordinary MP4 files only (its FFmpeg options reach the codec, not the container:
measured with opencv-python 5.0), so it encodes a second at a time into a small file, and this
module takes the frames out of that file and appends them. PyAV would write fragments by itself, but
it brings an FFmpeg of its own next to OpenCV's: 103 MB (av 18.1) for what is 160 lines here, as
much as a whole bundle with LiteRT takes on a Pi.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TIMESCALE = 90_000
"""Ticks a second of everything written here."""
_SYNC, _NOT_SYNC = 0x02000000, 0x01010000
_IDENTITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@dataclass(frozen=True)
class Encoded:
    """Frames of one finished MP4 file. `description` is its sample description box (stsd)."""

    description: bytes
    frames: tuple[bytes, ...]
    keyframes: frozenset[int]


def read_encoded(data: bytes) -> Encoded:
    """Take the frames of the only track out of an MP4 file.

    Raises ValueError where it is not such a file.
    """
    table = _path(data, b"moov", b"trak", b"mdia", b"minf", b"stbl")
    stsd = _child(table, b"stsd")
    sizes = _sizes(_child(table, b"stsz"))
    offsets = _offsets(table)
    per_chunk = _per_chunk(_child(table, b"stsc"), len(offsets))
    frames: list[bytes] = []
    for offset, count in zip(offsets, per_chunk, strict=True):
        at = offset
        for size in sizes[len(frames) : len(frames) + count]:
            if at + size > len(data):
                raise ValueError("a frame lies outside of the file")
            frames.append(data[at : at + size])
            at += size
    sync = _optional(table, b"stss")
    keys = range(len(frames)) if sync is None else (n - 1 for n in _numbers(sync))
    return Encoded(_box(b"stsd", stsd), tuple(frames), frozenset(keys))


def header(description: bytes, width: int, height: int) -> bytes:
    """What the file begins with: ftyp and a moov that announces fragments."""
    mvhd = _full(
        b"mvhd", 0, struct.pack(">4I", 0, 0, TIMESCALE, 0), struct.pack(">IHH2I", 0x10000, 0x100,
        0, 0, 0), _IDENTITY, bytes(24), struct.pack(">I", 2),
    )  # fmt: skip
    tkhd = _full(
        b"tkhd", 3, struct.pack(">5I", 0, 0, 1, 0, 0), bytes(8), struct.pack(">4H", 0, 0, 0, 0),
        _IDENTITY, struct.pack(">2I", width << 16, height << 16),
    )  # fmt: skip
    mdhd = _full(b"mdhd", 0, struct.pack(">4I2H", 0, 0, TIMESCALE, 0, 0x55C4, 0))
    hdlr = _full(b"hdlr", 0, bytes(4), b"vide", bytes(12), b"edgecnn\0")
    dref = _full(b"dref", 0, struct.pack(">I", 1), _full(b"url ", 1))
    table = _box(
        b"stbl", description, _full(b"stts", 0, bytes(4)), _full(b"stsc", 0, bytes(4)),
        _full(b"stsz", 0, bytes(8)), _full(b"stco", 0, bytes(4)),
    )  # fmt: skip
    minf = _box(b"minf", _full(b"vmhd", 1, bytes(8)), _box(b"dinf", dref), table)
    trak = _box(b"trak", tkhd, _box(b"mdia", mdhd, hdlr, minf))
    trex = _full(b"trex", 0, struct.pack(">5I", 1, 1, 0, 0, 0))
    moov = _box(b"moov", mvhd, trak, _box(b"mvex", trex))
    return _box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso5iso6mp41") + moov


def fragment(sequence: int, starts_at: int, encoded: Encoded, durations: Sequence[int]) -> bytes:
    """moof and mdat with the frames of `encoded`, the first at `starts_at` ticks."""
    rows = b"".join(
        struct.pack(">3I", duration, len(frame), _SYNC if i in encoded.keyframes else _NOT_SYNC)
        for i, (frame, duration) in enumerate(zip(encoded.frames, durations, strict=True))
    )
    # The offset of the frames counts from the moof, whose size does not depend on the offset.
    size = len(_moof(sequence, starts_at, len(durations), rows, 0))
    moof = _moof(sequence, starts_at, len(durations), rows, size + 8)
    return moof + _box(b"mdat", *encoded.frames)


def _moof(sequence: int, starts_at: int, count: int, rows: bytes, data_offset: int) -> bytes:
    mfhd = _full(b"mfhd", 0, struct.pack(">I", sequence))
    tfhd = _full(b"tfhd", 0x020000, struct.pack(">I", 1))  # default-base-is-moof
    tfdt = _full(b"tfdt", 0, struct.pack(">Q", starts_at), version=1)
    # data offset, and duration, size and flags for each sample
    trun = _full(b"trun", 0x000701, struct.pack(">Ii", count, data_offset), rows)
    return _box(b"moof", mfhd, _box(b"traf", tfhd, tfdt, trun))


def _box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I", 8 + sum(map(len, content))) + kind + b"".join(content)


def _full(kind: bytes, flags: int, *content: bytes, version: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *content)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, head = data[at + 4 : at + 8], 8
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        if size < head or at + size > len(data):
            raise ValueError(f"box {kind!r} of {size} bytes does not fit")
        yield kind, data[at + head : at + size]
        at += size


def _optional(data: bytes, wanted: bytes) -> bytes | None:
    return next((content for kind, content in _boxes(data) if kind == wanted), None)


def _child(data: bytes, wanted: bytes) -> bytes:
    content = _optional(data, wanted)
    if content is None:
        raise ValueError(f"no {wanted.decode()} box")
    return content


def _path(data: bytes, *kinds: bytes) -> bytes:
    for kind in kinds:
        data = _child(data, kind)
    return data


def _numbers(full: bytes) -> tuple[int, ...]:
    (count,) = struct.unpack_from(">I", full, 4)
    return struct.unpack_from(f">{count}I", full, 8)


def _sizes(stsz: bytes) -> tuple[int, ...]:
    same, count = struct.unpack_from(">2I", stsz, 4)
    return (same,) * count if same else struct.unpack_from(f">{count}I", stsz, 12)


def _offsets(table: bytes) -> tuple[int, ...]:
    long = _optional(table, b"co64")
    if long is None:
        return _numbers(_child(table, b"stco"))
    (count,) = struct.unpack_from(">I", long, 4)
    return struct.unpack_from(f">{count}Q", long, 8)


def _per_chunk(stsc: bytes, chunks: int) -> list[int]:
    """Frames in each chunk: the table holds runs (first chunk, frames a chunk, description)."""
    (count,) = struct.unpack_from(">I", stsc, 4)
    runs = [struct.unpack_from(">3I", stsc, 8 + 12 * i) for i in range(count)]
    ends = [run[0] for run in runs[1:]] + [chunks + 1]
    return [run[1] for run, end in zip(runs, ends, strict=True) for _ in range(end - run[0])]
