"""How well and how fast a convolutional translator translates, float and quantized.

python benchmarks/translation.py train --data pairs:../shared/data/fra_eng [--part 0.25]
python benchmarks/translation.py cost --data pairs:../shared/data/fra_eng
python benchmarks/translation.py quality --data pairs:../shared/data/fra_eng
python benchmarks/translation.py latency --data pairs:../shared/data/fra_eng --sentences 30
    →   benchmarks/results/translation.json and translation.md

`train` trains `convs2s` (a killed training resumes), with --part on a part of the training pairs,
chosen by seed: what more data would give. `cost` is the processor time of a training, from a few of
its steps. `quality` converts the model to every target and lets
each file answer the whole test split, greedily and with a beam of 5, in the reference runtime of
its format; BLEU has a bootstrap interval and the paired test against the Keras parent. Answers lie
in runs/translation/answers, so that a killed one resumes. `latency` is the median over sentences,
one thread, with subwords in and out as ids; it takes a minute and wants a quiet machine. Each
leaves the figures of the others in the results as they are, as long as they are of the same model.
The pairs are for development: nothing learned from them ships.
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
from edgecnn.conversion.sequences import ENDING
from edgecnn.conversion.targets import parse_targets
from edgecnn.data.sources.pairs import Pairs, PairSplit
from edgecnn.embedded_manifest import load_artifact
from edgecnn.evaluation.tasks import Outputs, ScoringContext, open_scorer
from edgecnn.files import write_text_atomically
from edgecnn.manifest import Artifact
from edgecnn.preprocessing import SubwordPreprocessing
from edgecnn.runtimes import reference_runtime
from edgecnn.runtimes.sequences import SequenceSession
from edgecnn.sequences.search import Decoding, padded
from edgecnn.training import train
from edgecnn.training.config import config_for
from edgecnn.training.sequences.task import SequenceTask

RESULTS = Path(__file__).parent / "results"
TARGETS = (
    "tflite:float32", "tflite:float16", "tflite:dynamic_int8", "tflite:static_int8",
    "onnx:float32", "onnx:float16", "onnx:dynamic_int8", "onnx:static_int8",
)  # fmt: skip
BEAMS = (1, 5)
WARMUP = 5
COST_STEPS = 12
"""Batches are as long as their sentences; a dozen come near the mean."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("train", "cost", "quality", "latency"))
    parser.add_argument("--data", required=True, help="as edgecnn --data takes it")
    parser.add_argument("--model", type=Path, default=Path("runs/translation/convs2s.keras"))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--mixed-precision", help="bfloat16 where the processor computes in it")
    parser.add_argument("--part", type=float, default=1.0, help="of the training pairs, 0 to 1")
    parser.add_argument("--targets", default=",".join(TARGETS), help="what to convert to")
    parser.add_argument("--sentences", type=int, default=30, help="whose latency is measured")
    parser.add_argument("--note", default="", help="what to know about this machine")
    options = parser.parse_args()
    dataset = data.load(options.data)
    assert isinstance(dataset, Pairs)
    if options.what == "train":
        _train(dataset, options)
        return
    if options.what == "cost":
        _cost(dataset, options.mixed_precision or "off")
        return
    parent = load_artifact(options.model)
    document = _document(dataset, parent)
    folder = options.model.parent / "files"
    if options.what == "quality":
        outcomes = convert(
            options.model, options.targets.split(","), calibration=dataset, out=folder
        )
        document["failed"] = {
            str(each.target): each.error for each in outcomes if each.artifact is None
        }
        files = [each.artifact.path for each in outcomes if each.artifact]
        _quality(document, dataset, parent, [options.model, *files])
    else:
        wanted = [options.model.stem + _ending(text) for text in options.targets.split(",")]
        files = [folder / name for name in wanted if (folder / name).exists()]
        _latency(document, dataset, parent, files, options.sentences)
        document["note"] = options.note
    _write(document)


