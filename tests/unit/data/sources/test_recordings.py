"""Recordings and the spoken digits: voices of the test are never those of training."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data import DataWarning, load
from edgecnn.data.files.wav import read_wav
from edgecnn.errors import InputError
from edgecnn.preprocessing import SpectrogramPreprocessing
from tests.unit.data.small_sources import write_recordings, write_spoken_digits, write_wav


def speakers_of(split):
    return {path.stem.split("_")[1] for path in split.samples.paths}


def test_speakers_are_held_out_whole(tmp_path):
    write_recordings(tmp_path)
    dataset = load(f"wav:{tmp_path}")
    train, validation, test = (speakers_of(split) for split in dataset.splits.values())

    assert len(train) == 2
    assert len(validation) == len(test) == 1
    assert len(train | validation | test) == 4
    assert dataset.labels == tuple("0123456789")


def test_the_first_takes_can_be_the_test(tmp_path):
    write_recordings(tmp_path)
    dataset = load(f"wav:{tmp_path}?split=takes")

    assert {int(path.stem.split("_")[2]) for path in dataset["test"].samples.paths} == set(range(5))
    assert len(speakers_of(dataset["test"])) == 4


def test_a_folder_per_class_is_split_at_random(tmp_path):
    for name in ("clap", "snap"):
        (tmp_path / name).mkdir()
        for index in range(10):
            values = np.full(100 + index, 1000 * index, "<i2")
            write_wav(tmp_path / name / f"{index}.wav", values.tobytes())

    dataset = load(f"wav:{tmp_path}")

    assert dataset.labels == ("clap", "snap")
    assert dataset.modality == "signal"
    assert dataset.sample_shape == (32, 40)
    with pytest.raises(InputError, match="can be split by random; received: 'speakers'"):
        load(f"wav:{tmp_path}?split=speakers")


@pytest.mark.parametrize(
    ("width", "content"),
    [
        (1, bytes([128, 255, 0])),
        (2, np.asarray([0, 32767, -32768], "<i2").tobytes()),
        (3, b"\0\0\0\xff\xff\x7f\0\0\x80"),
        (4, np.asarray([0, 2**31 - 1, -(2**31)], "<i4").tobytes()),
    ],
)
def test_every_width_becomes_minus_one_to_one(tmp_path, width, content):
    write_wav(tmp_path / "x.wav", content, width=width)
    values, rate = read_wav(tmp_path / "x.wav")

    np.testing.assert_allclose(values, [0, 1, -1], atol=0.01)
    assert (values.dtype, rate) == (np.float32, 8000)


def test_channels_are_averaged(tmp_path):
    values = np.asarray([[8192, 24576], [0, -16384]], "<i2")
    write_wav(tmp_path / "x.wav", values.tobytes(), channels=2)

    assert read_wav(tmp_path / "x.wav")[0].tolist() == [0.5, -0.25]


def test_broken_recordings_are_left_out_and_counted(tmp_path):
    write_recordings(tmp_path)
    (tmp_path / "3_ann_0.wav").write_bytes(b"RIFF")
    cut = (tmp_path / "4_ann_0.wav").read_bytes()[:-20]
    (tmp_path / "4_ann_0.wav").write_bytes(cut)
    write_wav(tmp_path / "5_ann_0.wav", b"")

    with pytest.warns(DataWarning, match=r"3 files left out: 3_ann_0\.wav"):
        dataset = load(f"wav:{tmp_path}")

    assert len(dataset.left_out) == 3
    assert "declares 200 frames, received: 190" in dataset.left_out[1].reason


def test_differing_sample_rates_are_refused(tmp_path):
    write_recordings(tmp_path)
    write_wav(tmp_path / "9_joe_6.wav", bytes(400), rate=16000)

    with pytest.raises(InputError, match=r"0_ann_0\.wav has 8000 Hz, 9_joe_6\.wav 16000 Hz"):
        load(f"wav:{tmp_path}")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no recordings"),
        ({"a/": None, "b/x.wav": b"RIFF"}, r"class folder .*a holds no recordings"),
        ({"a/x.wav": b"RIFF", "b/x.wav": b"RIFF"}, "2 recordings, none of them readable"),
        ({"x.wav": b"RIFF"}, "no class in the file name"),
    ],
)
def test_folders_that_cannot_serve_say_why(tmp_path, files, message):
    for name, content in files.items():
        path = tmp_path / name
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)

    with pytest.raises(InputError, match=message):
        load(f"wav:{tmp_path}")


def test_two_speakers_are_too_few_for_three_splits(tmp_path):
    write_recordings(tmp_path, speakers=("ann", "bob"))

    with pytest.raises(InputError, match=r"2 speaker\(s\) for 3 splits: "):
        load(f"wav:{tmp_path}")


def test_an_option_that_is_not_there_is_named(tmp_path):
    write_recordings(tmp_path)

    with pytest.raises(InputError, match="no option 'splits'") as caught:
        load(f"wav:{tmp_path}?splits=takes")
    assert caught.value.hint == "it has: split"


def test_sounds_are_heard_as_spectrograms_at_their_own_rate(tmp_path):
    for name in ("clap", "snap"):
        (tmp_path / name).mkdir()
        for index in range(5):
            values = np.random.default_rng(index).integers(-900, 900, 16_000).astype("<i2")
            write_wav(tmp_path / name / f"{index}.wav", values.tobytes(), rate=16_000)

    dataset = load(f"wav:{tmp_path}")

    assert dataset.sample_shape == (104, 40)
    assert dataset.preprocessing((104, 40)) == SpectrogramPreprocessing(104, 40, rate=16_000)


def test_spoken_digits_are_read_from_recordings_too(tmp_path):
    write_recordings(tmp_path)
    dataset = load("spoken-digits?split=takes", data_dir=tmp_path)

    assert len(dataset["test"]) == 10 * 4 * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": np.arange(281)[::-1].copy()}, "offsets"),
        ({"labels": np.full(280, 11, np.uint8)}, r"expected labels 0 to 9, received: 11"),
        ({"samples": np.zeros(10, np.float32)}, "samples float32"),
    ],
)
def test_spoken_digits_that_do_not_fit_say_why(tmp_path, change, message):
    write_spoken_digits(tmp_path)
    path = tmp_path / "fsdd.npz"
    with np.load(path) as arrays:
        np.savez(path, **(dict(arrays) | change))

    with pytest.raises(InputError, match=message):
        load(f"spoken-digits:{path}")


@pytest.mark.parametrize("split", ["speakers", "takes"])
def test_the_real_spoken_digits(shared_data, split):
    path = shared_data / "spoken_digits_1d" / "fsdd.npz"
    if not path.is_file():
        pytest.skip("no spoken digits beside the project (../shared/data/spoken_digits_1d)")
    dataset = load(f"spoken-digits:{path}?split={split}")
    tensor = dataset.preprocessing(dataset.sample_shape)(dataset["test"].samples[0])

    assert sum(len(part) for part in dataset.splits.values()) == 3000
    assert len(dataset["test"]) == {"speakers": 500, "takes": 300}[split]
    assert tensor.shape == dataset.sample_shape
    assert (tensor.min(), tensor.max()) == (0, 1)
