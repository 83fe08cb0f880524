"""FLAC and Ogg files: the same samples as in a WAV file, and one line for what cannot be read."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgecnn.data import DataWarning, load
from edgecnn.data.files import compressed_audio
from edgecnn.data.files.recordings import read_recording
from edgecnn.data.files.wav import UnreadableRecordingError
from edgecnn.errors import InputError, MissingDependencyError
from tests.unit.data.small_sources import write_wav

soundfile = pytest.importorskip("soundfile", reason="pip install 'edgecnn[audio]'")

RATE = 8_000
TONE = (0.5 * np.sin(np.arange(1_000) / 10)).astype(np.float32)
KINDS = {
    "x.flac": ("FLAC", "PCM_16", 1e-4),
    "x.ogg": ("OGG", "VORBIS", 0.1),
    "x.opus": ("OGG", "OPUS", 0.2),
}


def write(path: Path, values: np.ndarray = TONE, rate: int = RATE) -> Path:
    kind, subtype, _ = KINDS[f"x{path.suffix}"]
    soundfile.write(path, values, rate, format=kind, subtype=subtype)
    return path


@pytest.mark.parametrize("name", KINDS)
def test_what_was_written_is_read_with_channels_averaged(tmp_path, name):
    silence = np.zeros_like(TONE)
    values, rate = read_recording(write(tmp_path / name, np.stack([TONE, silence], axis=1)))
    assert (rate, values.dtype, values.ndim) == (RATE, np.float32, 1)
    assert np.abs(values[: len(TONE)] - TONE / 2).max() < KINDS[name][2]


def test_a_flac_file_holds_the_samples_of_the_wav_file(tmp_path):
    levels = (TONE * 32767).astype("<i2")
    write_wav(tmp_path / "x.wav", levels.tobytes())
    soundfile.write(tmp_path / "x.flac", levels, RATE, subtype="PCM_16")
    ours, flac = (read_recording(tmp_path / name)[0] for name in ("x.wav", "x.flac"))
    np.testing.assert_array_equal(ours, flac)


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_cut_short_is_refused_wherever_it_is_cut(tmp_path, name):
    path = write(tmp_path / name)
    content = path.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 20)):
        path.write_bytes(content[:length])
        with pytest.raises(UnreadableRecordingError) as refused:
            read_recording(path)
        assert "\n" not in refused.value.message


@pytest.mark.parametrize("name", KINDS)
def test_changed_bytes_are_refused_in_one_line_or_decoded(tmp_path, name):
    path = write(tmp_path / name)
    content = path.read_bytes()
    draw = np.random.default_rng(0)
    refused = []
    for _ in range(40):
        changed = bytearray(content)
        for place in draw.integers(0, len(content), 3):
            changed[place] = int(draw.integers(256))
        path.write_bytes(changed)
        try:
            values, _ = read_recording(path)
        except UnreadableRecordingError as error:
            refused.append(error.message)
        else:
            assert np.isfinite(values).all()
    assert len(refused) > 30
    assert not any("\n" in message for message in refused)


def test_a_small_file_of_hours_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compressed_audio, "MOST_VALUES", 50_000)
    path = write(tmp_path / "x.flac", np.zeros(60_000, np.float32))
    assert path.stat().st_size < 2_000
    with pytest.raises(UnreadableRecordingError, match="longer than 50,000 frames"):
        read_recording(path)


def test_another_format_under_the_name_is_refused(tmp_path):
    soundfile.write(tmp_path / "x.aiff", TONE, RATE, format="AIFF")
    path = (tmp_path / "x.aiff").rename(tmp_path / "x.flac")
    with pytest.raises(UnreadableRecordingError, match="neither a FLAC nor an Ogg file"):
        read_recording(path)


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_folders_of_recordings_may_be_compressed(tmp_path, suffix):
    for name in ("clap", "snap"):
        (tmp_path / name).mkdir()
        for index in range(5):
            write(tmp_path / name / f"{index}{suffix}", TONE * (index + 1) / 10)
    (tmp_path / "snap" / f"9{suffix}").write_bytes(b"OggS")
    with pytest.warns(DataWarning, match="1 file left out: snap/9"):
        dataset = load(f"wav:{tmp_path}")
    assert dataset.labels == ("clap", "snap")
    assert sum(len(split) for split in dataset.splits.values()) == 10
    assert dataset["train"].samples[0].dtype == np.float32


def test_spoken_digits_may_be_flac_files(tmp_path):
    for digit in range(10):
        for speaker in ("ann", "bob", "eve"):
            write(tmp_path / f"{digit}_{speaker}_0.flac", TONE * (digit + 1) / 10)
    dataset = load(f"spoken-digits:{tmp_path}")
    assert dataset.labels == tuple("0123456789")
    assert {len(split) for split in dataset.splits.values()} == {10}


def test_without_soundfile_the_extra_is_named_and_wav_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "x.flac")
    write_wav(tmp_path / "x.wav", b"\0\0\1\0")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingDependencyError) as missing:
        read_recording(path)
    assert "edgecnn[audio]" in missing.value.hint
    assert len(read_recording(tmp_path / "x.wav")[0]) == 2


def test_a_file_that_changed_after_loading_is_named(tmp_path):
    for name in ("clap", "snap"):
        (tmp_path / name).mkdir()
        for index in range(5):
            write(tmp_path / name / f"{index}.flac", TONE * (index + 1) / 10)
    samples = load(f"wav:{tmp_path}")["test"].samples
    samples.paths[0].write_bytes(b"fLaC")
    with pytest.raises(InputError, match=samples.paths[0].name):
        samples[0]
