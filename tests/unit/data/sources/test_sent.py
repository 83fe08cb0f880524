"""A data set that was sent is the one that was written, for all that a measurement asks of it."""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import edgecnn.data
from edgecnn.data.sources import sent
from edgecnn.errors import InputError
from tests.unit.data.small_sources import WRITERS

KINDS = ("folder", "arrays", "text", "coco", "pairs", "npz")


def write_coco(folder):
    images, boxes = [], []
    for number in range(4):
        pixels = np.full((20 + number, 30, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 30,
                       "height": 20 + number})  # fmt: skip
        boxes.append({"id": number, "image_id": number, "category_id": 1 + number % 2,
                      "bbox": [2, 3, 10, 8], "iscrowd": 0, "area": 80})  # fmt: skip
    names = [{"id": 1, "name": "stop sign"}, {"id": 2, "name": "car"}]
    document = {"images": images, "annotations": boxes, "categories": names}
    (folder / "instances.json").write_text(json.dumps(document))


def write_pairs(folder):
    lines = [f"the word {number}\tle mot {number}" for number in range(60)]
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n")


def write_named(folder):
    rng = np.random.default_rng(0)
    np.savez(folder / "set.npz", left=rng.random((6, 4), np.float32),
             right=rng.integers(0, 9, (6, 2, 3)), y=np.arange(6) % 3)  # fmt: skip


def loaded(kind, folder):
    {**WRITERS, "coco": write_coco, "pairs": write_pairs, "npz": write_named}[kind](folder)
    place = folder / "set.npz" if kind == "npz" else folder
    return edgecnn.data.load(kind, data_dir=place, seed=3)


@pytest.fixture(params=KINDS)
def dataset(request, tmp_path):
    (tmp_path / "data").mkdir()
    return loaded(request.param, tmp_path / "data")


def come_home(dataset, tmp_path):
    path = tmp_path / "sent.zip"
    sent.write(dataset, path)
    return edgecnn.data.load(f"sent:{path}", seed=99)


def arrays_of(sample):
    """Whatever a sample is, in a form that can be compared."""
    parts = sample if isinstance(sample, dict) else {"": np.asarray(sample)}
    return {name: (part.dtype, part.shape, part.tobytes()) for name, part in parts.items()}


def test_it_says_of_itself_what_the_original_says(dataset, tmp_path):
    found = come_home(dataset, tmp_path)
    assert type(found) is type(dataset)
    assert found.record() == dataset.record()
    assert (found.labels, found.task, found.modality) == (
        dataset.labels,
        dataset.task,
        dataset.modality,
    )
    assert found.preprocessing_hints == dataset.preprocessing_hints
    assert found.are_tensors == dataset.are_tensors


def test_the_split_that_is_measured_has_the_same_samples_and_answers(dataset, tmp_path):
    found = come_home(dataset, tmp_path)
    one, other = dataset["test"], found["test"]
    assert len(one) == len(other.samples) > 0
    for index in (0, len(one) - 1):
        assert arrays_of(one.samples[index]) == arrays_of(other.samples[index])
    assert np.array_equal(one.labels, other.labels)
    if dataset.task == "detection":
        for before, after in zip(one.ground_truth, other.ground_truth, strict=True):
            for name in ("boxes", "ignored", "class_ids", "ignored_ids"):
                assert np.array_equal(getattr(before, name), getattr(after, name))
            assert (before.height, before.width) == (after.height, after.width)
    else:
        assert list(one.ground_truth) == list(other.ground_truth)


def test_what_stays_at_home_says_so(tmp_path):
    (tmp_path / "data").mkdir()
    found = come_home(loaded("arrays", tmp_path / "data"), tmp_path)
    assert len(found["train"]) > 0
    with pytest.raises(InputError, match="were not sent"):
        found["train"].samples[0]


def test_equal_data_make_equal_bytes(tmp_path):
    (tmp_path / "data").mkdir()
    dataset = loaded("folder", tmp_path / "data")
    for name in ("one", "two"):
        sent.write(dataset, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_kind_of_data_that_nobody_knows_is_refused_in_words(tmp_path):
    from edgecnn.data.base import Dataset

    class Own(Dataset):
        pass

    (tmp_path / "data").mkdir()
    known = loaded("arrays", tmp_path / "data")
    own = Own(known.name, known.task, known.labels, known.splits, known.sha256, known.sample_shape)
    with pytest.raises(InputError, match="cannot be sent"):
        sent.write(own, tmp_path / "sent.zip")
    assert not (tmp_path / "sent.zip").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sent")
    (folder / "data").mkdir()
    sent.write(loaded("arrays", folder / "data"), folder / "sent.zip")
    return (folder / "sent.zip").read_bytes()


def contents(path):
    """(labels, samples) of the split that was sent, in a form that can be compared."""
    split = edgecnn.data.load(f"sent:{path}")["test"]
    return split.labels.tolist(), [
        arrays_of(split.samples[index]) for index in range(len(split.samples))
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_damage_is_bad_input_or_does_not_matter(data, whole, tmp_path):
    (tmp_path / "whole.zip").write_bytes(whole)
    original = contents(tmp_path / "whole.zip")
    at = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path / "damaged.zip"
    cut = data.draw(st.booleans())
    path.write_bytes(
        whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
    )
    with suppress(InputError):
        assert contents(path) == original


@pytest.mark.filterwarnings("ignore::edgecnn.data.DataWarning")
@pytest.mark.parametrize("holder", ["", "dataset", "truth"])
@pytest.mark.parametrize("value", [None, True, -7, "x", [1], {}, "gone"])
def test_any_index_is_read_or_refused(holder, value, whole, tmp_path):
    """Each of its fields in turn is something else, or is not there."""
    path, changed = tmp_path / "sent.zip", tmp_path / "changed.zip"
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    first = json.loads(members["index.json"])
    for key in first[holder] if holder else first:
        index = json.loads(members["index.json"])
        place = index[holder] if holder else index
        place[key] = value
        if value == "gone":
            del place[key]
        with zipfile.ZipFile(changed, "w") as out:
            for name, content in {**members, "index.json": json.dumps(index)}.items():
                out.writestr(name, content)
        with suppress(InputError):
            edgecnn.data.load(f"sent:{changed}").record()