def _ending(target: str) -> str:
    """Of the file that `quality` converts to: tflite:float16 → _float16.tflite-seq2seq."""
    (parsed,) = parse_targets([target])
    return parsed.file_name("") + ENDING


def _document(dataset: Pairs, parent: Artifact) -> dict[str, Any]:
    """What is known of this model already, or a new one. Parts of the data have their own."""
    path = RESULTS / "translation.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    training = {key: value for key, value in parent.manifest.training.items() if key != "history"}
    document = {
        "edgecnn": edgecnn.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} logical cores",
        "model_sha256": parent.sha256,
        "data": {key: dataset.record()[key] for key in ("name", "sha256", "samples")},
        "training": training,
        "history": parent.manifest.training.get("history", {}),
        "metrics": dict(parent.manifest.metrics),
        "by_data": known.get("by_data", []),
        "cost": known.get("cost", []),
        "rows": [],
        "note": "",
    }
    if known.get("model_sha256") == parent.sha256:
        kept = ("rows", "note", "sentences", "failed")
        document |= {name: known[name] for name in kept if name in known}
    return document


def _train(dataset: Pairs, options: argparse.Namespace) -> None:
    path: Path = options.model
    if options.part < 1:
        dataset = _part(dataset, options.part)
        path = path.with_name(f"{path.stem}_{options.part:g}.keras")
    if not path.exists():
        started = time.monotonic()

        def told(stage: str, done: int, total: int, message: str = "") -> None:
            spent = time.monotonic() - started
            print(f"{spent:6.0f} s {stage} {done}/{total} {message}", flush=True)

        path.parent.mkdir(parents=True, exist_ok=True)
        changes = {"mixed_precision": options.mixed_precision} if options.mixed_precision else {}
        train(
            "convs2s", dataset, out=path, epochs=options.epochs,
            folder=path.with_suffix(".training"), progress=told, **changes,
        )  # fmt: skip
    manifest = load_artifact(path).manifest
    entry = {
        "pairs": len(dataset["train"]),
        "bleu_greedy": 100 * manifest.metrics["test_bleu"],
        "chrf_greedy": 100 * manifest.metrics["test_chrf"],
        "epochs": manifest.training["epochs_run"],
        "minutes": manifest.training["seconds"] / 60,
    }
    results = RESULTS / "translation.json"
    document = json.loads(results.read_text(encoding="utf-8"))
    others = [one for one in document["by_data"] if one["pairs"] != entry["pairs"]]
    document["by_data"] = sorted([*others, entry], key=lambda one: int(one["pairs"]))
    _write(document)


def _cost(dataset: Pairs, precision: str) -> None:
    """Processor seconds of a step (all threads together) and of all steps of the recipe."""
    recipe = config_for("convs2s", mixed_precision=precision, mirror=False)
    subject = SequenceTask("convs2s", dataset)
    model = subject.build(seed=0, precision=precision)
    subject.prepare(recipe, seed=0, devices=1)
    subject.compile(model, epochs=recipe.epochs or 1)
    batches = subject.training(model, epoch=0, first=0)
    spent = []
    for number in range(WARMUP + COST_STEPS):
        before = time.process_time()
        model.train_on_batch(*batches[number])
        spent.append(time.process_time() - before)
    step = statistics.fmean(spent[WARMUP:])
    steps = subject.steps() * (recipe.epochs or 1)
    entry = {"precision": precision, "processor_s_a_step": step, "steps": steps}
    entry["processor_minutes"] = step * steps / 60
    print(json.dumps(entry))
    document = json.loads((RESULTS / "translation.json").read_text(encoding="utf-8"))
    others = [one for one in document.get("cost", []) if one["precision"] != precision]
    document["cost"] = [*others, entry]
    _write(document)


