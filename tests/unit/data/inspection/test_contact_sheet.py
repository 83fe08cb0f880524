"""The contact sheet: a row a class, and only for images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecnn.cli import invoke
from edgecnn.data.base import Dataset, Split
from edgecnn.data.inspection import contact_sheet
from edgecnn.errors import InputError


def colors(modality="image"):
    """One wide red and one tall gray image."""
    red = np.zeros((5, 10, 3), np.uint8)
    red[..., 0] = 255
    split = Split((red, np.full((10, 5, 1), 90, np.uint8)), np.asarray([0, 1]))
    return Dataset(
        "c", "classification", ("red", "gray"), {"train": split}, "", (5, 10), modality=modality
    )


def test_each_class_has_its_row(tmp_path):
    contact_sheet.write(colors(), tmp_path / "sheet.png")
    sheet = Image.open(tmp_path / "sheet.png")
    step = contact_sheet.CELL + contact_sheet.GAP
    x, y = contact_sheet.LABEL_WIDTH + contact_sheet.CELL // 2, contact_sheet.CELL // 2
    assert sheet.getpixel((x, y)) == (255, 0, 0)
    assert sheet.getpixel((x, y + step)) == (90, 90, 90)


def test_texts_have_no_sheet(tmp_path):
    with pytest.raises(InputError, match="no images"):
        contact_sheet.write(colors("text"), tmp_path / "sheet.png")


def test_the_command_writes_it(tmp_path):
    assert invoke(["data", "inspect", "digits", "--out", str(tmp_path / "found")]) == 0
    with Image.open(tmp_path / "found" / "contact-sheet.png") as sheet:
        assert sheet.height == 10 * (contact_sheet.CELL + contact_sheet.GAP) + contact_sheet.GAP
    assert (tmp_path / "found" / "inspection.json").is_file()
