"""Images of a folder as people have them: every mode, broken files, odd endings, bombs."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import DataWarning
from edgecnn.data.files import images as image_files
from edgecnn.data.files.images import UnreadableImageError, decode
from edgecnn.errors import InputError
from tests.unit.data.sources.image_folders import fill, load, make_image


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


def test_an_image_without_an_ending_is_known_by_its_content(tmp_path):
    fill(tmp_path)
    (tmp_path / "cat" / "000.png").rename(tmp_path / "cat" / "000")

    assert sum(len(split) for split in load(tmp_path).splits.values()) == 20