def _part(dataset: Pairs, part: float) -> Pairs:
    """The data set with fewer training pairs, and a vocabulary learned from those."""
    whole = dataset["train"]
    assert isinstance(whole, PairSplit)
    chosen = np.random.default_rng(0).permutation(len(whole))[: int(part * len(whole))]
    fewer = PairSplit(
        tuple(whole.samples[index] for index in chosen),
        whole.labels[chosen],
        tuple(whole.targets[index] for index in chosen),
    )
    splits = {**dataset.splits, "train": fewer}
    return replace(dataset, splits=splits, sha256=f"{dataset.sha256}-{part:g}")


def _quality(
    document: dict[str, Any], dataset: Pairs, parent: Artifact, places: list[Path]
) -> None:
    """BLEU and chrF of each file with each beam."""
    words = parent.manifest.preprocessing
    assert isinstance(words, SubwordPreprocessing)
    split = dataset["test"]
    sources = [words(sample)[None] for sample in split.samples]
    document["sentences"] = len(sources)
    scorer = open_scorer("translation", ScoringContext(split.ground_truth, (), words))
    reference: dict[int, Outputs] = {}
    for path in places:
        for beam in BEAMS:
            outputs = _answers(path, beam, sources)
            reference.setdefault(beam, outputs)
            row = _row(document, path, beam)
            if "bleu" in row:
                continue
            accuracy = scorer.accuracy(outputs)
            if path != places[0]:
                accuracy = scorer.with_parent(accuracy, outputs, reference[beam])
            row |= {
                "bleu": 100 * accuracy.value,
                "bleu_ci95": [100 * each for each in accuracy.ci95 or ()],
                "chrf": 100 * accuracy.further["chrf"],
                "drop_ci95": [100 * each for each in accuracy.drop_ci95 or ()],
                "paired_p": accuracy.paired_p,
                "brevity_penalty": accuracy.further["brevity_penalty"],
                "same_answers": float((outputs[0] == reference[beam][0]).all(axis=1).mean()),
                "signature": accuracy.further["signature"],
            }
            print(json.dumps(row), flush=True)
            _write(document)


def _answers(path: Path, beam: int, sources: list[Any]) -> Outputs:
    """Ids (sentences, length) that a file answers; from runs/ where it has answered before."""
    artifact = load_artifact(path)
    folder = Path("runs/translation/answers")
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{artifact.sha256[:16]}-{beam}-{len(sources)}.npy"
    if kept.exists():
        return [np.load(kept, allow_pickle=False)]
    session = _session(path, beam)
    ids = padded([session.answer(source).best.ids for source in sources], session.length)
    np.save(kept, ids, allow_pickle=False)
    return [ids]


def _latency(
    document: dict[str, Any], dataset: Pairs, parent: Artifact, places: list[Path], count: int
) -> None:
    """Medians over the same sentences for each file with each beam."""
    words = parent.manifest.preprocessing
    assert isinstance(words, SubwordPreprocessing)
    samples = dataset["test"].samples
    chosen = np.random.default_rng(0).permutation(len(samples))[:count]
    sources = [words(samples[index])[None] for index in chosen]
    for path in places:
        for beam in BEAMS:
            session = _session(path, beam)
            for source in sources[:WARMUP]:
                session.answer(source)
            spent = [session.answer(source).spent for source in sources]
            whole = [each.sentence_ns / 1e6 for each in spent]
            row = _row(document, path, beam)
            row["latency"] = {
                "sentences": len(spent),
                "rows_a_step": session.rows,
                "sentence_ms": statistics.median(whole),
                "sentence_ms_p90": float(np.percentile(whole, 90)),
                "encoder_ms": statistics.median(each.encoder_ns for each in spent) / 1e6,
                "step_ms": statistics.median(ns for each in spent for ns in each.step_ns) / 1e6,
                "steps": statistics.fmean(len(each.step_ns) for each in spent),
                "ids_per_s": sum(each.ids for each in spent) / (sum(whole) / 1e3),
            }
            print(json.dumps({**row, "signature": ""}), flush=True)


