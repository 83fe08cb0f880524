"""Recordings (WAV, FLAC, Ogg): one sub-folder per class, or files named `class_speaker_take.wav`.

FLAC and Ogg need `edgecnn[audio]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data.assemble import assemble, take
from edgecnn.data.base import Dataset, Split
from edgecnn.data.content import sample_digest
from edgecnn.data.files.places import required_place
from edgecnn.data.files.recordings import RecordingFiles, is_recording, read_recording
from edgecnn.data.files.tree import is_system, sub_folders
from edgecnn.data.files.wav import UnreadableRecordingError
from edgecnn.data.left_out import LeftOut
from edgecnn.data.splits import FRACTIONS, Indices, whole_groups_split
from edgecnn.errors import InputError
from edgecnn.preprocessing import SpectrogramPreprocessing
from edgecnn.progress import Progress

SPLITS_BY = ("random", "speakers", "takes")
TEST_TAKES = 5
"""With split="takes" the takes 0 to 4 are the test split."""
USUAL_SHARE = 95
"""A spectrogram is as long as this percentage of the recordings is at most."""
PROGRESS_EVERY = 1000
_FRAMES_STEP, _FEWEST_FRAMES = 8, 32
_NAME = re.compile(r"(?P<label>[^_]+)_(?P<speaker>.+)_(?P<take>\d+)$")
_EXPECTED = (
    "one sub-folder of recordings (.wav, .flac, .ogg) per class, or files named "
    "class_speaker_take.wav"
)


@dataclass(frozen=True)
class _Recording:
    path: Path
    label: str
    speaker: str = ""
    take: int = 0


def load(
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    split: str = "",
    progress: Progress | None = None,
) -> Dataset:
    """Read a folder of recordings. Each is read once to find the broken ones and to hash the
    content; after that it is read when it is asked for. The broken are left out with one
    DataWarning.

    `split` is "random" (the shares of each class by `seed`; all that sub-folders allow),
    "speakers" (whole speakers are held out: the choice where names contain the speaker) or "takes"
    (takes 0 to 4 are the test).

    Raises InputError for fewer than two classes, a class without readable recordings, and
    recordings of differing sample rates: resample them first, for edgecnn does not.
    MissingDependencyError where FLAC or Ogg files need soundfile.
    """
    place = required_place(data_dir, "wav", _EXPECTED)
    recordings, named = _find(place)
    split = split or ("speakers" if named else "random")
    if split not in SPLITS_BY or (split != "random" and not named):
        allowed = SPLITS_BY if named else ("random",)
        raise InputError(
            f"{place} can be split by {', '.join(allowed)}; received: {split!r}",
            hint="" if named else "names with a speaker are class_speaker_take.wav",
        )
    left_out: list[LeftOut] = []
    readable, digests, lengths, rate = _readable(recordings, place, left_out, progress)
    class_names = tuple(sorted({entry.label for entry in readable}))
    missing = sorted({entry.label for entry in recordings} - set(class_names))
    if missing or len(class_names) < 2:
        state = f"no readable recording of {missing[0]!r}" if missing else "fewer than two classes"
        raise InputError(f"{place}: {state}", hint=f"expected {_EXPECTED}")
    labels = np.asarray([class_names.index(entry.label) for entry in readable], np.int64)
    files = RecordingFiles(tuple(entry.path for entry in readable))
    parts = _parts(readable, split, seed)
    return assemble(
        place.resolve().name,
        {name: Split(take(files, chosen), labels[chosen]) for name, chosen in parts.items()},
        class_names,
        modality="signal",
        sample_shape=usual_shape(lengths, rate),
        source=f"a folder of recordings, {rate} Hz",
        seed=seed,
        hints={"kind": "spectrogram", "rate": rate},
        digests={name: [digests[index] for index in chosen] for name, chosen in parts.items()},
        left_out=left_out,
    )


def usual_shape(lengths: Sequence[int], rate: int) -> tuple[int, int]:
    """(frames, bands) of a spectrogram into which 95 of 100 recordings of so many samples fit,
    frames rounded up to a multiple of 8, and at least 32.
    """
    seconds = float(np.percentile(lengths, USUAL_SHARE)) / rate
    steps = int(np.ceil(seconds / SpectrogramPreprocessing.hop / _FRAMES_STEP))
    return max(steps * _FRAMES_STEP, _FEWEST_FRAMES), SpectrogramPreprocessing.bands


def _find(place: Path) -> tuple[list[_Recording], bool]:
    """All recordings, and whether their names contain class, speaker and take."""
    if not place.is_dir():
        raise InputError(f"no such folder: {place}", hint=f"expected {_EXPECTED}")
    flat = [(path, _NAME.match(path.stem)) for path in _recordings(place)]
    if flat:
        wrong = next((path for path, match in flat if match is None), None)
        if wrong is not None:
            raise InputError(f"{wrong}: no class in the file name", hint=f"expected {_EXPECTED}")
        return [
            _Recording(path, match["label"], match["speaker"], int(match["take"]))
            for path, match in flat
            if match is not None
        ], True
    entries = []
    for folder in sub_folders(place):
        recordings = _recordings(folder)
        if not recordings:
            raise InputError(f"class folder {folder} holds no recordings", hint="fill or remove it")
        entries += [_Recording(path, folder.name) for path in recordings]
    if not entries:
        raise InputError(f"{place} holds no recordings", hint=f"expected {_EXPECTED}")
    return entries, False


def _recordings(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if is_recording(path) and not is_system(path.name)
    )


def _readable(
    recordings: Sequence[_Recording],
    place: Path,
    left_out: list[LeftOut],
    progress: Progress | None,
) -> tuple[list[_Recording], list[bytes], list[int], int]:
    """What can be read, with digests, lengths and the sample rate that all share."""
    readable, digests, lengths = [], [], []
    rates: dict[int, Path] = {}
    for number, entry in enumerate(recordings, start=1):
        if progress and number % PROGRESS_EVERY == 0:
            progress("read", number, len(recordings))
        try:
            recording, rate = read_recording(entry.path)
        except UnreadableRecordingError as error:
            left_out.append(LeftOut(str(entry.path.relative_to(place)), error.message))
            continue
        rates.setdefault(rate, entry.path)
        if len(rates) > 1:
            (first, one), (second, other) = rates.items()
            raise InputError(
                f"{one.name} has {first} Hz, {other.name} {second} Hz",
                hint="bring all recordings to one sample rate first (sox, ffmpeg -ar)",
            )
        readable.append(entry)
        digests.append(sample_digest(recording))
        lengths.append(len(recording))
    if not readable:
        raise InputError(f"{place}: {len(recordings)} recordings, none of them readable")
    return readable, digests, lengths, next(iter(rates))


def _parts(entries: Sequence[_Recording], split: str, seed: int) -> dict[str, Indices]:
    if split == "speakers":
        return whole_groups_split([entry.speaker for entry in entries], FRACTIONS, seed=seed)
    if split == "takes":
        is_test = np.asarray([entry.take < TEST_TAKES for entry in entries])
        return {"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)}
    return {"train": np.arange(len(entries))}
