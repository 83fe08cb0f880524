"""Image folders as people have them: every mode, broken files, ready-made splits."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

import edgecnn.data
from edgecnn.data import DataWarning
from edgecnn.data.files import images as image_files
from edgecnn.data.files.images import UnreadableImageError, decode
from edgecnn.errors import InputError


def make_image(size=(8, 6), mode="RGB", seed=0):
    """A Pillow image of (width, height) with noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def fill(root, classes=("cat", "dog"), count=10, **kind):
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(count):
            make_image(seed=100 * number + index, **kind).save(root / name / f"{index:03}.png")
    return root


def load(root, **arguments):
    return edgecnn.data.load("folder", data_dir=root, **arguments)


def test_classes_are_the_sub_folders_by_name(tmp_path):
    assert load(fill(tmp_path, ("zebra", "ant", "cow"))).labels == ("ant", "cow", "zebra")


def test_images_of_one_class_stay_in_it(tmp_path):
    fill(tmp_path, count=6)
    dataset = load(tmp_path)

    for split in dataset.splits.values():
        for index, label in enumerate(split.labels):
            assert split.samples.paths[index].parent.name == dataset.labels[label]


def test_gray_images_make_a_data_set_with_one_channel(tmp_path):
    dataset = load(fill(tmp_path, mode="L"))

    assert dataset.sample_shape == (6, 8, 1)
    assert dataset["train"].samples[0].shape == (6, 8, 1)


def test_one_colored_image_gives_all_of_them_three_channels(tmp_path):
    fill(tmp_path, mode="L")
    make_image().save(tmp_path / "cat" / "color.png")

    dataset = load(tmp_path)

    assert dataset.sample_shape[2] == 3
    assert {sample.shape for split in dataset.splits.values() for sample in split.samples} == {
        (6, 8, 3)
    }


def test_images_keep_their_own_size(tmp_path):
    fill(tmp_path)
    make_image(size=(40, 30)).save(tmp_path / "cat" / "large.png")

    shapes = {s.shape for split in load(tmp_path).splits.values() for s in split.samples}

    assert shapes == {(6, 8, 3), (30, 40, 3)}


def test_the_hash_does_not_depend_on_where_the_folder_lies(tmp_path):
    first, second = (load(fill(tmp_path / name)) for name in ("one", "two"))

    assert first.sha256 == second.sha256


def test_a_changed_pixel_changes_the_hash(tmp_path):
    before = load(fill(tmp_path)).sha256
    path = tmp_path / "cat" / "000.png"
    with Image.open(path) as image:
        image.putpixel((0, 0), (1, 2, 3))
        image.save(path)

    assert load(tmp_path).sha256 != before


def test_a_folder_called_validation_is_one_too(tmp_path):
    for split in ("train", "validation"):
        fill(tmp_path / split)

    dataset = load(tmp_path)

    assert all("validation" in path.parts for path in dataset["validation"].samples.paths)
    assert all("train" in path.parts for path in dataset["test"].samples.paths)


def test_splits_that_are_absent_are_carved_from_training(tmp_path):
    fill(tmp_path / "train", count=20)

    sizes = {name: len(split) for name, split in load(tmp_path).splits.items()}

    assert sizes == {"train": 28, "validation": 6, "test": 6}


