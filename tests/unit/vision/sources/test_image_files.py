"""Images as a source: all frames of those that move, all that is left out by name."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.vision.sources import parse_source
from edgecnn.vision.sources.containers import frames_in, only_sound
from edgecnn.vision.sources.readers import open_reader
from tests.unit.hostile import damaged, limited_memory

FRAMES = [Image.fromarray(np.full((48, 64, 3), 40 * i, np.uint8)) for i in range(6)]
MEMORY = 600 << 20


def moving(path: Path) -> Path:
    FRAMES[0].save(path, save_all=True, append_images=FRAMES[1:], duration=100)
    return path


def read_all(source: Path) -> list[tuple[int, ...]]:
    reader = open_reader(parse_source(str(source)))
    shapes = []
    while (found := reader.read()) is not None:
        shapes.append(found[0].shape)
    reader.close()
    return shapes


@pytest.mark.parametrize("ending", [".gif", ".png", ".webp", ".tif"])
def test_an_image_that_moves_is_all_its_frames(tmp_path: Path, ending: str):
    path = moving(tmp_path / f"moving{ending}")
    assert read_all(path) == [(48, 64, 3)] * 6
    assert read_all(tmp_path) == [(48, 64, 3)] * 6


@pytest.mark.parametrize("ending", [".gif", ".png"])
def test_what_moves_is_a_video_and_what_stands_is_not(tmp_path: Path, ending: str):
    assert parse_source(str(moving(tmp_path / f"a{ending}"))).kind == "video"
    FRAMES[0].save(tmp_path / f"b{ending}")
    assert parse_source(str(tmp_path / f"b{ending}")).kind == "pictures"
    assert frames_in(tmp_path / f"b{ending}") == 1


def test_the_unreadable_ones_are_named(tmp_path: Path):
    FRAMES[0].save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    os.mkfifo(tmp_path / "c.jpg")
    (tmp_path / "d.jpg").mkdir()
    reader = open_reader(parse_source(str(tmp_path)))
    while reader.read() is not None:
        pass
    assert reader.unreadable == 3
    assert reader.left_out == "b.jpg, c.jpg, d.jpg"


def test_a_pipe_given_as_a_video_or_image_is_refused_at_once(tmp_path: Path):
    for name in ("video.mp4", "picture.png"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match="received a named pipe"):
            parse_source(str(tmp_path / name))


def test_a_video_without_a_frame_is_bad_input(tmp_path: Path):
    path = tmp_path / "none.avi"
    cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (320, 240)).release()
    with pytest.raises(InputError, match="not one frame can be read"):
        read_all(path)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def test_sound_without_images_is_named(tmp_path: Path):
    path = tmp_path / "sound.mov"
    handler = box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    path.write_bytes(
        box(b"ftyp", b"qt  " + bytes(4)) + box(b"moov", box(b"trak", box(b"mdia", handler)))
    )
    assert only_sound(path)
    with pytest.raises(InputError, match=r"sound\.mov has sound but no video"):
        read_all(path)


def test_a_video_that_breaks_off_says_where(tmp_path: Path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (160, 120))
    rng = np.random.default_rng(0)
    for _ in range(90):
        writer.write(cv2.resize(rng.integers(0, 255, (30, 40, 3), np.uint8), (160, 120)))
    writer.release()
    whole = open_reader(parse_source(str(path)))
    while whole.read() is not None:
        pass
    assert whole.cut_off == ""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    reader = open_reader(parse_source(str(path)))
    while reader.read() is not None:
        pass
    assert "clip.avi breaks off after 1." in reader.cut_off
    assert "of 3.0 s" in reader.cut_off


def test_an_image_bomb_is_left_out_before_it_is_decoded(tmp_path: Path):
    header = struct.pack(">II5B", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = (
        struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    data = zlib.compress(bytes(90_001) * 50)
    body = (
        struct.pack(">I", len(data))
        + b"IDAT"
        + data
        + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    )
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + body)
    with (
        limited_memory(MEMORY),
        pytest.raises(InputError, match="none of 1 images could be decoded"),
    ):
        read_all(path)


@pytest.mark.parametrize("ending", [".gif", ".png", ".webp", ".tif", ".jpg"])
@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_to_an_image_never_ends_a_run_badly(
    tmp_path: Path, ending: str, data: st.DataObject
):
    whole = moving(tmp_path / f"moving{ending}") if ending != ".jpg" else tmp_path / "still.jpg"
    if ending == ".jpg":
        FRAMES[3].save(whole)
    path = tmp_path / f"damaged{ending}"
    path.write_bytes(data.draw(damaged(whole.read_bytes())))
    with limited_memory(MEMORY):
        try:
            read_all(path)
        except EdgeCNNError as error:
            assert error.message  # noqa: PT017
