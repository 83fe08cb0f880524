"""edgecnn translate: sentences in, sentences out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options

if TYPE_CHECKING:
    from edgecnn.translation import Translator


@click.command()
@click.argument("model", type=options.FILE)
@click.argument("texts", nargs=-1, metavar="[TEXT]…")
@options.on_runtime(
    "", default_text="that of the file's format", examples="litert:cpu or onnxruntime:cpu"
)
@click.option(
    "--beam",
    type=click.IntRange(1, 64),
    help="Hypotheses to follow; 1 is greedy. By default what the model ships with.",
)
@click.option(
    "--vocabulary",
    type=options.FILE,
    help="The sentencepiece model, where the manifest was lost.",
)
@click.option("--times", is_flag=True, help="Print the time of each sentence to stderr.")
def command(
    *,
    model: Path,
    texts: tuple[str, ...],
    runtime: str,
    threads: int,
    beam: int | None,
    vocabulary: Path | None,
    times: bool,
) -> None:
    """Translate each TEXT with MODEL; without TEXT, standard input line by line.

    MODEL is a trained .keras file or one converted from it (.tflite-seq2seq, .onnx-seq2seq). An
    empty line gives an empty line; a line that cannot be translated gives one too, with the reason
    on stderr and exit code 2 at the end.
    """
    from edgecnn.errors import InputError
    from edgecnn.translation import load_translator

    translator = load_translator(
        model, runtime, threads=threads, beam=beam or 0, vocabulary=vocabulary
    )
    if texts:
        for text in texts:
            _print_translation(translator, text, times=times)
        return
    failed = 0
    for number, (line, broken) in enumerate(_input_lines(), start=1):
        if broken:
            click.echo(f"line {number}: not all of it is UTF-8; read as {line[:40]!r}", err=True)
        try:
            if not line.strip():
                click.echo("")
            else:
                _print_translation(translator, line, times=times)
        except InputError as error:
            failed += 1
            click.echo("")
            click.echo(f"line {number}: {error.message}; {error.hint}", err=True)
    if failed:
        raise InputError(
            f"{failed} {'line was' if failed == 1 else 'lines were'} not translated",
            hint="the reasons are above; all other lines were translated",
        )


def _input_lines() -> Iterator[tuple[str, bool]]:
    """Standard input as UTF-8, without a byte order mark, and for each line whether some of its
    bytes are not UTF-8: they become U+FFFD.

    Of a line that is longer than any sentence no more is kept than shows that it is.
    """
    from edgecnn.translation.translator import MAX_CHARACTERS

    most = 4 * MAX_CHARACTERS + 4  # bytes of a text that is not too long
    read = sys.stdin.buffer.readline
    encoding = "utf-8-sig"
    while raw := read(most):
        rest = raw
        while len(rest) == most and not rest.endswith(b"\n"):
            rest = read(most)
        text = raw.decode(encoding, "replace").rstrip("\r\n")
        yield text, "\ufffd" in text and "\ufffd".encode() not in raw
        encoding = "utf-8"


def _print_translation(translator: Translator, text: str, *, times: bool) -> None:
    translation = translator.translate(text)
    click.echo(translation.text)
    sys.stdout.flush()
    for warning in translation.warnings:
        click.echo(f"{text[:40]!r}: {warning}", err=True)
    for sentence in translation.sentences if times else ():
        spent = sentence.spent
        steps = len(spent.step_ns)
        click.echo(
            f"  {spent.sentence_ns / 1e6:.1f} ms: encoder {spent.encoder_ns / 1e6:.1f} ms, "
            f"{steps} steps of {sum(spent.step_ns) / max(1, steps) / 1e6:.2f} ms, "
            f"{spent.ids / (spent.sentence_ns / 1e9):.0f} subwords/s",
            err=True,
        )
