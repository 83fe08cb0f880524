"""Texts from every common layout; what cannot be read is named with its line."""

from __future__ import annotations

import json
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

    with pytest.warns(DataWarning, match=r"1 file left out: .*3\.txt: line 1: byte 0xe9 at"):
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
        (b"one\ta\ntwo\t \n", r"one class \(a\); 1 row left out: x.tsv, line 2: the label is"),
        (b"one\ta\ntwo\ta\n", r"one class \(a\)"),
        (b"", "no texts"),
        (b"".join(b"text %d\tlabel %d\n" % (i, i) for i in range(9)), "9 different labels for 9"),
        (b"one\ta\ntwo\tb\nx\ta\ny\ta\n", r"one class \(a\); .*class 'b' has 1 samp"),
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

    with pytest.warns(DataWarning, match=r"test\.tsv, line 7: 'strange' \(test\) is a class"):
        assert len(load(f"text:{tmp_path}")["test"]) == 6


def test_an_empty_class_folder_is_named(tmp_path):
    folders(tmp_path)
    (tmp_path / "zzz").mkdir()

    with pytest.warns(DataWarning, match=r"zzz: it holds no \.txt files"):
        assert load(f"text:{tmp_path}").labels == ("neg", "pos")


@pytest.mark.parametrize("name", ["text", "text:nowhere"])
def test_it_needs_its_place(name):
    with pytest.raises(InputError, match=r"needs a path|no such file or folder"):
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


COLUMNS = [(f"a {word} film, number {i}; really", word) for i in range(20) for word in ("no", "ok")]


def csv_of(header=("text", "label"), delimiter=",", columns=COLUMNS):
    def cell(value):
        return '"' + value.replace('"', '""') + '"' if delimiter in value else value

    lines = [
        delimiter.join(map(cell, cells)) for cells in ((header, *columns) if header else columns)
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-32-le", b"\xff\xfe\0\0"),
        ("utf-16-le", b""),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_save_is_read(tmp_path, encoding, mark, ending):
    path = tmp_path / "x.csv"
    path.write_bytes(mark + csv_of(delimiter="\t").replace("\n", ending).encode(encoding))

    dataset = load(f"text:{path}")

    assert everything(dataset) == set(COLUMNS)
    assert dataset.left_out == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.txt"])
def test_the_delimiter_is_the_one_that_makes_columns(tmp_path, delimiter, name):
    path = tmp_path / name
    path.write_text(csv_of(delimiter=delimiter))

    assert everything(load(f"text:{path}")) == set(COLUMNS)


@pytest.mark.parametrize(
    ("header", "order"),
    [
        (("Message", "Target"), (0, 1)),
        (("review", "sentiment"), (0, 1)),
        (("v1", "v2"), (1, 0)),
        (("Category", "Message"), (1, 0)),
        (("tweet_text", "airline_sentiment"), (0, 1)),
        (("CLASS", "Sentence"), (1, 0)),
        (("Wortlaut", "Urteil"), (0, 1)),
        (("Urteil", "Wortlaut"), (1, 0)),
        (None, (0, 1)),
        (None, (1, 0)),
    ],
)
def test_columns_are_known_by_their_names_or_by_their_content(tmp_path, header, order):
    columns = [tuple(cells[at] for at in order) for cells in COLUMNS]
    path = tmp_path / "x.csv"
    path.write_text(csv_of(header, columns=columns))

    assert everything(load(f"text:{path}")) == set(COLUMNS)


def test_the_line_says_which_columns_were_taken(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(csv_of(("Message", "Target")))

    assert "text from 'Message', labels from 'Target'" in load(f"text:{path}").summary()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("only a text", "received: 1"),
        ("a text,", "the label is empty"),
        ('"never closed,ok', "never closed"),
        ("a, b, c, d,ok", "received: 5"),
    ],
)
def test_an_odd_row_is_left_out_and_the_others_stay(tmp_path, line, reason):
    path = tmp_path / "x.csv"
    path.write_text(csv_of() + line + "\n" + csv_of(None))

    with pytest.warns(DataWarning, match=r"1 row left out: x\.csv, line 42: .*" + reason):
        dataset = load(f"text:{path}")

    assert everything(dataset) == set(COLUMNS)


def test_a_row_that_is_not_utf8_is_left_out_with_its_byte(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(csv_of().encode() + "cliché,ok\n".encode("latin1"))

    with pytest.warns(DataWarning, match=r"x\.csv, line 42: byte 0xe9 at column 6 is not UTF-8"):
        load(f"text:{path}")


def test_another_encoding_is_read_by_its_name_which_the_hint_gives(tmp_path):
    columns = [(f"très bon café numéro {i}", word) for i in range(20) for word in ("no", "ok")]
    path = tmp_path / "x.csv"
    path.write_bytes(csv_of(columns=columns).encode("cp1252"))

    with pytest.raises(InputError, match="is not UTF-8") as caught:
        load(f"text:{path}")
    assert "text:x.csv?encoding=windows-1252" in caught.value.hint
    assert everything(load(f"text:{path}?encoding=windows-1252")) == set(columns)
    with pytest.raises(InputError, match="unknown encoding"):
        load(f"text:{path}?encoding=martian")


def test_a_test_table_without_labels_is_left_out(tmp_path):
    (tmp_path / "train.csv").write_text(csv_of())
    (tmp_path / "test.csv").write_text("id,text\n" + "".join(f"{n},a text {n}\n" for n in range(9)))

    with pytest.warns(DataWarning, match=r"1 file left out: test\.csv"):
        dataset = load(f"text:{tmp_path}")

    assert len(dataset["test"]) == 4


def test_lines_of_json_and_of_fasttext_are_tables_too(tmp_path):
    objects = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in COLUMNS)
    (tmp_path / "x.jsonl").write_text(objects)
    lines = "".join(f"__label__{label} {text}\n" for text, label in COLUMNS)
    (tmp_path / "x.txt").write_text(lines)

    assert everything(load(f"text:{tmp_path / 'x.jsonl'}")) == set(COLUMNS)
    assert everything(load(f"text:{tmp_path / 'x.txt'}")) == set(COLUMNS)


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "dev")])
def test_split_folders_go_by_their_usual_names(tmp_path, names):
    folders(tmp_path / "aclImdb" / names[0])
    folders(tmp_path / "aclImdb" / names[1], count=4)
    (tmp_path / "__MACOSX").mkdir()

    sizes = {name: len(split) for name, split in load(f"text:{tmp_path}").splits.items()}

    assert 8 in sizes.values()
    assert sum(sizes.values()) == 28
