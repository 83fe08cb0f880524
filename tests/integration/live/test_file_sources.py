"""Videos and images of any kind: what is damaged is passed over and counted, or is bad input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.vision.pipeline import Pipeline
from tests.integration.live.conftest import image


@pytest.mark.parametrize("kind", ["zeros", "cut"])
def test_a_video_with_a_broken_middle_goes_on_behind_it(detector, video, tmp_path, kind):
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (160, 120)
    )
    rng = np.random.default_rng(0)
    for _ in range(60):
        writer.write(cv2.resize(rng.integers(0, 255, (30, 40, 3), np.uint8), (160, 120)))
    writer.release()
    data = bytearray((tmp_path / "clip.avi").read_bytes())
    if kind == "zeros":
        data[len(data) * 4 // 10 : len(data) // 2] = bytes(len(data) // 2 - len(data) * 4 // 10)
    else:
        del data[len(data) * 6 // 10 :]
    (tmp_path / "clip.avi").write_bytes(data)
    with Pipeline(str(tmp_path / "clip.avi"), detector) as pipeline:
        results = list(pipeline)
    assert 25 <= len(results) < 60
    assert len(results) + pipeline.capture.unreadable == 60
    if kind == "zeros":
        assert len(results) >= 45  # a tenth of the bytes cost no more than a quarter of the video


def test_images_of_any_kind_and_size(detector, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    red = image(60)
    cv2.imwrite(str(folder / "1_color.png"), red)
    cv2.imwrite(str(folder / "2_alpha.png"), np.dstack([red, np.full((120, 160), 90, np.uint8)]))
    cv2.imwrite(str(folder / "3_gray.png"), red[:, :, 0])
    cv2.imwrite(str(folder / "4_deep.png"), red.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "5_dot.png"), red[:1, :1])
    cv2.imwrite(str(folder / "6_huge.png"), np.full((6000, 8000, 3), 120, np.uint8))
    (folder / "7_broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    (folder / "8_empty.jpg").write_bytes(b"")
    with Pipeline(str(folder), detector) as pipeline:
        results = list(pipeline)
    found = {result.frame.name[:1]: len(result.found) for result in results}
    assert found == {"1": 1, "2": 1, "3": 0, "4": 1, "5": 0, "6": 0}
    assert pipeline.capture.unreadable == 2
    assert results[-1].frame.size == (8000, 6000)


def test_a_folder_of_damaged_images_is_bad_input(detector, tmp_path):
    (tmp_path / "one.jpg").write_bytes(b"no image")
    with (
        Pipeline(str(tmp_path), detector) as pipeline,
        pytest.raises(InputError, match="none of 1"),
    ):
        list(pipeline)


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_a_file_that_is_no_video_is_bad_input(detector, tmp_path, content):
    (tmp_path / "clip.mp4").write_bytes(content)
    with (
        Pipeline(str(tmp_path / "clip.mp4"), detector) as pipeline,
        pytest.raises(InputError, match="not a video"),
    ):
        list(pipeline)
