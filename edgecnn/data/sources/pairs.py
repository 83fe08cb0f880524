"""Sentences with their translations, in UTF-8 or with a mark of UTF-16.

pairs.tsv                       source TAB target, a pair a line
train.tsv, val.tsv, test.tsv    in one folder: the splits as they are
talks.en, talks.fr              two parallel files: talks.en?target=talks.fr
train.en, train.fr, …           parallel files of each split: the folder with ?source=en&target=fr
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgecnn.data.base import SPLITS, Dataset, Split
from edgecnn.data.files.places import required_place
from edgecnn.data.files.text_decoding import check_encoding, is_text, text_lines, why_no_text
from edgecnn.data.files.tree import split_of
from edgecnn.data.left_out import LeftOut, described
from edgecnn.data.splits import Indices
from edgecnn.data.subword_vocabulary import DEFAULT_SIZE, train_vocabulary
from edgecnn.deprecation import old_names
from edgecnn.disjoint_sets import DisjointSets
from edgecnn.errors import InputError
from edgecnn.preprocessing.subwords import SubwordPreprocessing, clean

FRACTIONS = {"train": 0.9, "validation": 0.05, "test": 0.05}
FEWEST = 20
"""Pairs that a data set has at least: one for each split, and some to learn a vocabulary from."""
MOST_BAD = 0.1
"""Share of lines that do not fit from which on it is another format, not an odd line."""
USUAL_SHARE = 99.5
PIECES_A_WORD = 1.4
"""Subwords for a word or a mark, at a few thousand of them."""
SHORTEST, STEP = 16, 8
_EXPECTED = "a .tsv of source TAB target, a folder with train.tsv, or two parallel files"
_WORD = re.compile(r"\w+|[^\w\s]")
_HEADERS = frozenset(
    ("source", "target", "src", "tgt", "trg", "en", "fr", "de", "es", "it", "english", "french",
     "german", "spanish", "italian", "sentence", "translation", "text", "from", "to")
)  # fmt: skip


class SentencePair(NamedTuple):
    """A sentence and its translation; `where` is the file with the line."""

    source: str
    target: str
    where: str


@dataclass(frozen=True)
class PairSplit(Split):
    """Sentences with their translations; `labels` are zeros, for there are no classes."""

    targets: tuple[str, ...] = ()

    @property
    def ground_truth(self) -> Sequence[str]:
        """The translations."""
        return self.targets


@dataclass(frozen=True)
class Pairs(Dataset):
    """A data set whose answers are sentences. `vocabulary_size` is that of its subwords at most."""

    vocabulary_size: int = DEFAULT_SIZE

    def preprocessing(self, input_shape: Sequence[int]) -> SubwordPreprocessing:
        """For sequences (length,). The vocabulary is learned from the training split, when it is
        first asked for.
        """
        if len(input_shape) != 1:
            raise InputError(
                f"{self.name} holds sentences and needs an input (length,), "
                f"received: {tuple(input_shape)}"
            )
        return SubwordPreprocessing.of(self.vocabulary, int(input_shape[0]))

    @cached_property
    def vocabulary(self) -> bytes:
        """A sentencepiece model of both languages together."""
        train = self["train"]
        return train_vocabulary([*train.samples, *train.ground_truth], self.vocabulary_size)

    def summary(self) -> str:
        parts = [", ".join(f"{name} {len(split)}" for name, split in self.splits.items())]
        parts += self.notes
        if self.left_out:
            parts.append(described(self.left_out))
        return "; ".join(parts)


def load(
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    source: str = "",
    target: str = "",
    vocabulary: str = "",
    encoding: str = "",
) -> Dataset:
    """Pairs in Unicode's composed form (NFC), each once. Absent splits are carved by `seed`, a
    twentieth for each of validation and test, and pairs that share a sentence stay on one side; of
    splits that the files name, training loses the pairs of which validation or test hold a
    sentence. `target` is the file with the translations of a file with sentences; in a folder of
    parallel files `source` and `target` are the endings. `vocabulary` is the number of subwords at
    most.

    Left out are lines without two columns, with an empty side, and that cannot be decoded. Raises
    InputError, with the line, where that is more than a few of them, and for parallel files of
    different length.
    """
    place = required_place(data_dir, "pairs", _EXPECTED)
    check_encoding(encoding)
    size = _size(vocabulary)
    reader = _Reader(encoding)
    try:
        pairs_by_split = reader.splits(place, source, target)
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    notes: list[str] = []
    unique = {split: _once(pairs) for split, pairs in pairs_by_split.items()}
    repeated = sum(map(len, pairs_by_split.values())) - sum(map(len, unique.values()))
    if repeated:
        notes.append(f"{repeated} repeated pairs used once")
    apart, dropped = _apart(unique)
    if dropped:
        notes.append(
            f"{dropped} training pairs left out: validation or test hold a sentence of them"
        )
    count = sum(map(len, apart.values()))
    if count < FEWEST:
        raise InputError(
            f"{place}: {count} {'pair' if count == 1 else 'pairs'}, expected at least {FEWEST}",
            hint=f"expected {_EXPECTED}",
        )
    splits = _carved(apart, seed)
    texts = [text for pair in splits["train"] for text in pair[:2]]
    return Pairs(
        name=place.resolve().stem if place.is_file() else place.resolve().name,
        task="translation",
        labels=(),
        splits={name: _split(pairs) for name, pairs in splits.items()},
        sha256=_digest(splits),
        sample_shape=(_usual_length(texts),),
        source="pairs",
        seed=seed,
        left_out=tuple(reader.left_out),
        notes=tuple(notes),
        modality="text",
        vocabulary_size=size,
    )


class _Reader:
    """Reads the files of a place, noting what is left out."""

    def __init__(self, encoding: str) -> None:
        self.left_out: list[LeftOut] = []
        self._encoding = encoding

    def splits(self, place: Path, source: str, target: str) -> dict[str, list[SentencePair]]:
        """The pairs of each split that the files name; all as "train" where none does."""
        if place.is_file():
            if target:
                return {"train": self._parallel(place, _sibling(place, target))}
            return {"train": self._table(place)}
        if source or target:
            return self._parallel_folder(place, source, target)
        tables = sorted(place.glob("*.tsv"))
        named = {split: path for path in tables if (split := split_of(path.stem))}
        if "train" not in named:
            if len(tables) == 1:
                return {"train": self._table(tables[0])}
            names = ", ".join(path.name for path in sorted(place.iterdir())[:6]) or "nothing"
            raise InputError(
                f"{place} holds {names}, and no train.tsv",
                hint="name the file itself, or for train.en and train.fr: ?source=en&target=fr",
            )
        return {split: self._table(named[split]) for split in SPLITS if split in named}

    def _parallel_folder(
        self, place: Path, source: str, target: str
    ) -> dict[str, list[SentencePair]]:
        if not (source and target):
            raise InputError(
                "parallel files of a folder need both languages", hint="?source=en&target=fr"
            )
        splits = {}
        for path in sorted(place.glob(f"*.{source.lstrip('.')}")):
            split = split_of(path.stem)
            if split:
                splits[split] = self._parallel(
                    path, _sibling(path, path.stem + "." + target.lstrip("."))
                )
        if "train" not in splits:
            raise InputError(f"{place} holds no train.{source.lstrip('.')}", hint=_EXPECTED)
        return {split: splits[split] for split in SPLITS if split in splits}

    def _table(self, path: Path) -> list[SentencePair]:
        lines = text_lines(path, self._encoding, source="pairs")
        pairs: list[SentencePair] = []
        bad: list[LeftOut] = []
        for number, line in enumerate(lines, start=1):
            where = f"{path.name}, line {number}"
            cells = line.split("\t")
            if not line.strip():
                continue
            if not is_text(line):
                bad.append(LeftOut(where, why_no_text(line), "row"))
            elif len(cells) != 2:
                columns = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
                bad.append(LeftOut(where, f"{columns}, expected source TAB target", "row"))
            elif number == 1 and {cell.strip().casefold() for cell in cells} <= _HEADERS:
                continue
            else:
                self._add(pairs, bad, cells[0], cells[1], where)
        return self._judged(path, pairs, bad)

    def _parallel(self, source: Path, target: Path) -> list[SentencePair]:
        sides = [text_lines(path, self._encoding, source="pairs") for path in (source, target)]
        if len(sides[0]) != len(sides[1]):
            raise InputError(
                f"{source.name} has {len(sides[0])} lines, {target.name} {len(sides[1])}",
                hint="parallel files hold a sentence and its translation in the same line",
            )
        pairs: list[SentencePair] = []
        bad: list[LeftOut] = []
        for number, (one, other) in enumerate(zip(*sides, strict=True), start=1):
            for path, line in ((source, one), (target, other)):
                if not is_text(line):
                    where = f"{path.name}, line {number}"
                    bad.append(LeftOut(where, why_no_text(line), "row"))
                    break
            else:
                self._add(pairs, bad, one, other, f"{source.name}, line {number}")
        return self._judged(source, pairs, bad)

    @staticmethod
    def _add(
        pairs: list[SentencePair], bad: list[LeftOut], one: str, other: str, where: str
    ) -> None:
        pair = SentencePair(clean(one), clean(other), where)
        if pair.source and pair.target:
            pairs.append(pair)
        else:
            side = "source" if not pair.source else "target"
            bad.append(LeftOut(where, f"the {side} is empty", "row"))

    def _judged(
        self, path: Path, pairs: list[SentencePair], bad: list[LeftOut]
    ) -> list[SentencePair]:
        total = len(pairs) + len(bad)
        if bad and len(bad) > MOST_BAD * total:
            first = bad[0]
            raise InputError(
                f"{path.parent / first.file}: {first.reason} ({len(bad)} of {total} lines)",
                hint="a line is source TAB target, in UTF-8; cut -f1,2 keeps two columns",
            )
        self.left_out += bad
        return pairs


def _size(text: str) -> int:
    if not text:
        return DEFAULT_SIZE
    if not text.isascii() or not text.isdecimal() or not 300 <= int(text) <= 100_000:
        raise InputError(
            f"a vocabulary has 300 to 100000 subwords (256 of them are bytes), received: {text!r}"
        )
    return int(text)


def _sibling(path: Path, name: str) -> Path:
    other = path.parent / name
    if not other.is_file():
        raise InputError(f"no such file: {other}", hint=f"the translations of {path.name}")
    return other


def _once(pairs: Iterable[SentencePair]) -> list[SentencePair]:
    return list({(pair.source, pair.target): pair for pair in reversed(list(pairs))}.values())[::-1]


def _apart(splits: Mapping[str, list[SentencePair]]) -> tuple[dict[str, list[SentencePair]], int]:
    """Without the training pairs of which another split holds a sentence, and their number."""
    held = {
        text for name in splits if name != "train" for pair in splits[name] for text in pair[:2]
    }
    kept = [pair for pair in splits["train"] if not held & {pair.source, pair.target}]
    return {**splits, "train": kept}, len(splits["train"]) - len(kept)


def _carved(splits: Mapping[str, list[SentencePair]], seed: int) -> dict[str, list[SentencePair]]:
    absent = [name for name in SPLITS if name not in splits]
    if not absent:
        return {name: splits[name] for name in SPLITS}
    pairs = splits["train"]
    groups = _groups(pairs)
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(index)
    chosen: dict[str, list[int]] = {name: [] for name in absent}
    waiting = [int(group) for group in order]
    for name in absent:
        wanted = max(1, round(FRACTIONS[name] * len(pairs)))
        # A group larger than what is wanted (one short answer to many sentences) stays in training.
        for group in list(waiting):
            if len(chosen[name]) >= wanted:
                break
            if len(members[group]) <= wanted - len(chosen[name]):
                chosen[name] += members[group]
                waiting.remove(group)
    taken = {index for indices in chosen.values() for index in indices}
    carved = {name: [pairs[index] for index in sorted(indices)] for name, indices in chosen.items()}
    carved["train"] = [pair for index, pair in enumerate(pairs) if index not in taken]
    merged = {**splits, **carved}
    empty = [name for name in SPLITS if not merged[name]]
    if empty:
        raise InputError(
            f"the split {empty[0]!r} would be empty: the pairs share their sentences",
            hint="use pairs of different sentences",
        )
    return {name: merged[name] for name in SPLITS}


def _groups(pairs: Sequence[SentencePair]) -> Indices:
    """A number for each pair; pairs that share a sentence, directly or through others, have one."""
    sets = DisjointSets(len(pairs))
    first: dict[str, int] = {}
    for index, pair in enumerate(pairs):
        for text in pair[:2]:
            sets.join(index, first.setdefault(text, index))
    leaders = np.asarray([sets.leader(index) for index in range(len(pairs))])
    return np.unique(leaders, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _split(pairs: Sequence[SentencePair]) -> PairSplit:
    sources = tuple(pair.source for pair in pairs)
    return PairSplit(sources, np.zeros(len(pairs), np.int64), tuple(pair.target for pair in pairs))


def _digest(splits: Mapping[str, Sequence[SentencePair]]) -> str:
    digest = hashlib.sha256(b"pairs")
    for name, pairs in splits.items():
        digest.update(f"\0{name}\0{len(pairs)}".encode())
        for pair in pairs:
            digest.update(f"\0{pair.source}\t{pair.target}".encode())
    return digest.hexdigest()


def _usual_length(texts: Sequence[str]) -> int:
    """Subwords, start and end counted in, that nearly all sentences have at most."""
    words = [len(_WORD.findall(text)) for text in texts]
    usual = float(np.percentile(words, USUAL_SHARE)) * PIECES_A_WORD + 2
    return max(SHORTEST, int(np.ceil(usual / STEP)) * STEP)


__getattr__ = old_names(__name__, {"Pair": "SentencePair"})
