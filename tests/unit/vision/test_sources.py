from __future__ import annotations

import pytest

from edgecnn.errors import InputError
from edgecnn.vision.sources import parse_source, without_password


@pytest.mark.parametrize(
    ("text", "kind", "live"),
    [
        ("0", "camera", True),
        ("/dev/video2", "camera", True),
        ("rtsp://10.0.0.7/stream", "stream", True),
        ("http://camera.local/video.mjpg", "stream", True),
        ("https://example.org/clip.mp4", "stream", False),
        ("udp://:5000", "stream", True),
        ("v4l2src ! videoconvert ! appsink", "gstreamer", True),
        ("picamera", "picamera", True),
        ("picamera2:1", "picamera", True),
        ("synthetic", "synthetic", True),
        ("synthetic:7", "synthetic", True),
    ],
)
def test_a_source_is_known_by_how_it_is_written(text: str, kind: str, live: bool):
    source = parse_source(text)
    assert (source.kind, source.live) == (kind, live)


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    for name in ("frame_10.png", "frame_2.PNG", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    source = parse_source(str(tmp_path))
    assert [path.name for path in source.paths] == ["frame_2.PNG", "frame_10.png"]
    assert not source.live
    assert not source.continuous


def test_a_pattern_takes_the_images_among_its_matches(tmp_path):
    for name in ("a.jpg", "b.jpg", "b.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert len(parse_source(str(tmp_path / "b*")).paths) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no source given"),
        ("nowhere.mp4", "no such source"),
        ("nowhere/*.jpg", "no images match"),
        ("htp://camera/", "unknown kind of address"),
        ("http:///video.mjpg", "no host"),
        ("http://[::1/video", "not an address"),
        ("synthetic:", "no such source"),
        ("~nosuchuser/x.mp4", "no such source: ~nosuchuser"),
        ("file://[x/y.mp4", "not an address"),
        ("2147483648", "no camera has the number 2147483648"),
        ("9" * 5000, "no camera has the number 9"),
    ],
)
def test_what_cannot_be_a_source_is_refused_with_the_reason(text: str, says: str):
    with pytest.raises(InputError, match=says):
        parse_source(text)


def test_a_file_of_another_kind_names_the_endings_it_could_have(tmp_path):
    path = tmp_path / "talk.pdf"
    path.write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        parse_source(str(path))
    assert ".mp4" in caught.value.hint


def test_an_empty_folder_says_what_it_lacks(tmp_path):
    with pytest.raises(InputError, match="no images in"):
        parse_source(str(tmp_path))


def test_the_password_of_a_camera_is_never_shown():
    source = parse_source("rtsp://admin:secret@10.0.0.7:554/live")
    assert "secret" not in str(source)
    assert str(source) == "rtsp://…@10.0.0.7:554/live"
    assert without_password("http://10.0.0.7/a@b") == "http://10.0.0.7/a@b"
    assert without_password("udp://@239.0.0.1:5000") == "udp://@239.0.0.1:5000"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:s3@cret@10.0.0.7/live", "rtsp://…@10.0.0.7/live"),
        (
            "http://10.0.0.7/v.cgi?user=a&pwd=s3cret&rate=5",
            "http://10.0.0.7/v.cgi?user=a&pwd=…&rate=5",
        ),
        (
            "rtspsrc location=rtsp://admin:s3cret@cam/live ! decodebin ! appsink",
            "rtspsrc location=rtsp://…@cam/live ! decodebin ! appsink",
        ),
        (
            'rtspsrc location=rtsp://cam user-id=admin user-pw="s3 cret" ! appsink',
            "rtspsrc location=rtsp://cam user-id=admin user-pw=… ! appsink",
        ),
    ],
)
def test_no_kind_of_source_shows_a_password(text: str, shown: str):
    source = parse_source(text)
    assert str(source) == shown
    assert source.address == text


def test_the_address_of_a_file_is_decoded(tmp_path):
    path = tmp_path / "my video #1 100%.mp4"
    path.write_bytes(b"x")
    assert parse_source(path.as_uri()).address == str(path)


def test_of_a_source_the_files_are_known(tmp_path):
    for name in ("a.mp4", "b.png"):
        (tmp_path / name).write_bytes(b"x")
    assert parse_source(str(tmp_path / "a.mp4")).files == (tmp_path / "a.mp4",)
    assert parse_source(str(tmp_path)).files == (tmp_path / "b.png",)
    assert parse_source("videotestsrc " + "! identity " * 50 + "! appsink").files == ()
