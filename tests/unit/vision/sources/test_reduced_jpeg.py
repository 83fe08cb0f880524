"""Large JPEGs are decoded smaller, and the boxes found in them are still those of the file."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.detection.detections import Detections
from edgecnn.preprocessing.resample import resize
from edgecnn.vision.detectors.shrink import fit
from edgecnn.vision.pipeline import Pipeline
from edgecnn.vision.sources import parse_source
from edgecnn.vision.sources.image_files import ImageFileReader
from edgecnn.vision.sources.reduced_jpeg import jpeg_size, reduction, whole_size

HEIGHT, WIDTH = 602, 901


@pytest.fixture(scope="module")
def photo():
    return SyntheticScenes(4, 1, HEIGHT, WIDTH)[0].image


def write(path, photo, **options):
    Image.fromarray(photo).save(path, quality=92, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(400)}])
def test_the_size_is_read_from_the_header(tmp_path, photo, options):
    path = write(tmp_path / "a.jpg", photo, **options)
    assert jpeg_size(path.read_bytes()) == (HEIGHT, WIDTH)


@given(st.binary(max_size=60))
def test_no_bytes_upset_the_header(content):
    assert jpeg_size(content) is None or min(jpeg_size(content)) > 0
    found = jpeg_size(b"\xff\xd8\xff" + content)
    assert found is None or min(found) > 0


@pytest.mark.parametrize(
    ("stored", "enough", "factor"),
    [
        ((3000, 4000), (512, 512), 4),
        ((4000, 3000), (512, 512), 4),
        ((3000, 4000), (1024, 1024), 2),
        ((720, 1280), (512, 512), 1),
        ((720, 1280), (320, 512), 2),
        ((100, 9000), (64, 64), 1),
        ((480, 640), (512, 512), 1),
    ],
)
def test_as_many_pixels_stay_as_the_input_takes(stored, enough, factor):
    assert reduction(stored, enough) == factor


def test_a_photo_that_exif_turns_has_its_upright_size():
    assert whole_size((602, 901), (226, 151), 4) == (901, 602)
    assert whole_size((602, 901), (151, 226), 4) == (602, 901)
    assert whole_size((602, 901), (151, 200), 4) is None


@pytest.mark.parametrize(("height", "width", "apart"), [(602, 901, 4.0), (600, 900, 0.8)])
def test_the_input_is_as_near_to_training_as_from_the_whole_photo(
    tmp_path, photo, height, width, apart
):
    """And nearly the same where both sides can be halved without a rest."""
    path = write(tmp_path / "a.jpg", photo[:height, :width])
    reader = ImageFileReader(parse_source(str(path)), enough=(192, 192))
    small, _, _ = reader.read()
    assert small.shape == ((301, 451, 3) if height % 2 or width % 2 else (300, 450, 3))
    assert reader.whole == (height, width)
    whole = cv2.imread(str(path))
    reference = resize(whole.astype(np.float32), 128, 192)
    reduced, usual = (fit(image, 128, 192).astype(float) for image in (small, whole))
    assert np.abs(reduced - reference).mean() < np.abs(usual - reference).mean() + 0.3
    assert np.abs(reduced - usual).mean() < apart


@pytest.mark.parametrize("orientation", [1, 6])
def test_boxes_are_in_pixels_of_the_file(tmp_path, photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    write(tmp_path / "a.jpg", photo, exif=exif)
    Image.fromarray(photo).save(tmp_path / "b.png")

    def detector(image):
        """The middle half of whatever image it is."""
        height, width = image.shape[:2]
        box = np.asarray([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]], np.float32)
        return Detections(box, np.ones(1, np.float32))

    def opener(source):
        return ImageFileReader(source, enough=(128, 128))

    with Pipeline(parse_source(str(tmp_path)), detector, opener=opener) as pipeline:
        jpeg, png = list(pipeline)
    assert jpeg.frame.image.shape != png.frame.image.shape
    wide, high = (WIDTH, HEIGHT) if orientation == 1 else (HEIGHT, WIDTH)
    assert jpeg.frame.size == (wide, high)
    middle = [wide / 4, high / 4, wide * 3 / 4, high * 3 / 4]
    np.testing.assert_allclose(jpeg.found.xyxy[0], middle, rtol=1e-5)
    assert png.frame.whole is None


def test_other_files_and_damaged_ones_are_read_as_before(tmp_path, photo):
    write(tmp_path / "a.jpg", photo)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(content[:40])
    Image.fromarray(photo).save(tmp_path / "c.png")
    reader = ImageFileReader(parse_source(str(tmp_path)), enough=(128, 128))
    shapes = []
    while (read := reader.read()) is not None:
        shapes.append(read[0].shape)
    assert shapes == [(151, 226, 3), (HEIGHT, WIDTH, 3)]
    assert reader.left_out == "b.jpg"