def test_a_test_without_classes_is_carved_from_training(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val", count=4)
    fill(tmp_path / "test", classes=("unlabeled",), count=6)
    with pytest.warns(DataWarning, match="is a class that training does not have"):
        dataset = load(tmp_path)

    sizes = {name: len(split) for name, split in dataset.splits.items()}
    assert sizes == {"train": 16, "validation": 8, "test": 4}
    assert dataset.notes == (
        "test holds no image of a class that can be used",
        "test taken from train",
    )


def test_a_test_of_classes_with_too_few_images_is_carved_from_training(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "train", classes=("emu",), count=1)
    fill(tmp_path / "test", classes=("emu",), count=5)
    with pytest.warns(DataWarning, match="class 'emu' has 1 sample"):
        dataset = load(tmp_path)

    assert dataset.labels == ("cat", "dog")
    assert {name: len(split) > 0 for name, split in dataset.splits.items()} == {
        "train": True, "validation": True, "test": True
    }  # fmt: skip
    assert "validation and test taken from train" in dataset.notes


def test_a_class_that_training_does_not_know_is_named(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", ("cat", "cow"))

    with pytest.warns(DataWarning, match="10 files left out: test/cow/000.png: 'cow' is a class"):
        dataset = load(tmp_path)

    assert dataset.labels == ("cat", "dog")
    assert len(dataset["test"]) == 10


def test_a_class_called_train_is_a_class(tmp_path):
    assert load(fill(tmp_path, ("plane", "train"))).labels == ("plane", "train")


def test_broken_images_are_left_out_counted_and_named(tmp_path):
    fill(tmp_path)
    good = (tmp_path / "cat" / "000.png").read_bytes()
    (tmp_path / "cat" / "cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "dog" / "empty.jpg").write_bytes(b"")
    (tmp_path / "dog" / "page.png").write_text("<html>404</html>")

    with pytest.warns(DataWarning, match=r"3 files left out.*cut\.png") as warned:
        dataset = load(tmp_path)

    assert len(warned) == 1
    assert [entry.file for entry in dataset.left_out] == [
        "cat/cut.png",
        "dog/empty.jpg",
        "dog/page.png",
    ]
    assert dataset.record()["skipped"] == 3
    assert sum(len(split) for split in dataset.splits.values()) == 20


def test_a_truncated_jpeg_is_found_before_training(tmp_path):
    fill(tmp_path)
    path = tmp_path / "cat" / "cut.jpg"
    make_image(size=(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.warns(DataWarning, match="truncated"):
        load(tmp_path)


def test_files_that_are_no_images_are_not_looked_at(tmp_path):
    fill(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "cat" / ".hidden.png").write_text("not an image either")
    (tmp_path / ".cache").mkdir()

    assert load(tmp_path).left_out == ()


def test_a_postscript_file_with_another_ending_is_not_run(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")

    with pytest.raises(UnreadableImageError, match="not an image"):
        decode(path)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_classes_are_refused(tmp_path, count):
    fill(tmp_path, ("cat", "dog")[:count])

    with pytest.raises(InputError, match=r"received (no sub-folders|one class)") as caught:
        load(tmp_path)

    assert "at least two classes" in caught.value.hint


def test_an_empty_class_folder_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "ghost").mkdir()

    with pytest.warns(DataWarning, match="ghost: it holds no images"):
        assert load(tmp_path).labels == ("cat", "dog")


def test_a_class_of_broken_images_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "ghost").mkdir()
    (tmp_path / "ghost" / "x.png").write_text("broken")

    with pytest.warns(DataWarning, match="ghost/x.png: not an image"):
        assert load(tmp_path).labels == ("cat", "dog")


def test_a_class_with_a_single_image_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "once").mkdir()
    make_image().save(tmp_path / "once" / "only.png")

    with pytest.warns(DataWarning, match=r"only\.png: class 'once' has 1 sample\(s\), expected at"):
        assert load(tmp_path).labels == ("cat", "dog")


@pytest.mark.parametrize("place", ["absent", "cat/000.png"])
def test_a_place_that_is_no_folder_is_refused(tmp_path, place):
    fill(tmp_path)

    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / place)


def test_a_folder_source_needs_a_place():
    with pytest.raises(InputError, match="needs a path"):
        edgecnn.data.load("folder")


def test_memory_does_not_grow_with_the_images(tmp_path):
    fill(tmp_path, count=40, size=(300, 200))  # 80 images, 14 MB decoded

    tracemalloc.start()
    dataset = load(tmp_path)
    for sample in dataset["train"].samples:
        assert sample.shape == (200, 300, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 5_000_000


def test_an_image_that_vanishes_later_is_named(tmp_path):
    dataset = load(fill(tmp_path))
    path = dataset["train"].samples.paths[0]
    path.unlink()

    with pytest.raises(InputError, match=path.name):
        dataset["train"].samples[0]


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("LA", 3), ("I;16", 1)],
)
def test_every_pixel_mode_is_decoded(tmp_path, mode, channels):
    image = make_image(mode="L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) << 8)
    path = tmp_path / "x.png"
    image.save(path)

    decoded = decode(path)

    assert decoded.shape == (6, 8, channels)
    assert decoded.dtype == np.uint8
    assert decoded.std() > 10


def test_cmyk_images_become_colors(tmp_path):
    path = tmp_path / "x.jpg"
    make_image(mode="CMYK").save(path)

    assert decode(path).shape == (6, 8, 3)


def test_sixteen_bit_gray_keeps_its_range(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(np.asarray([[0, 256, 32768, 65535]], np.uint16)).save(path)

    np.testing.assert_array_equal(decode(path)[0, :, 0], [0, 1, 128, 255])


def test_transparent_pixels_are_paper(tmp_path):
    path = tmp_path / "x.png"
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0] = 200
    pixels[0, :, 3] = [0, 128, 255]
    Image.fromarray(pixels).save(path)

    np.testing.assert_array_equal(decode(path)[0], [[255, 255, 255], [227, 127, 127], [200, 0, 0]])


def test_a_transparent_palette_entry_is_paper(tmp_path):
    path = tmp_path / "x.gif"
    image = Image.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(path, transparency=1)

    assert (decode(path) == 255).all()


def test_exif_orientation_is_applied(tmp_path):
    path = tmp_path / "x.jpg"
    image = make_image(size=(8, 6))
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to see it upright
    image.save(path, exif=exif)

    assert decode(path).shape == (8, 6, 3)


def test_an_animation_counts_with_its_first_frame(tmp_path):
    path = tmp_path / "x.gif"
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])

    assert decode(path).max() < 50


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_PIXELS", 100)
    path = tmp_path / "x.png"
    make_image(size=(11, 10)).save(path)

    with pytest.raises(UnreadableImageError, match="11×10 pixels, expected at most 100"):
        decode(path)


