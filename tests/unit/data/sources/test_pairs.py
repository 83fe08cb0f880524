"""Sentences with their translations, as files hold them."""

from __future__ import annotations

import pytest

import edgecnn.data
from edgecnn.data import DataWarning
from edgecnn.data.inspection.inspect import inspect
from edgecnn.data.sources.pairs import PairSplit
from edgecnn.errors import InputError
from edgecnn.preprocessing import SubwordPreprocessing


def lines(count, start=0):
    return [f"dog number {i} runs\tle chien {i} court" for i in range(start, start + count)]


def write(path, rows, encoding="utf-8"):
    path.write_bytes(("\n".join(rows) + "\n").encode(encoding))
    return path


def load(place, **options):
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return edgecnn.data.load(f"pairs:{place}" + (f"?{query}" if query else ""))


def everything(dataset):
    return [
        (name, source, target)
        for name, split in dataset.splits.items()
        for source, target in zip(split.samples, split.ground_truth, strict=True)
    ]


def test_one_file_is_divided(tmp_path):
    dataset = load(write(tmp_path / "all.tsv", lines(100)))

    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 90,
        "validation": 5,
        "test": 5,
    }
    assert dataset.task == "translation"
    assert isinstance(dataset["test"], PairSplit)
    assert ("dog number 7 runs", "le chien 7 court") in [pair[1:] for pair in everything(dataset)]


def test_equal_sentences_stay_on_one_side(tmp_path):
    rows = [f"sentence {i // 3}\tphrase {i}" for i in range(90)]
    rows += [f"other {i}\tautre {i // 3}" for i in range(90)]
    dataset = load(write(tmp_path / "all.tsv", rows))

    sides = {}
    for name, source, target in everything(dataset):
        for text in (source, target):
            assert sides.setdefault(text, name) == name
    assert len(dataset["validation"]) > 0 < len(dataset["test"])


def test_the_files_splits_are_kept_and_what_they_share_leaves_training(tmp_path):
    write(tmp_path / "train.tsv", lines(40))
    write(tmp_path / "val.tsv", [*lines(5, 100), "dog number 3 runs\tun autre chien"])
    write(tmp_path / "test.tsv", lines(5, 200))
    dataset = load(tmp_path)

    assert [len(dataset[name]) for name in ("train", "validation", "test")] == [39, 6, 5]
    assert "1 training pairs left out" in dataset.summary()


def test_repeated_pairs_count_once(tmp_path):
    dataset = load(write(tmp_path / "all.tsv", [*lines(50), *lines(50)]))

    assert len(everything(dataset)) == 50
    assert "50 repeated pairs" in dataset.summary()


def test_letters_are_composed(tmp_path):
    rows = [*lines(40), "caf\u0065\u0301\tcafe\u0301", "caf\u00e9\tcaf\u00e9"]
    dataset = load(write(tmp_path / "all.tsv", rows))

    assert len(everything(dataset)) == 41
    assert any(source == "café" for _, source, _ in everything(dataset))


def test_a_header_is_no_pair(tmp_path):
    dataset = load(write(tmp_path / "all.tsv", ["English\tFrench", *lines(30)]))

    assert len(everything(dataset)) == 30


def test_odd_lines_are_left_out_and_named(tmp_path):
    rows = lines(60)
    rows[3] += "\tthird"
    rows[7] = "only one"
    rows[11] = "empty target\t "
    with pytest.warns(DataWarning, match="line 4: 3 columns"):
        dataset = load(write(tmp_path / "all.tsv", rows))

    assert len(everything(dataset)) == 57
    assert [entry.file for entry in dataset.left_out] == [
        "all.tsv, line 4",
        "all.tsv, line 8",
        "all.tsv, line 12",
    ]


def test_three_columns_throughout_are_refused_with_the_line(tmp_path):
    path = write(tmp_path / "all.tsv", [f"{row}\tCC-BY" for row in lines(30)])

    with pytest.raises(InputError, match=r"line 1: 3 columns.*30 of 30") as caught:
        load(path)
    assert "cut -f1,2" in caught.value.hint


def test_a_broken_encoding_is_refused_with_the_line(tmp_path):
    path = write(tmp_path / "all.tsv", [f"caf\u00e9 {i}\t\u00e9t\u00e9 {i}" for i in range(30)],
                 "windows-1252")  # fmt: skip

    with pytest.raises(InputError, match="line 1: byte 0xe9") as caught:
        load(path)
    assert "pairs:all.tsv?encoding=windows-1252" in caught.value.hint
    assert len(everything(load(path, encoding="windows-1252"))) == 30


def test_parallel_files(tmp_path):
    write(tmp_path / "talks.en", [f"dog {i}" for i in range(30)])
    write(tmp_path / "talks.fr", [f"chien {i}" for i in range(30)])
    dataset = load(tmp_path / "talks.en", target="talks.fr")

    assert ("dog 4", "chien 4") in [pair[1:] for pair in everything(dataset)]


def test_parallel_files_of_a_folder(tmp_path):
    for split, count in (("train", 30), ("val", 3), ("test", 4)):
        write(tmp_path / f"{split}.en", [f"{split} dog {i}" for i in range(count)])
        write(tmp_path / f"{split}.fr", [f"{split} chien {i}" for i in range(count)])
    dataset = load(tmp_path, source="en", target="fr")

    assert [len(dataset[name]) for name in ("train", "validation", "test")] == [30, 3, 4]


def test_parallel_files_of_different_length_are_refused(tmp_path):
    write(tmp_path / "a.en", [f"dog {i}" for i in range(30)])
    write(tmp_path / "a.fr", [f"chien {i}" for i in range(29)])

    with pytest.raises(InputError, match=r"30 lines, a\.fr 29"):
        load(tmp_path / "a.en", target="a.fr")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vocabulary": "0"}, "300 to 100000"),
        ({"vocabulary": "many"}, "300 to 100000"),
        ({"target": "nobody.fr"}, "no such file"),
        ({"encoding": "klingon"}, "unknown encoding"),
        ({"color": "red"}, "no option"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, said):
    path = write(tmp_path / "all.tsv", lines(30))

    with pytest.raises(InputError, match=said):
        load(path, **options)


def test_too_few_pairs_are_refused(tmp_path):
    with pytest.raises(InputError, match="3 pairs, expected at least"):
        load(write(tmp_path / "all.tsv", lines(3)))


def test_one_answer_to_everything_leaves_nothing_to_test(tmp_path):
    path = write(tmp_path / "all.tsv", [f"question {i}\tyes" for i in range(40)])

    with pytest.raises(InputError, match=r"the split .* would be empty"):
        load(path)


def test_it_can_be_inspected(tmp_path):
    found = inspect(load(write(tmp_path / "all.tsv", [*lines(40), "dog number 1 runs\tun chien"])))

    assert sum(counts["pair"] for counts in found.counts.values()) == 41
    assert not found.conflicts


def test_the_vocabulary_is_learned_from_training_alone(tmp_path):
    write(tmp_path / "train.tsv", lines(60))
    write(tmp_path / "val.tsv", lines(5, 300))
    write(tmp_path / "test.tsv", ["zyzzyva qat\tzyzzyva qat"] * 1 + lines(4, 400))
    prepared = load(tmp_path, vocabulary=400).preprocessing((24,))

    assert isinstance(prepared, SubwordPreprocessing)
    assert all("zyzz" not in piece for piece in prepared.pieces("zyzzyva"))
    assert prepared.decode(prepared.encode("zyzzyva qat")) == "zyzzyva qat"
