"""NNCF's accuracy control on the same files, samples and scorer as `edgecnn optimize`."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.conversion.inference.run import predict
from edgecnn.conversion.verification.verify import load_session
from edgecnn.feeding.scoring import scoring_context
from edgecnn.manifest import Artifact
from edgecnn.optimization.data_split import DataParts
from edgecnn.optimization.drops import DropEstimator
from edgecnn.optimization.goal import CONFIDENCE
from edgecnn.runtimes.tensors import to_model

CALIBRATION = 256
CONTROL_SECS = 1_500
WORKER = Path(__file__).resolve().with_name("optimize_worker.py")


def control(
    python: Path, onnx: Artifact, parts: DataParts, home: Path, max_drop: float
) -> dict[str, Any]:
    """Quantize a float ONNX file by NNCF, and judge the result on the claim's samples."""
    manifest = onnx.manifest
    prepare = manifest.preprocessing
    assert prepare is not None
    home.mkdir(exist_ok=True)
    split = parts.search["train"]
    order = np.random.default_rng(0).permutation(len(split))[:CALIBRATION]
    session = load_session(onnx.path)
    for name, samples in (
        ("calibration", [split.samples[int(place)] for place in order]),
        ("samples", parts.search["test"].samples),
        ("claim", parts.claim["test"].samples),
    ):
        tensors = np.stack([_own_form(prepare(sample), session) for sample in samples])
        np.save(home / f"{name}.npy", tensors)
    key = scoring_context(parts.search, "test", prepare, manifest)
    plain = replace(key, ground_truth=list(key.ground_truth))
    (home / "key.pickle").write_bytes(pickle.dumps((parts.search.task, plain)))
    asked = {"do": "quantize", "onnx": str(onnx.path), "folder": str(home), "max_drop": max_drop}
    found = worker(python, asked, timeout=CONTROL_SECS)
    answers = home / "claim-answers.npz"
    samples_path = str(home / "claim.npy")
    worker(
        python,
        {"do": "answer", "xml": found["xml"], "samples": samples_path, "out": str(answers)},
    )
    with np.load(answers) as stored:
        outputs = [stored[f"arr_{index}"] for index in range(len(stored.files))]
    claim = parts.claim["test"]
    reference = predict(session, (prepare(sample)[None] for sample in claim.samples))
    drop = DropEstimator(parts.claim, manifest, prepare, reference).drop(outputs, CONFIDENCE)
    return {**found, "claim": drop.to_dict() if drop else None}


def _own_form(tensor: Any, session: Any) -> Any:
    """A tensor as the file itself takes it: its layout, without the batch."""
    return to_model(tensor[None], session.inputs[0])[0]


def worker(python: Path | None, spec: dict[str, Any], timeout: float = 300) -> dict[str, Any]:
    """Run the worker and read its last line; its whole output is the error where it fails."""
    command = [str(python or sys.executable), str(WORKER), json.dumps(spec)]
    environment = {**os.environ, "PYTHONPATH": str(WORKER.parents[1]), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=timeout, env=environment
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
