"""Whatever the files of a data set hold, reading them ends in data or in one line that says why.

Valid sets are mutated at random; the time and memory of reading stay within bounds.
"""

from __future__ import annotations

import json
import time
import tracemalloc
import warnings
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.data import DataWarning, load
from edgecnn.data.files.text_tables import read_table
from edgecnn.errors import EdgeCNNError

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

PROPERTY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LONGEST_SECS = 5.0
"""Of the processor, for a set of a few kilobytes: a thousand times what it takes."""
MOST_BYTES = 64 << 20

DOCUMENT = {
    "images": [
        {"id": 1, "file_name": "0.png", "width": 40, "height": 30},
        {"id": 2, "file_name": "1.png", "width": 40, "height": 30},
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [4, 6, 16, 18]},
        {"id": 2, "image_id": 2, "category_id": 2, "iscrowd": 1, "bbox": [1, 1, 5, 5],
         "segmentation": [[1, 1, 6, 1, 6, 6]]},
    ],
    "categories": [{"id": 1, "name": "stop sign"}, {"id": 2, "name": "car"}],
}  # fmt: skip
XML = (
    "<annotation><filename>0.png</filename><size><width>40</width><height>30</height></size>"
    "<object><name>stop</name><difficult>0</difficult><bndbox><xmin>5</xmin><ymin>7</ymin>"
    "<xmax>20</xmax><ymax>24</ymax></bndbox></object></annotation>"
)
YAML = "path: .\ntrain: images\nval: images\nkpt_shape: [2, 3]\nnames: {0: stop sign, 1: car}\n"
LINES = "0 0.3 0.5 0.4 0.6\n1 0.1 0.1 0.2 0.1 0.2 0.2 0.9\n0 0.5 0.5 0.1 0.1 0.87\n"
TABLE = 'text,label\n"good, ""really""\ngood",1\nbad one,0\nfine words here,1\nso so,0\n'

odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.floats(), max_size=5),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    st.just("../../etc/passwd"),
    st.just("0.png\0"),
)


@st.composite
def mutated_bytes(draw, valid):
    """Some bytes replaced, cut out, doubled, or put in."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 40)))
        new = draw(st.one_of(st.binary(max_size=20), st.just(bytes(content[at:end]) * 2)))
        content[at:end] = new
    return bytes(content)


@st.composite
def mutated_documents(draw):
    """COCO's JSON with odd values in any place, and keys left out."""
    document = json.loads(json.dumps(DOCUMENT))
    for _ in range(draw(st.integers(1, 4))):
        section = draw(st.sampled_from(sorted(document)))
        entries = document[section]
        if not isinstance(entries, list) or draw(st.integers(0, 9)) == 0:
            document[section] = draw(odd_values)
            continue
        place = draw(st.integers(0, len(entries)))
        if place == len(entries):
            entries.append(draw(odd_values))
        elif not isinstance(entries[place], dict) or not entries[place]:
            entries[place] = draw(odd_values)
        else:
            key = draw(st.sampled_from(sorted(entries[place])))
            if draw(st.booleans()):
                del entries[place][key]
            else:
                entries[place][key] = draw(odd_values)
    return json.dumps(document).encode()


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("0.png", "1.png"):
        Image.new("RGB", (40, 30), (9, 9, 9)).save(tmp_path / "images" / name)
    return tmp_path


def read(source, place):
    """Data with finite boxes inside their images, or an error of ours; within the bounds."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            dataset = load(f"{source}:{place}")
    except EdgeCNNError as error:
        said = error.message
    else:
        said = dataset.summary()
        json.dumps(dataset.record())
        for split in dataset.splits.values():
            for file in getattr(split, "files", ()):
                for boxes in (file.boxes, file.ignored):
                    assert (boxes >= 0).all()
                    assert (boxes[:, 2:] > boxes[:, :2]).all()
                    assert (boxes[:, 2:] <= (file.width, file.height)).all()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert said
    assert time.process_time() - began < LONGEST_SECS
    assert peak < MOST_BYTES


@PROPERTY
@given(content=st.one_of(mutated_documents(), mutated_bytes(json.dumps(DOCUMENT).encode())))
def test_coco(images, content):
    (images / "annotations.json").write_bytes(content)

    read("coco", images)


@PROPERTY
@given(content=mutated_bytes(XML.encode()))
def test_voc(images, content):
    (images / "Annotations").mkdir(exist_ok=True)
    (images / "Annotations" / "0.xml").write_bytes(content)
    (images / "Annotations" / "1.xml").write_text(XML.replace("0.png", "1.png"))

    read("voc", images)


@PROPERTY
@given(lines=mutated_bytes(LINES.encode()), yaml=mutated_bytes(YAML.encode()))
def test_yolo(images, lines, yaml):
    (images / "labels").mkdir(exist_ok=True)
    (images / "labels" / "0.txt").write_bytes(lines)
    (images / "labels" / "1.txt").write_text(LINES)
    (images / "data.yaml").write_bytes(yaml)

    read("yolo", images)


@PROPERTY
@given(content=st.one_of(mutated_bytes(TABLE.encode() * 5), mutated_bytes(TABLE.encode("utf-16"))))
@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.txt", "x.jsonl"])
def test_tables(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    read("text", tmp_path / name)


@PROPERTY
@given(content=st.binary(min_size=1, max_size=300))
def test_images(tmp_path, content):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir(exist_ok=True)
        for number in range(4):
            image = Image.new("RGB", (8, 8), (number, 9, 9))
            image.save(tmp_path / label / f"{number}.png")
    (tmp_path / "cat" / "odd.jpg").write_bytes(content)

    read("folder", tmp_path)


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    "yaml",
    [
        ALIASES + "names: *h\n",
        "names: " + "[" * 5000,
        "names: &a [*a]\n",
        "names: !!python/object/apply:os.system ['touch it-ran']\n",
        "names: {999999999999: stop sign}\n",
        "names: {0: {1: 2}}\n",
    ],
    ids=["nine to the eighth", "nested", "in itself", "an object", "a large number", "a mapping"],
)
def test_yaml_that_was_made_to_harm(images, yaml, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (images / "labels").mkdir()
    (images / "labels" / "0.txt").write_text(LINES)
    (images / "data.yaml").write_text(yaml)

    read("yolo", images)

    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize("line", ['"\n', '"a\n', 'a,"b\n', "\r\0\n", ",\n", "\t;|,\n"])
def test_a_table_of_stray_marks_takes_no_long_time(tmp_path, line):
    path = tmp_path / "x.csv"
    path.write_text(line * 20_000)
    began = time.process_time()

    with suppress(EdgeCNNError):
        read_table(path, [], [])

    assert time.process_time() - began < 30
