"""COCO's, VOC's and YOLO's layout give the same annotated images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecnn.data.boxes.base import BoxDataset, BoxedFile, split_in_blocks
from edgecnn.data.boxes.coco import load_coco
from edgecnn.data.boxes.voc import load_voc
from edgecnn.data.boxes.yolo import load_yolo
from tests.unit.data.boxes.annotated_pair import BOX, HEIGHT, WIDTH


@pytest.mark.parametrize("layout", ["coco", "voc", "yolo"])
def test_all_layouts_read_the_same_boxes(layout, request):
    folder = request.getfixturevalue(layout)()
    data = {"coco": load_coco, "voc": load_voc, "yolo": load_yolo}[layout](folder)

    assert [file.path.name for file in data.files] == ["a.png", "b.png"]
    np.testing.assert_allclose(data.files[0].boxes, [BOX], atol=0.01)
    assert data.files[1].boxes.shape == (0, 4)
    assert len(data.positives) == 1
    assert len(data.negatives) == 1
    assert data.files[0].load().image.shape == (HEIGHT, WIDTH, 3)


def test_crowds_and_difficult_objects_are_ignored_ones(coco, voc):
    np.testing.assert_allclose(load_coco(coco()).files[0].ignored, [[0, 0, 5, 5]])
    np.testing.assert_allclose(load_voc(voc()).files[0].ignored, [[0, 0, 5, 5]])


def test_the_digest_follows_images_and_boxes(coco):
    before = load_coco(coco()).sha256
    assert load_coco(coco()).sha256 == before

    moved = load_coco(coco(lambda d: d["annotations"][0].update(bbox=[11, 20, 40, 25])))
    assert moved.sha256 != before

    folder = coco()
    Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 0)).save(folder / "images" / "b.png")
    assert load_coco(folder).sha256 != before


def test_a_split_in_blocks_leaves_no_neighbors_apart_but_at_the_ends(tmp_path):
    files = tuple(
        BoxedFile(tmp_path / f"{n}.png", 10, 10, np.zeros((0, 4), np.float32)) for n in range(95)
    )
    kept, held_out = split_in_blocks(BoxDataset("x", files), block=10, every=3, offset=1)

    numbers = [int(file.path.stem) for file in held_out.files]
    assert numbers == [*range(10, 20), *range(40, 50), *range(70, 80)]
    assert len(kept) + len(held_out) == 95