def test_a_real_decompression_bomb_is_one_line_in_the_warning(tmp_path):
    fill(tmp_path)
    # 400 megapixels of one color in half a megabyte, as an attacker would send it.
    Image.MAX_IMAGE_PIXELS, limit = None, Image.MAX_IMAGE_PIXELS
    try:
        Image.new("1", (20_000, 20_000)).save(tmp_path / "cat" / "bomb.png")
    finally:
        Image.MAX_IMAGE_PIXELS = limit

    with pytest.warns(DataWarning, match=r"bomb\.png: too many pixels"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Val", "Test"),
        ("training", "validation", "testing"),
        ("TRAIN", "valid", "TEST"),
        ("train", "dev", "test"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
    ],
)
def test_splits_go_by_every_usual_name(tmp_path, train, validation, test):
    for number, name in enumerate((train, validation, test)):
        fill(tmp_path / name, count=4 + number)

    dataset = load(tmp_path)

    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 8,
        "validation": 10,
        "test": 12,
    }
    assert all(path.is_relative_to(tmp_path / test) for path in dataset["test"].samples.paths)
    assert dataset.labels == ("cat", "dog")


@pytest.mark.parametrize("inner", ["pets", "data/pets"])
def test_a_folder_around_it_all_is_entered(tmp_path, inner):
    (tmp_path / "README.txt").write_text("pets")
    fill(tmp_path / inner / "Train")
    fill(tmp_path / inner / "Test", count=3)
    (tmp_path / "__MACOSX" / "pets").mkdir(parents=True)
    make_image().save(tmp_path / "__MACOSX" / "pets" / "x.png")

    dataset = load(tmp_path)

    assert dataset.labels == ("cat", "dog")
    assert len(dataset["test"]) == 6
    assert "validation taken from train" in dataset.summary()


def test_one_split_is_what_it_is_called(tmp_path):
    fill(tmp_path / "test")

    assert {name: len(split) for name, split in load(tmp_path).splits.items()} == {"test": 20}


def test_copies_that_tools_keep_are_no_samples(tmp_path):
    fill(tmp_path)
    for hidden in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        (tmp_path / "cat" / hidden).mkdir()
        make_image().save(tmp_path / "cat" / hidden / "000-checkpoint.png")
    for name in ("Thumbs.db", ".DS_Store", "._000.png"):
        (tmp_path / "cat" / name).write_bytes(b"\0")

    dataset = load(tmp_path)

    assert sum(len(split) for split in dataset.splits.values()) == 20
    assert "3 files that are not images were ignored (._000.png" in dataset.summary().replace(
        ".DS_Store, ", ""
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.HEIC", b"\0\0\0\x18ftypheic", "HEIC is not read; convert it"),
        ("x.jpg", b"\0\0\0\x18ftypheic", "HEIC is not read; convert it"),
        ("x.svg", b"<svg/>", "SVG is not read"),
        ("x.jpg", b"", "the file is empty"),
        ("x.jpg", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("x.png", b"<!DOCTYPE html><html>", "an HTML page"),
        ("x.cr2", b"II*\0....CR", "camera raw is not read"),
    ],
)
def test_what_is_no_readable_image_is_named_with_what_it_is(tmp_path, name, content, reason):
    fill(tmp_path)
    (tmp_path / "cat" / name).write_bytes(content)

    with pytest.warns(DataWarning, match=f"1 file left out: cat/{name}: .*({reason})"):
        load(tmp_path)


def test_an_avif_is_read_where_pillow_can(tmp_path):
    fill(tmp_path)
    if "AVIF" not in image_files.formats():
        pytest.skip("this Pillow reads no AVIF")
    make_image(size=(16, 16)).save(tmp_path / "cat" / "x.avif")

    assert sum(len(split) for split in load(tmp_path).splits.values()) == 21


def test_later_pages_are_said(tmp_path):
    fill(tmp_path)
    frames = [make_image(seed=seed) for seed in range(3)]
    frames[0].save(tmp_path / "cat" / "x.tif", save_all=True, append_images=frames[1:])

    with pytest.warns(DataWarning, match=r"1 file used in part: cat/x\.tif: 3 pages"):
        dataset = load(tmp_path)

    assert sum(len(split) for split in dataset.splits.values()) == 21
    with pytest.raises(InputError, match="3 pages"):
        load(tmp_path, strict=True)


def test_an_image_in_no_class_folder_is_named(tmp_path):
    fill(tmp_path)
    make_image().save(tmp_path / "loose.png")

    with pytest.warns(DataWarning, match=r"loose\.png: it lies in no class folder"):
        load(tmp_path)


def test_an_image_without_an_ending_is_known_by_its_content(tmp_path):
    fill(tmp_path)
    (tmp_path / "cat" / "000.png").rename(tmp_path / "cat" / "000")

    assert sum(len(split) for split in load(tmp_path).splits.values()) == 20


def test_the_line_says_what_was_understood(tmp_path):
    for split in ("train", "val", "test"):
        fill(tmp_path / split, count=3)

    dataset = load(tmp_path)

    assert dataset.summary() == "train 6, validation 6, test 6; classes cat, dog"
    assert dataset.record()["summary"] == dataset.summary()
