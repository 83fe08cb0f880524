"""How well and how fast a convolutional translator translates, float and quantized.

python benchmarks/translation.py --data pairs:../shared/data/fra_eng [--fractions 0.25,0.5]
    →   benchmarks/results/translation.json and translation.md

Trains `convs2s` where there is no model yet (a killed training resumes), converts it to every
target, and lets each file answer the whole test split, greedily and with a beam of 5, in the
reference runtime of its format on one thread. BLEU has a bootstrap interval and the paired test
against the Keras parent. Latency is the median over sentences of the encoder and all steps, with
subwords in and out as ids. With --fractions 0.25,0.5 it also trains on parts of the data, which
shows what more data would give. The pairs are for development: nothing learned from them ships.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import edgecnn
from edgecnn import data
from edgecnn.conversion.convert import convert
from edgecnn.data.sources.pairs import Pairs, PairSplit
from edgecnn.embedded_manifest import load_artifact
from edgecnn.evaluation.tasks import Key, Outputs, open_scorer
from edgecnn.files import write_text_atomically
from edgecnn.preprocessing import SubwordPreprocessing
from edgecnn.runtimes import reference_runtime
from edgecnn.runtimes.sequences import SequenceSession
from edgecnn.sequences.search import Decoding, padded
from edgecnn.training import train

RESULTS = Path(__file__).parent / "results"
TARGETS = (
    "tflite:float32", "tflite:float16", "tflite:dynamic_int8", "tflite:static_int8",
    "onnx:float32", "onnx:float16", "onnx:dynamic_int8", "onnx:static_int8",
)  # fmt: skip
BEAMS = (1, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="as edgecnn --data takes it")
    parser.add_argument("--model", type=Path, default=Path("runs/translation/convs2s.keras"))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--limit", type=int, help="test sentences, instead of all")
    parser.add_argument("--targets", default=",".join(TARGETS), help="what to convert to")
    parser.add_argument(
        "--without-keras", action="store_true", help="compare with the first target instead"
    )
    parser.add_argument(
        "--fractions", default="", help="parts of the training data, as in 0.25,0.5"
    )
    parser.add_argument("--note", default="", help="what to know about this machine")
    options = parser.parse_args()
    dataset = data.load(options.data)
    assert isinstance(dataset, Pairs)
    if not options.model.exists():
        _train(dataset, options.model, options.epochs)
    parent = load_artifact(options.model)
    targets = options.targets.split(",")
    outcomes = convert(
        options.model, targets, calibration=dataset, out=options.model.parent / "files"
    )
    paths = [each.artifact.path for each in outcomes if each.artifact]
    if not options.without_keras:
        paths.insert(0, options.model)
    words = parent.manifest.preprocessing
    assert isinstance(words, SubwordPreprocessing)
    split = dataset["test"]
    count = min(options.limit or len(split), len(split))
    sources = [words(split.samples[index])[None] for index in range(count)]
    scorer = open_scorer("translation", Key(split.truth[:count], (), words))
    rows: list[dict[str, Any]] = []
    reference: dict[int, Outputs] = {}
    for path in paths:
        for beam in BEAMS:
            row, outputs = _measure(path, beam, sources)
            accuracy = scorer.accuracy(outputs)
            if path == paths[0]:
                reference[beam] = outputs
            else:
                accuracy = scorer.beside_parent(accuracy, outputs, reference[beam])
            row |= {
                "bleu": 100 * accuracy.value,
                "bleu_ci95": [100 * each for each in accuracy.ci95 or ()],
                "chrf": 100 * accuracy.further["chrf"],
                "drop_ci95": [100 * each for each in accuracy.drop_ci95 or ()],
                "paired_p": accuracy.paired_p,
                "signature": accuracy.further["signature"],
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    curve = [
        _fraction(dataset, float(part), options.model, options.epochs)
        for part in filter(None, options.fractions.split(","))
    ]
    document = {
        "edgecnn": edgecnn.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} logical cores",
        "note": options.note,
        "data": {key: dataset.record()[key] for key in ("name", "sha256", "samples")},
        "training": {
            key: value for key, value in parent.manifest.training.items() if key != "history"
        },
        "history": parent.manifest.training.get("history", {}),
        "failed": {str(each.target): each.error for each in outcomes if each.artifact is None},
        "sentences": count,
        "rows": rows,
        "by_data": curve,
    }
    RESULTS.mkdir(exist_ok=True)
    write_text_atomically(RESULTS / "translation.json", json.dumps(document, indent=1) + "\n")
    write_text_atomically(RESULTS / "translation.md", _table(document))


def _train(dataset: Pairs, path: Path, epochs: int | None) -> None:
    started = time.monotonic()

    def told(stage: str, done: int, total: int, message: str = "") -> None:
        print(f"{time.monotonic() - started:6.0f} s {stage} {done}/{total} {message}", flush=True)

    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_suffix(".training")
    train("convs2s", dataset, out=path, epochs=epochs, folder=folder, progress=told)


def _measure(path: Path, beam: int, sources: list[Any]) -> tuple[dict[str, Any], Outputs]:
    runtime = reference_runtime(path)
    session = edgecnn.load(path, f"{runtime}:cpu", threads=1, beam=beam)
    assert isinstance(session, SequenceSession)
    session.answer(sources[0])  # warm
    found = [session.answer(source, Decoding(beam)) for source in sources]
    spent = [each.spent for each in found]
    row = {
        "file": path.name,
        "recipe": load_artifact(path).manifest.recipe,
        "bytes": path.stat().st_size,
        "runtime": runtime,
        "beam": beam,
        "sentence_ms": statistics.median(each.sentence_ns for each in spent) / 1e6,
        "encoder_ms": statistics.median(each.encoder_ns for each in spent) / 1e6,
        "step_ms": statistics.median(ns for each in spent for ns in each.step_ns) / 1e6,
        "steps": statistics.fmean(len(each.step_ns) for each in spent),
        "ids_per_s": sum(each.ids for each in spent)
        / (sum(each.sentence_ns for each in spent) / 1e9),
    }
    return row, [padded([each.best.ids for each in found], session.length)]


def _fraction(dataset: Pairs, part: float, model: Path, epochs: int | None) -> dict[str, Any]:
    """Test BLEU after training on a part of the pairs, chosen by seed."""
    whole = dataset["train"]
    assert isinstance(whole, PairSplit)
    chosen = np.random.default_rng(0).permutation(len(whole))[: int(part * len(whole))]
    fewer = PairSplit(
        tuple(whole.samples[index] for index in chosen),
        whole.labels[chosen],
        tuple(whole.targets[index] for index in chosen),
    )
    smaller = replace(
        dataset, splits={**dataset.splits, "train": fewer}, sha256=f"{dataset.sha256}-{part:g}"
    )
    path = model.with_name(f"{model.stem}_{part:g}.keras")
    if not path.exists():
        _train(smaller, path, epochs)
    metrics = load_artifact(path).manifest.metrics
    return {"pairs": len(fewer), "bleu_greedy": 100 * metrics["test_bleu"]}


def _table(document: dict[str, Any]) -> str:
    training = document["training"]
    lines = [
        "# Translation with convolutions",
        "",
        f"`convs2s`, {training.get('parameters', 0):,} parameters, "
        f"{training.get('epochs_run', '?')} epochs in {training.get('seconds', 0) / 60:.0f} "
        f"minutes; {document['sentences']} test sentences, one thread, {document['machine']}.",
        "",
        "| file | runtime | beam | BLEU (95% interval) | against the parent | chrF | sentence "
        "| encoder | step | subwords/s | size |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in document["rows"]:
        low, high = row["bleu_ci95"]
        drop = "–"
        if row["drop_ci95"]:
            drop = f"{-row['drop_ci95'][1]:+.2f} … {-row['drop_ci95'][0]:+.2f}"
        lines.append(
            f"| {row['file']} | {row['runtime']} | {row['beam']} | {row['bleu']:.1f} "
            f"({low:.1f}–{high:.1f}) | {drop} | {row['chrf']:.1f} | {row['sentence_ms']:.1f} ms | "
            f"{row['encoder_ms']:.1f} ms | {row['step_ms']:.2f} ms | {row['ids_per_s']:.0f} | "
            f"{row['bytes'] / 1e6:.1f} MB |"
        )
    lines += [
        f"\n{each['pairs']:,} training pairs: BLEU {each['bleu_greedy']:.1f} (greedy)."
        for each in document["by_data"]
    ]
    if document["failed"]:
        lines += ["", *(f"{name}: {error}" for name, error in document["failed"].items())]
    if document["note"]:
        lines += ["", document["note"]]
    return "\n".join([*lines, "", f"Signature: `{document['rows'][0]['signature']}`"]) + "\n"


if __name__ == "__main__":
    main()
