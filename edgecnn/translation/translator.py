"""Load a sequence model with the vocabulary that belongs to it, and answer sentences."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.files import read_file
from edgecnn.formats.kinds import graphs_in
from edgecnn.formats.seq2seq.archive import read_spec
from edgecnn.manifest import Artifact
from edgecnn.preprocessing import SubwordPreprocessing
from edgecnn.preprocessing.subwords import MAX_MODEL_BYTES, clean
from edgecnn.registry import RUNTIMES
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes import check_format, parse_configuration, reference_runtime
from edgecnn.runtimes.sequences import SequenceSession, Spent
from edgecnn.sequences.search import Decoding, Hypothesis

MAX_CHARACTERS = 1 << 20
"""Of one text: more is not a sentence, whatever it is."""
MOSTLY_BYTES = 0.5
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True)
class Translation:
    """One answer. `source_pieces` and `pieces` are the subwords of both, their ends counted in;
    `attention` (pieces, source_pieces) says where each was read from. `warnings` are reasons not to
    rely on it.

    Of a text that was too long for the model in one piece, `parts` are the sentences, each an
    answer of its own, and `spent` is what they took together; subwords, attention and hypothesis
    are the last sentence's.
    """

    text: str
    source: str
    source_pieces: tuple[str, ...]
    pieces: tuple[str, ...]
    attention: npt.NDArray[np.float32]
    hypothesis: Hypothesis
    alternatives: tuple[tuple[str, float], ...]
    spent: Spent
    warnings: tuple[str, ...] = ()
    parts: tuple[Translation, ...] = ()

    @property
    def sentences(self) -> tuple[Translation, ...]:
        """What was answered in one piece each: `parts`, or the whole."""
        return self.parts or (self,)


@dataclass(frozen=True)
class Translator:
    """A loaded sequence model. `vocabulary` says what its ids stand for."""

    session: SequenceSession
    vocabulary: SubwordPreprocessing
    artifact: Artifact

    def translate(self, text: str, decoding: Decoding | None = None) -> Translation:
        """Translate a sentence; several, where they are too long for the model together, one
        after the other.

        Raises InputError for an empty text, and for a sentence that is too long for the model.
        """
        if len(text) > MAX_CHARACTERS:
            raise InputError(
                f"a text of {len(text):,} characters, expected at most {MAX_CHARACTERS:,}",
                hint="divide it into sentences",
            )
        cleaned = clean(text)
        if not cleaned:
            raise InputError("nothing to translate: the text is empty", hint="pass a sentence")
        parts = [cleaned]
        if self.vocabulary.count(cleaned) > self.session.length:
            parts = _SENTENCE_END.split(cleaned)
        for part in parts:
            needed = self.vocabulary.count(part)
            if needed > self.session.length:
                raise InputError(
                    f"a sentence of {len(part.split()):,} words is {needed:,} subwords, the model "
                    f"reads {self.session.length}: {part[:40]!r}…",
                    hint="divide it into shorter sentences",
                )
        answered = [self._one(part, decoding) for part in parts]
        if len(answered) == 1:
            return answered[0]
        joined = " ".join(each.text for each in answered)
        warnings = tuple(dict.fromkeys(note for each in answered for note in each.warnings))
        last = answered[-1]
        return Translation(
            joined, cleaned, last.source_pieces, last.pieces, last.attention, last.hypothesis,
            (), _together([each.spent for each in answered]), warnings, tuple(answered),
        )  # fmt: skip

    def _one(self, text: str, decoding: Decoding | None) -> Translation:
        words = self.vocabulary
        ids = words.with_length(self.session.length)(text)[None]
        answer = self.session.answer(ids.astype(self.session.inputs[0].dtype), decoding)
        read = words.named(ids[0][ids[0] != 0])
        written = words.named([*answer.best.ids, 3])[: len(answer.attention)]
        warnings = []
        spelled = sum(_BYTE.fullmatch(piece) is not None for piece in read)
        if spelled > MOSTLY_BYTES * len(read):
            warnings.append(
                "most of the text is spelled in bytes: the model has learned no words of its script"
            )
        if not answer.best.ended:
            warnings.append(f"the answer was cut off at {self.session.length - 1} subwords")
        return Translation(
            words.decode(answer.best.ids),
            text,
            tuple(read),
            tuple(written),
            answer.attention,
            answer.best,
            tuple((words.decode(each.ids), each.score) for each in answer.alternatives),
            answer.spent,
            tuple(warnings),
        )


def _together(spent: Sequence[Spent]) -> Spent:
    return Spent(
        sum(each.encoder_ns for each in spent),
        [step for each in spent for step in each.step_ns],
        sum(each.sentence_ns for each in spent),
        sum(each.ids for each in spent),
    )


def load_translator(
    path: Path,
    runtime: str = "",
    *,
    threads: int = 1,
    beam: int = 0,
    vocabulary: Path | None = None,
) -> Translator:
    """Load a model file; `runtime` is a configuration such as "litert:cpu", by default the
    reference runtime of the file's format. `beam` 0 is what the model ships with. `vocabulary` is
    a sentencepiece model where the manifest was lost.

    Raises InputError for a file that is not a sequence model, and for a vocabulary that is not the
    one it was trained with.
    """
    artifact = load_artifact(path)
    name, device = parse_configuration(runtime or f"{reference_runtime(path)}:cpu")
    chosen = RUNTIMES.load(name)
    check_format(path, chosen)
    words = _vocabulary(artifact, vocabulary)
    session = chosen.open_model(path, device, RuntimeOptions(threads=threads, beam=beam))
    if not isinstance(session, SequenceSession):
        raise InputError(
            f"{path.name} does not answer with sentences",
            hint="translation takes a model that was trained on pairs of sentences",
        )
    if words is None:
        raise InputError(
            f"{path.name}: the vocabulary is unknown (no manifest, no vocabulary inside)",
            hint="pass its sentencepiece model: --vocabulary FILE",
        )
    return Translator(session, words, artifact)


def _vocabulary(artifact: Artifact, given: Path | None) -> SubwordPreprocessing | None:
    """The vocabulary of the manifest, or the one given, checked against the digest in the file."""
    known = artifact.manifest.preprocessing
    words = known if isinstance(known, SubwordPreprocessing) else None
    length = words.length if words else 0
    wanted = words.digest if words else ""
    if graphs_in(artifact.format):
        spec = read_spec(artifact.path)
        length = spec.length
        if spec.vocabulary_sha256 and words and words.digest != spec.vocabulary_sha256:
            raise _other_vocabulary("the vocabulary in its manifest", words.digest, artifact)
        wanted = spec.vocabulary_sha256 or wanted
    if given is None:
        return words
    content = read_file(given, limit=MAX_MODEL_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if wanted and digest != wanted:
        raise _other_vocabulary(str(given), digest, artifact)
    return SubwordPreprocessing.of(content, max(length, 2))


def _other_vocabulary(what: str, digest: str, artifact: Artifact) -> InputError:
    return InputError(
        f"{what} (sha256 {digest[:12]}…) is not the vocabulary that {artifact.name} was trained "
        "with: its ids would mean other words",
        hint="use the sentencepiece model of the same training, or leave --vocabulary out",
    )
