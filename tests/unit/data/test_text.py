"""Texts from every common layout; what is no UTF-8 is named with its line."""

from __future__ import annotations

import warnings

import pytest

from edgecnn.data import DataWarning, load
from edgecnn.errors import InputError


def rows(count=20):
    return [(f"a {word} film number {i}", word) for i in range(count) for word in ("good", "bad")]


def table(path, *, header=(), separator="\t", columns=None):
    columns = rows() if columns is None else columns
    lines = [separator.join(cells) for cells in ((header, *columns) if header else columns)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def everything(dataset):
    return {
        (text, dataset.labels[label])
        for split in dataset.splits.values()
        for text, label in zip(split.samples, split.labels, strict=True)
    }


def test_a_table_without_header_is_text_and_label(tmp_path):
    dataset = load(f"text:{table(tmp_path / 'x.tsv')}")

    assert dataset.labels == ("bad", "good")
    assert everything(dataset) == set(rows())
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 32,
        "validation": 4,
        "test": 4,
    }


def test_a_header_names_the_columns(tmp_path):
    turned = [(str(i), label, text) for i, (text, label) in enumerate(rows())]
    path = table(tmp_path / "x.csv", header=("id", "Label", "Text"), separator=",", columns=turned)

    assert everything(load(f"text:{path}")) == set(rows())


