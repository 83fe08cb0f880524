"""Pascal VOC's layout: what is read, and what is odd in it is left out by name."""

from __future__ import annotations

import pytest

from edgecnn.data.boxes.voc import load_voc
from edgecnn.errors import InputError
from tests.unit.data.boxes.annotated_pair import VOC_OBJECT, voc_object


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ("<object><name>stop</name></object>", "not four numbers"),
        ("<object><bndbox/></object>", "no name"),
        (VOC_OBJECT.format("x", 1, 2, 3, kind="stop", difficult=0), "not four numbers"),
        (VOC_OBJECT.format("inf", 1, 2, 3, kind="stop", difficult=0), "not four numbers"),
        (voc_object((50, 20, 10, 45)), "no area"),
        (voc_object((500, 20, 510, 45)), "outside"),
    ],
)
def test_an_odd_object_of_voc_is_named_and_the_others_stay(voc, objects, reason):
    data = load_voc(voc(objects + voc_object()))

    assert [len(file.boxes) for file in data.files] == [1, 0]
    (odd,) = data.left_out
    assert odd.file == "a.xml, object 1"
    assert reason in odd.reason


def test_a_voc_class_that_no_file_has_is_an_input_error(voc):
    with pytest.raises(InputError, match="no class"):
        load_voc(voc(voc_object(kind="yield")))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<annotation><object>", "not XML"),
        ("", "not XML"),
        ('<!DOCTYPE a [<!ENTITY b "bbbb">]><annotation>&b;</annotation>', "document types"),
    ],
)
def test_a_file_that_is_no_voc_is_left_out(voc, content, reason):
    folder = voc()
    (folder / "b.xml").write_text(content)

    data = load_voc(folder)

    assert [file.path.name for file in data.files] == ["a.png"]
    assert reason in data.left_out[0].reason


@pytest.mark.parametrize(
    "name",
    ["C:\\data\\a.png", "/home/me/a.png", "a", "A.PNG", "old name.png", "../a.png", "x/y/a.png"],
)
def test_a_voc_image_is_found_whatever_the_machine_it_was_annotated_on(voc, name):
    data = load_voc(voc(name=name))

    assert [file.path.name for file in data.files] == ["a.png", "b.png"]


@pytest.mark.parametrize("kind", ["stop sign", "Stop_Sign", "STOP-SIGN", "StopSign"])
def test_a_class_is_the_same_however_it_is_written(voc, kind):
    assert len(load_voc(voc(voc_object(kind=kind)), label="stop sign").files[0].boxes) == 1


def test_a_voc_folder_without_files_is_refused(tmp_path):
    with pytest.raises(InputError, match="xml"):
        load_voc(tmp_path)
