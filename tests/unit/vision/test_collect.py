"""Collecting images. The window is made up: a test has no screen, and no fingers."""

from __future__ import annotations

import resource
from collections import deque
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

import edgecnn.data
from edgecnn.cli import invoke
from edgecnn.errors import InputError
from edgecnn.vision import collect
from edgecnn.vision.collect import CollectSettings, ImageCollector, LabelFolder
from edgecnn.vision.outputs.window import CLOSED, ESCAPE
from edgecnn.vision.sources import parse_source


class ScriptedWindow:
    """Gives one key each time it is asked and remembers what it showed."""

    def __init__(self, keys):
        self.keys, self.shown = deque(keys), []

    def show(self, image):
        self.shown.append(image)

    def key(self, wait_ms):
        return self.keys.popleft() if self.keys else "q"

    def close(self):
        pass


def noise(seed):
    """An image (48, 64, 3) whose thumbnail differs from that of every other seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return blocks.repeat(4, axis=0).repeat(4, axis=1)


@pytest.fixture
def source(tmp_path):
    """Five images; the third shows what the second does."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number, seed in enumerate((1, 2, 2, 3, 4)):
        cv2.imwrite(str(folder / f"{number}.png"), noise(seed))
    return parse_source(str(folder))


@pytest.fixture
def run(source, tmp_path, monkeypatch):
    def run(labels=("cat",), keys=None, **more):
        window = ScriptedWindow(keys or ())
        monkeypatch.setattr(collect, "Window", lambda _title, without: window)
        settings = CollectSettings(
            source, labels, tmp_path / "out", window=keys is not None, **more
        )
        collector = ImageCollector(settings, lambda _line: None)
        collector.run()
        return collector, window

    return run


def files(tmp_path):
    out = tmp_path / "out"
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def test_every_image_of_a_folder_is_taken_but_for_what_repeats(run, tmp_path):
    collector, _ = run()
    assert files(tmp_path) == [f"cat/0000{number}.png" for number in (1, 2, 3, 4)]
    assert collector.left_out == 1
    assert collector.lines()[0] == f"4 images in {tmp_path / 'out'} (cat 4)"


def test_images_are_written_as_the_source_gave_them(run, tmp_path):
    run(count=1)
    assert np.array_equal(cv2.imread(str(tmp_path / "out/cat/00001.png")), noise(1))


def test_no_least_difference_takes_all(run, tmp_path):
    run(min_difference=0.0)
    assert len(files(tmp_path)) == 5


def test_count_is_of_one_run_and_a_second_run_numbers_on(run, tmp_path):
    run(count=2)
    before = (tmp_path / "out/cat/00001.png").read_bytes()
    run(count=2)
    assert files(tmp_path) == [f"cat/0000{number}.png" for number in (1, 2, 3, 4)]
    assert (tmp_path / "out/cat/00001.png").read_bytes() == before


def test_a_number_that_another_run_took_meanwhile_is_passed(tmp_path):
    one, other = LabelFolder(tmp_path / "cat"), LabelFolder(tmp_path / "cat")
    assert one.add(noise(1)).name == "00001.png"
    assert other.add(noise(2)).name == "00002.png"


def test_foreign_files_are_counted_and_left_alone(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"theirs")
    (tmp_path / "00007.jpg").write_bytes(b"theirs")
    folder = LabelFolder(tmp_path)
    assert folder.count == 2
    assert folder.add(noise(1)).name == "00008.png"


def test_space_takes_n_passes_and_digits_choose_the_label(run, tmp_path):
    _, window = run(("cat", "dog"), keys=[" ", "2", " ", "n", "1", " ", "q"])
    assert files(tmp_path) == ["cat/00001.png", "cat/00002.png", "dog/00001.png"]
    assert np.array_equal(cv2.imread(str(tmp_path / "out/dog/00001.png")), noise(2))
    assert window.shown[0].shape == (48, 64, 3)


@pytest.mark.parametrize("key", ["q", ESCAPE, CLOSED])
def test_a_key_quits(run, tmp_path, key):
    run(keys=["n", key, " "])
    assert files(tmp_path) == []


def test_a_digit_without_a_label_does_nothing(run, tmp_path):
    run(("cat", "dog"), keys=["3", "", " "])
    assert files(tmp_path) == ["cat/00001.png"]


def test_what_is_written_on_the_window_is_not_in_the_image(source, tmp_path):
    settings = CollectSettings(source, ("cat", "dog"), tmp_path)
    image = np.full((480, 640, 3), 200, np.uint8)
    canvas = ImageCollector(settings, print)._drawn(image)
    assert (image == 200).all()
    assert (canvas != 200).any()
    assert (canvas[240:] == 200).all()


def test_the_names_that_a_folder_has_reach_no_terminal_as_they_are(source, tmp_path, capsys):
    out = tmp_path / "out\x1b[31m"
    code = invoke(["data", "capture", source.address, "--label", "cat", "--headless",
                   "--out", str(out)])  # fmt: skip
    assert code == 0
    said = capsys.readouterr().out
    assert "out\\x1b[31m/cat/00001.png" in said
    assert "\x1b" not in said
    assert (out / "cat" / "00001.png").exists()


def test_noise_of_a_still_scene_is_below_the_least_difference():
    rng = np.random.default_rng(0)
    scene = cv2.resize(noise(1), (640, 480)).astype(np.float64)
    seen = [
        collect._thumbnail(np.clip(scene + rng.normal(0, 10, scene.shape), 0, 255).astype(np.uint8))
        for _ in range(2)
    ]
    assert 0.1 < np.abs(seen[0] - seen[1]).mean() < collect.MIN_DIFFERENCE / 2


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ((), "no label"),
        (("../cat",), "becomes a folder's name"),
        ((".cat",), "becomes a folder's name"),
        (("cat\n",), "becomes a folder's name"),
        (("c" * 300,), "becomes a folder's name"),
        (("cat", "cat"), "given twice"),
        (tuple("abcdefghijk"), "10 digit keys"),
    ],
)
def test_labels_that_cannot_be(source, tmp_path, labels, says):
    with pytest.raises(InputError, match=says):
        ImageCollector(CollectSettings(source, labels, tmp_path), print)


def test_several_labels_need_a_window(source, tmp_path):
    with pytest.raises(InputError, match="without a window"):
        ImageCollector(CollectSettings(source, ("cat", "dog"), tmp_path, window=False), print)


@contextmanager
def files_of_at_most(size):
    """The nearest to a full disk that needs no rights: the system refuses to write more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_a_line_and_leaves_what_was_there(tmp_path):
    folder = LabelFolder(tmp_path)
    folder.add(noise(1))
    with files_of_at_most(100), pytest.raises(InputError, match="cannot write"):
        folder.add(noise(2))
    assert [path.name for path in tmp_path.iterdir()] == ["00001.png"]


def test_a_live_source_gives_one_each_interval_and_the_folder_source_reads_them(tmp_path):
    for label in ("day", "night"):
        settings = CollectSettings(
            parse_source("synthetic:64x64@30"), (label,), tmp_path, 0.02, 12, 0.0, window=False
        )
        ImageCollector(settings, lambda _line: None).run()
    read = edgecnn.data.load(f"folder:{tmp_path}")
    assert read.labels == ("day", "night")
    assert sum(len(split) for split in read.splits.values()) == 24
    assert read.sample_shape == (64, 64, 3)