def _session(path: Path, beam: int) -> SequenceSession:
    session = edgecnn.load(path, f"{reference_runtime(path)}:cpu", threads=1, beam=beam)
    assert isinstance(session, SequenceSession)
    assert session.decoding == replace(Decoding(), beam=beam)
    return session


def _row(document: dict[str, Any], path: Path, beam: int) -> dict[str, Any]:
    """The row of a file with a beam, made where there is none; a changed file has a new one."""
    artifact = load_artifact(path)
    rows: list[dict[str, Any]] = document["rows"]
    same = [row for row in rows if (row["file"], row["beam"]) == (path.name, beam)]
    if same and same[0]["sha256"] == artifact.sha256:
        return same[0]
    row = {
        "file": path.name,
        "sha256": artifact.sha256,
        "recipe": artifact.manifest.recipe,
        "bytes": path.stat().st_size,
        "runtime": reference_runtime(path),
        "beam": beam,
    }
    if same:
        rows[rows.index(same[0])] = row
    else:
        rows.append(row)
    return row


def _write(document: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    write_text_atomically(RESULTS / "translation.json", json.dumps(document, indent=1) + "\n")
    write_text_atomically(RESULTS / "translation.md", _table(document))


def _table(document: dict[str, Any]) -> str:
    training = document["training"]
    lines = [
        "# Translation with convolutions",
        "",
        f"`convs2s`, {training.get('parameters', 0):,} parameters, "
        f"{training.get('epochs_run', '?')} epochs in {training.get('seconds', 0) / 60:.0f} "
        f"minutes; {document.get('sentences', 0)} test sentences, {document['machine']}. Latencies "
        "are medians on one thread; the change of BLEU is against the Keras parent with the same "
        "beam (95% interval, paired bootstrap).",
        "",
        "| file | runtime | beam | BLEU (95% interval) | change | chrF | same answers | sentence "
        "| encoder | step | subwords/s | size |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in document["rows"]:
        bleu = drop = chrf = same = "–"
        if "bleu" in row:
            low, high = row["bleu_ci95"]
            bleu, chrf = f"{row['bleu']:.1f} ({low:.1f}–{high:.1f})", f"{row['chrf']:.1f}"
            same = f"{row['same_answers']:.1%}"
            if row["drop_ci95"]:
                low, high = (0.0 - each for each in reversed(row["drop_ci95"]))
                drop = f"{low:+.2f} … {high:+.2f}"
        times = ["–"] * 4
        if spent := row.get("latency"):
            times = [
                f"{spent['sentence_ms']:.1f} ms", f"{spent['encoder_ms']:.2f} ms",
                f"{spent['step_ms']:.3f} ms", f"{spent['ids_per_s']:.0f}",
            ]  # fmt: skip
        lines.append(
            f"| {row['file']} | {row['runtime']} | {row['beam']} | {bleu} | {drop} | {chrf} | "
            f"{same} | {' | '.join(times)} | {row['bytes'] / 1e6:.1f} MB |"
        )
    lines += [
        f"\nTraining ({each['steps']:,} steps, mixed precision {each['precision']}) takes "
        f"{each['processor_minutes']:.0f} minutes of processor time."
        for each in document.get("cost", [])
    ]
    lines += [
        f"\n{each['pairs']:,} training pairs: BLEU {each['bleu_greedy']:.1f} greedy after "
        f"{each['epochs']} epochs."
        for each in document["by_data"]
    ]
    if document.get("failed"):
        lines += ["", *(f"{name}: {error}" for name, error in document["failed"].items())]
    if document["note"]:
        lines += ["", document["note"]]
    signatures = {row["signature"] for row in document["rows"] if "signature" in row}
    return "\n".join([*lines, "", f"Signature: `{'; '.join(sorted(signatures))}`"]) + "\n"


if __name__ == "__main__":
    main()