def test_a_csv_may_quote_and_break_lines(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text,label\n" + '"good, ""really""\ngood",1\n"bad, he said",0\n' * 10)

    dataset = load(f"text:{path}")

    assert everything(dataset) == {('good, "really"\ngood', "1"), ("bad, he said", "0")}


def test_quotes_in_a_tsv_are_text(tmp_path):
    path = table(tmp_path / "x.tsv", columns=[('"so" it is', "a"), ('an " inch', "b")] * 5)

    assert everything(load(f"text:{path}")) == {('"so" it is', "a"), ('an " inch', "b")}


def test_numbers_are_classes_by_size(tmp_path):
    columns = [(f"text {i}", str(i % 11)) for i in range(110)]

    dataset = load(f"text:{table(tmp_path / 'x.tsv', columns=columns)}")

    assert dataset.labels == tuple(str(i) for i in range(11))


def test_tables_of_one_folder_are_its_splits(tmp_path):
    table(tmp_path / "train.tsv", columns=rows(10))
    table(tmp_path / "test.tsv", columns=rows(3))

    dataset = load(f"text:{tmp_path}")

    assert len(dataset["test"]) == 6
    assert len(dataset["train"]) + len(dataset["validation"]) == 20


@pytest.mark.parametrize("names", [("r.pos", "r.neg"), ("pos.txt", "neg.txt")])
def test_a_file_per_class_has_a_text_a_line(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("".join(f"text {i}\n\n" for i in range(10)))

    dataset = load(f"text:{tmp_path}")

    assert dataset.labels == ("neg", "pos")
    assert sum(len(split) for split in dataset.splits.values()) == 20


def folders(root, count=10):
    for name in ("neg", "pos"):
        (root / name).mkdir(parents=True)
        for index in range(count):
            (root / name / f"{index}.txt").write_text(f"the {name} text {index}")


def test_a_folder_per_class_has_a_text_a_file(tmp_path):
    folders(tmp_path)

    dataset = load(f"text:{tmp_path}")

    assert dataset.labels == ("neg", "pos")
    assert ("the pos text 3", "pos") in everything(dataset)


def test_split_folders_are_honoured(tmp_path):
    folders(tmp_path / "train")
    folders(tmp_path / "test", count=4)

    assert len(load(f"text:{tmp_path}")["test"]) == 8


def test_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + b"good\ta\nbad\tb\n" * 5)

    assert everything(load(f"text:{path}")) == {("good", "a"), ("bad", "b")}


def test_the_vocabulary_is_of_the_training_texts_alone(tmp_path):
    columns = [(f"common word{i // 2} word{i // 2}", "ab"[i % 2]) for i in range(40)]
    dataset = load(f"text:{table(tmp_path / 'x.tsv', columns=columns)}")
    vocabulary = dataset.preprocessing_hints["vocabulary"]
    training = {word for text in dataset["train"].samples for word in text.split()}

    assert vocabulary[0] == "common"
    assert set(vocabulary) == training


def test_a_word_seen_once_is_unknown(tmp_path):
    columns = [(f"common once{i}", "ab"[i % 2]) for i in range(40)]

    dataset = load(f"text:{table(tmp_path / 'x.tsv', columns=columns)}")

    assert dataset.preprocessing_hints["vocabulary"] == ("common",)
    assert dataset.preprocessing((4,))(dataset["train"].samples[0]).tolist() == [2, 1, 0, 0]


def test_a_line_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes("good\ta\nclichéd\tb\n".encode("latin1"))

    with pytest.raises(InputError, match=r"x\.tsv, line 2: byte 0xe9 at column 6") as caught:
        load(f"text:{path}")
    assert "iconv" in caught.value.hint


def test_a_file_of_one_text_that_is_not_utf8_is_left_out_and_counted(tmp_path):
    folders(tmp_path)
    (tmp_path / "pos" / "3.txt").write_bytes("clichéd".encode("latin1"))

    with pytest.warns(DataWarning, match=r"1 file left out: .*3\.txt: byte 5 is not"):
        dataset = load(f"text:{tmp_path}")

    assert len(dataset.left_out) == 1
    assert dataset.record()["skipped"] == 1


def test_texts_without_words_are_left_out(tmp_path):
    path = table(tmp_path / "x.tsv", columns=[*rows(), ("...", "good")])

    with pytest.warns(DataWarning, match="line 41: no words"):
        load(f"text:{path}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\n", r"line 1: expected a text and a label, received: 1 column"),
        (b"one\ta\ntwo\t \n", r"line 2: .*the label empty"),
        (b"one\ta\ntwo\ta\n", r"one class \(a\)"),
        (b"", "no texts"),
        (b"".join(b"text %d\tlabel %d\n" % (i, i) for i in range(9)), "9 different labels for 9"),
        (b"one\ta\ntwo\tb\nx\ta\ny\ta\n", r"class 'b' has 1 sample"),
    ],
    ids=["one column", "no label", "one class", "empty", "columns swapped", "one sample"],
)
def test_a_table_that_cannot_serve_says_why(tmp_path, content, message):
    path = tmp_path / "x.tsv"
    path.write_bytes(content)

    with pytest.raises(InputError, match=message):
        load(f"text:{path}")


def test_a_class_that_training_lacks_is_named(tmp_path):
    table(tmp_path / "train.tsv", columns=rows(10))
    table(tmp_path / "test.tsv", columns=[*rows(3), ("hm", "strange")])

    with pytest.raises(InputError, match=r"test\.tsv, line 7: 'strange' \(test\) is a class"):
        load(f"text:{tmp_path}")


def test_an_empty_class_folder_is_named(tmp_path):
    folders(tmp_path)
    (tmp_path / "zzz").mkdir()

    with pytest.raises(InputError, match=r"class folder .*zzz holds no \.txt files"):
        load(f"text:{tmp_path}")


@pytest.mark.parametrize("name", ["text", "text:nowhere"])
def test_it_needs_its_place(name):
    with pytest.raises(InputError, match=r"needs its place|no such file or folder"):
        load(name)


def test_sentences_of_rt_polarity(shared_data):
    place = shared_data / "rt_polarity"
    if not place.is_dir():
        pytest.skip("no rt-polarity beside the project (../shared/data/rt_polarity)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        dataset = load(f"text:{place}")

    assert dataset.labels == ("neg", "pos")
    assert sum(len(split) for split in dataset.splits.values()) == 10_662
    assert abs(len(dataset["test"]) - 1066) <= 1
