"""Explain a sequence model: the attention behind each word of an answer, and how many words
its convolutions see at a time.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.registry import lookup
from edgecnn.reporting.assets import read
from edgecnn.reporting.charts.attention import attention_spec
from edgecnn.text import clean
from edgecnn.translation import Translation, load_translator
from edgecnn.version import __version__

SCHEMA_VERSION = 1
SHOWN = 5
"""Alternatives on the page."""
MOST_DRAWN = 12
"""Sentences whose attention is drawn; a .json file has all of them."""


@dataclass(frozen=True)
class SentenceExplanation:
    """One answer with what it rests on. `reads` and `writes` are receptive fields in subwords, None
    where the model file does not say how many layers it has.
    """

    name: str
    sha256: str
    runtime: str
    beam: int
    translation: Translation
    reads: int | None
    writes: int | None
    words_a_piece: float
    """Words of the source for a subword of it."""

    @property
    def field(self) -> str:
        """The receptive field in words."""
        if self.reads is None or self.writes is None:
            return "The file does not say how many layers it has."
        return (
            f"A unit of the encoder's last layer sees {self.reads} subwords of the source, about "
            f"{self.reads * self.words_a_piece:.0f} words here; the decoder writes from the "
            f"{self.writes} subwords written last, and looks at the whole source by attention."
        )


def explain_sentence(
    model: Path, text: str, *, runtime: str = "", beam: int = 0
) -> SentenceExplanation:
    """Translate `text` and gather what the answer rests on.

    Raises InputError for a file that is not a sequence model, and for a text that it cannot read.
    """
    translator = load_translator(model, runtime, beam=beam)
    translation = translator.translate(text)
    session = translator.session
    return SentenceExplanation(
        translator.artifact.name,
        translator.artifact.sha256,
        session.effective.runtime_version,
        session.decoding.beam,
        translation,
        session.reads or None,
        session.writes or None,
        _words_a_piece(translation.sentences),
    )


def _words_a_piece(sentences: Sequence[Translation]) -> float:
    words = sum(len(each.source.split()) for each in sentences)
    return words / max(1, sum(len(each.source_pieces) - 1 for each in sentences))


def write(explanation: SentenceExplanation, path: Path) -> None:
    """Write `.html`, `.png` or `.json`. Raises InputError for another ending."""
    check_ending(path)
    content = lookup("explanation", path.suffix.lower(), _RENDERERS)(explanation)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def check_ending(path: Path) -> None:
    """Raise InputError for an ending that nothing is written as."""
    if path.suffix.lower() not in _RENDERERS:
        raise InputError(
            f"cannot write the explanation of a sentence as {path.suffix or 'no ending'}",
            hint=f"known endings: {', '.join(_RENDERERS)}",
        )


def _matrix(sentence: Translation) -> dict[str, Any]:
    return attention_spec(
        sentence.attention,
        [clean(each, 24) for each in sentence.pieces],
        [clean(each, 24) for each in sentence.source_pieces],
    )


def _framed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A chart with room around it: the legend's title is wider than the legend."""
    return {**spec, "background": "white", "padding": 12}


def _png(explanation: SentenceExplanation) -> bytes:
    """The attention matrices of all sentences under each other."""
    import vl_convert

    drawn = [_matrix(each) for each in explanation.translation.sentences[:MOST_DRAWN]]
    spec = drawn[0] if len(drawn) == 1 else {"vconcat": drawn}
    return bytes(vl_convert.vegalite_to_png(_framed(spec), scale=2))


def _json(explanation: SentenceExplanation) -> bytes:
    answer = explanation.translation
    document = {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": explanation.name, "sha256": explanation.sha256},
        "runtime": explanation.runtime,
        "beam": explanation.beam,
        "source": answer.source,
        "answer": answer.text,
        "warnings": list(answer.warnings),
        **(dict.fromkeys(_SENTENCE_KEYS) if answer.parts else _sentence(answer)),
        "sentences": [
            {"source": each.source, "answer": each.text, **_sentence(each)} for each in answer.parts
        ],
        "receptive_field": {
            "encoder": explanation.reads,
            "decoder": explanation.writes,
            "words": explanation.field,
        },
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


_SENTENCE_KEYS = ("score", "source_pieces", "pieces", "attention", "alternatives")
"""Of one sentence; null where a text has several."""


def _sentence(answer: Translation) -> dict[str, Any]:
    values = (
        answer.hypothesis.score,
        list(answer.source_pieces),
        list(answer.pieces),
        [[round(float(value), 5) for value in row] for row in answer.attention],
        [{"text": text, "score": score} for text, score in answer.alternatives],
    )
    return dict(zip(_SENTENCE_KEYS, values, strict=True))


def _charts(sentences: Sequence[Translation]) -> str:
    """The attention of each sentence; of several, under what was read and what was written."""
    import vl_convert

    parts = []
    for sentence in sentences[:MOST_DRAWN]:
        if len(sentences) > 1:
            read_, written = (html.escape(clean(t, 400)) for t in (sentence.source, sentence.text))
            parts.append(f"<h3>{read_}</h3><p>{written}</p>")
        svg = str(vl_convert.vegalite_to_svg(_framed(_matrix(sentence))))
        parts.append(f'<div role="img" aria-label="Attention matrix">{svg}</div>')
    if len(sentences) > MOST_DRAWN:
        parts.append(
            f"<p>The first {MOST_DRAWN} of {len(sentences)} sentences; a .json file has all.</p>"
        )
    return "\n".join(parts)


def _html(explanation: SentenceExplanation) -> bytes:
    answer = explanation.translation
    others = "".join(
        f"<tr><td>{score:.3f}</td><td>{html.escape(clean(text, 400))}</td></tr>"
        for text, score in answer.alternatives[:SHOWN]
    )
    table = f"<h2>Other hypotheses</h2><table>{others}</table>" if others else ""
    warned = "".join(f"<p><strong>{html.escape(each)}</strong></p>" for each in answer.warnings)
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(clean(explanation.name))}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{read("page.css")}
main {{ max-width: 70rem; margin: 2rem auto; padding: 0 1rem; overflow-x: auto }}</style></head>
<body><main>
<h1>What {html.escape(clean(explanation.name, 60))} reads</h1>
<p>{html.escape(clean(answer.source, 2000))}</p>
<p><strong>{html.escape(clean(answer.text, 2000))}</strong></p>
{warned}<h2>Attention</h2>
<p>A row is a subword of the answer, a column one of the source; dark is where it looked.</p>
{_charts(answer.sentences)}
<h2>Receptive field</h2><p>{html.escape(explanation.field)}</p>
{table}
<footer><p>edgecnn {__version__}, {html.escape(clean(explanation.runtime, 80))}, beam
{explanation.beam}, sha256 {explanation.sha256[:16]}…</p></footer>
</main></body></html>
"""
    return page.encode()


_RENDERERS: Mapping[str, Callable[[SentenceExplanation], bytes]] = {
    ".html": _html,
    ".png": _png,
    ".json": _json,
}
