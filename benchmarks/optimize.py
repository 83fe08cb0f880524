"""What `edgecnn optimize` finds, beside the exhaustive grid and beside NNCF.

python benchmarks/optimize.py --out results/optimize [--networks lenet5,depthwise] [--nncf PYTHON]

Networks are trained here, small: real architectures on real data of this machine. For each:
budget  `optimize --max-drop 1` and `0.3`: accepted or not, what is lost on the claim's samples
grid    every target on every runtime, timed as `optimize` times its finalists; how far the chosen
        latency is from the best of those within the budget, and the share of the grid's time
broken  a layer of the network is scaled so that int8 ruins it: is it named, is it alone in float32
nncf    NNCF's accuracy control (`quantize_with_accuracy_control`) on the same ONNX file with the
        same validation samples, by the Python of an environment that holds nncf and openvino

A number without a quiet machine is marked so; a part that did not run says why.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn import data as sources
from edgecnn import training
from edgecnn.benchmarking.machine import capture
from edgecnn.benchmarking.protocol import resolve
from edgecnn.benchmarking.session import benchmark
from edgecnn.conversion.convert import convert
from edgecnn.conversion.inference import predict
from edgecnn.conversion.verify import load_session
from edgecnn.data.base import Dataset
from edgecnn.manifest import Manifest, write_manifest
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.optimize import Settings, optimize
from edgecnn.optimization.parts import divide

RUNTIMES = ("litert:cpu", "onnxruntime:cpu", "openvino:cpu")
BUDGETS = (1.0, 0.3)
PROTOCOL = resolve("quick")
NETWORKS = {
    "lenet5": ("lenet5", "digits"),
    "resnet8": ("resnet8", "digits"),
    "depthwise": ("depthwise", "digits"),
    "swish": ("swish", "digits"),
}
"""Name → (network, data). depthwise is MobileNetV2-like, swish MobileNetV3-like."""

_NNCF = """
import json, sys, time
import nncf, numpy as np, openvino as ov
onnx, folder, drop = sys.argv[1:4]
load = lambda name: np.load(f"{folder}/{name}.npy")
calibration, samples, labels = load("calibration"), load("samples"), load("labels")
model = ov.Core().read_model(onnx)
model.reshape([1, *samples.shape[1:]])
passes = 0
def validate(compiled, items):
    global passes
    passes += 1
    right = [int(np.argmax(compiled([x[None]])[0])) == y for x, y in items]
    return float(np.mean(right)), [float(each) for each in right]
items = list(zip(samples, labels))
started = time.monotonic()
quantized = nncf.quantize_with_accuracy_control(
    model,
    nncf.Dataset(list(calibration), lambda x: [x[None]]),
    nncf.Dataset(items),
    validation_fn=lambda compiled, data: validate(compiled, data),
    max_drop=float(drop) / 100,
)
seconds = time.monotonic() - started
ov.save_model(quantized, f"{folder}/nncf.xml", compress_to_fp16=False)
compiled = ov.Core().compile_model(quantized, "CPU", {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1,
                                                      "PERFORMANCE_HINT": "LATENCY"})
request = compiled.create_infer_request()
times = []
for index in range(400):
    begun = time.perf_counter()
    request.infer([samples[index % len(samples)][None]])
    times.append(time.perf_counter() - begun)
p50_ms = 1e3 * float(np.median(times[100:]))
print(json.dumps({"seconds": seconds, "passes": passes, "p50_ms": p50_ms,
                  "version": nncf.__version__}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/optimize"))
    parser.add_argument("--work", type=Path, default=Path("runs/optimize"))
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--nncf", type=Path, help="Python of an environment with nncf")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--busy", action="store_true", help="mark the numbers: others were working")
    asked = parser.parse_args()
    found: dict[str, Any] = {
        "machine": capture().machine,
        "busy": asked.busy,
        "protocol": asdict(PROTOCOL),
        "networks": {},
    }
    for name in asked.networks.split(","):
        network, source = NETWORKS[name]
        dataset = sources.load(source)
        model = trained(network, dataset, asked.work / name, asked.epochs)
        entry: dict[str, Any] = {"data": source, "budgets": {}}
        for budget in BUDGETS:
            entry["budgets"][f"{budget:g}"] = searched(model, dataset, budget, asked.work / name)
        entry["grid"] = grid(model, dataset, asked.work / name, entry["budgets"]["1"])
        entry["broken"] = broken(model, dataset, asked.work / name)
        entry["nncf"] = nncf(asked.nncf, model, dataset, asked.work / name)
        found["networks"][name] = entry
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
        asked.out.with_suffix(".md").write_text(table(found))
    print(asked.out.with_suffix(".md").read_text())


def trained(network: str, dataset: Dataset, folder: Path, epochs: int) -> Path:
    path = folder / f"{network}.keras"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    if network in ("lenet5", "resnet8"):
        return training.train(network, dataset, out=path, epochs=epochs).path
    import keras

    model = {"depthwise": depthwise, "swish": swish}[network](len(dataset.labels))
    prepare = dataset.preprocessing((16, 16, 1))
    x, y = prepare.batch(dataset["train"].samples), dataset["train"].labels
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, 64, epochs, verbose=0)
    model.save(path)
    manifest = Manifest(
        task="classification", model=network, labels=dataset.labels, preprocessing=prepare
    )
    write_manifest(path, manifest)
    return path


def depthwise(classes: int) -> Any:
    """MobileNetV2-like: inverted residuals of depthwise convolutions, ReLU6."""
    import keras
    from keras.layers import (
        Add,
        BatchNormalization,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        GlobalAveragePooling2D,
        ReLU,
    )

    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 1), name="picture")
    x = ReLU(6.0)(BatchNormalization()(Conv2D(16, 3, padding="same", use_bias=False)(inputs)))
    for stride in (2, 1, 2, 1):
        before = x
        x = ReLU(6.0)(BatchNormalization()(Conv2D(64, 1, use_bias=False)(x)))
        x = DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        x = ReLU(6.0)(BatchNormalization()(x))
        x = BatchNormalization()(Conv2D(16, 1, use_bias=False)(x))
        x = Add()([x, before]) if stride == 1 else x
    outputs = Dense(classes)(GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs, name="depthwise")


def swish(classes: int) -> Any:
    """MobileNetV3-like: hard-swish, squeeze and excitation."""
    import keras
    from keras.layers import (
        BatchNormalization,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        GlobalAveragePooling2D,
        Multiply,
    )

    keras.utils.set_random_seed(0)
    hard_swish = keras.activations.hard_swish
    inputs = keras.Input((16, 16, 1), name="picture")
    x = hard_swish(BatchNormalization()(Conv2D(16, 3, padding="same", use_bias=False)(inputs)))
    for stride in (2, 1, 2):
        x = hard_swish(BatchNormalization()(Conv2D(48, 1, use_bias=False)(x)))
        x = DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        x = BatchNormalization()(x)
        squeezed = Conv2D(12, 1, activation="relu")(GlobalAveragePooling2D(keepdims=True)(x))
        x = hard_swish(Multiply()([x, Conv2D(48, 1, activation="hard_sigmoid")(squeezed)]))
        x = BatchNormalization()(Conv2D(16, 1, use_bias=False)(x))
    outputs = Dense(classes)(GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs, name="swish")


def searched(model: Path, dataset: Dataset, budget: float, folder: Path) -> dict[str, Any]:
    started = time.monotonic()
    settings = Settings(Goal(max_drop=budget), RUNTIMES, protocol=PROTOCOL)
    outcome = optimize(model, dataset, settings, folder / f"search-{budget:g}", force=True)
    choice = outcome.choice
    return {
        "accepted": outcome.accepted,
        "choice": choice.name if choice else None,
        "recipe": choice.tried.recipe.name if choice else None,
        "p50_ms": choice.p50_ms if choice else None,
        "claim": outcome.claim.to_dict() if outcome.claim else None,
        "validations": dict(outcome.validations),
        "seconds": round(time.monotonic() - started, 1),
        "sentences": list(outcome.sentences),
    }


def grid(model: Path, dataset: Dataset, folder: Path, chosen: dict[str, Any]) -> dict[str, Any]:
    """Every usual target on every runtime, with the samples of the claim."""
    started = time.monotonic()
    parts = divide(dataset, Manifest())
    outcomes = convert(model, "all", calibration=parts.search, out=folder / "grid", force=True)
    artifacts = [outcome.artifact for outcome in outcomes if outcome.artifact]
    results = benchmark(artifacts, RUNTIMES, protocol=PROTOCOL, data=parts.claim, passes=())
    seconds = time.monotonic() - started
    rows = [row for row in results.measurements if row.latency and row.accuracy]
    top = max(row.accuracy.value for row in rows if row.artifact.recipe == "float32")
    good = [row for row in rows if 100 * (top - row.accuracy.value) <= 1.0]
    best = min(good, key=lambda row: row.latency.p50)
    named = f"{best.artifact.name} on {best.configuration}"
    same = [
        row.latency.p50
        for row in rows
        if chosen["choice"]
        and chosen["choice"].startswith(f"{row.artifact.name} on {row.configuration}")
    ]
    ratio = (same[0] if same else chosen["p50_ms"] or np.nan) / best.latency.p50
    return {
        "best": named,
        "best_p50_ms": best.latency.p50,
        "ratio": float(ratio),
        "measured_in_one_session": bool(same),
        "seconds": round(seconds, 1),
        "share_of_time": chosen["seconds"] / seconds,
    }


def broken(model: Path, dataset: Dataset, folder: Path) -> dict[str, Any]:
    """The second convolution with one input that is always 0 and weights that int8 drowns in."""
    from edgecnn.keras_files import load_keras

    network = load_keras(model)
    layers = [each for each in network.layers if type(each).__name__ == "Conv2D"]
    if len(layers) < 2:
        return {"skipped": "fewer than two convolutions"}
    victim = layers[1]
    weights = victim.get_weights()
    # An input that is hardly ever there would do; here the largest weight is blown up and its
    # input silenced where the layer before is a plain convolution.
    first = layers[0].get_weights()
    first[0][..., 0] = 0.0
    if len(first) > 1:
        first[1][0] = 0.0
    norm = next((n for n in network.layers if type(n).__name__ == "BatchNormalization"), None)
    if norm is not None:
        values = norm.get_weights()
        values[1][0] = 0.0  # beta: the silenced channel stays silent behind the normalization
        values[2][0] = 0.0
        norm.set_weights(values)
    layers[0].set_weights(first)
    weights[0][:, :, 0, :] = 300.0 * np.abs(weights[0]).max()
    victim.set_weights(weights)
    network.name = "broken"
    path = folder / "broken.keras"
    network.save(path)
    prepared = dataset.preprocessing(tuple(network.input_shape[1:]))
    manifest = Manifest(
        task="classification", model="broken", labels=dataset.labels, preprocessing=prepared
    )
    write_manifest(path, manifest)
    settings = Settings(Goal(objective="size"), ("litert:cpu",), protocol=PROTOCOL)
    outcome = optimize(path, dataset, settings, folder / "search-broken", force=True)
    kept = [name for name, _ in outcome.choice.tried.recipe.per_layer] if outcome.choice else []
    return {
        "planted": victim.name,
        "accepted": outcome.accepted,
        "kept_in_float": kept,
        "validations": dict(outcome.validations),
    }


def nncf(python: Path | None, model: Path, dataset: Dataset, folder: Path) -> dict[str, Any]:
    if python is None:
        return {"skipped": "no environment with nncf was given"}
    parts = divide(dataset, Manifest())
    outcome = convert(model, "onnx:float32", calibration=parts.search, out=folder / "nncf")[0]
    assert outcome.artifact is not None
    prepare = outcome.artifact.manifest.preprocessing
    assert prepare is not None
    train, search, claim = parts.search["train"], parts.search["test"], parts.claim["test"]
    np.save(folder / "calibration.npy", prepare.batch(train.samples[:256]))
    np.save(folder / "samples.npy", prepare.batch(search.samples))
    np.save(folder / "labels.npy", search.labels)
    command = [str(python), "-c", _NNCF, str(outcome.artifact.path), str(folder), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"seconds"')]
    if not lines:
        return {"failed": (done.stderr or done.stdout)[-400:]}
    found: dict[str, Any] = json.loads(lines[-1])
    session = load_session(outcome.artifact.path)
    outputs = predict(session, [prepare(sample)[None] for sample in claim.samples])
    found["float_claim_top1"] = float((outputs[0].argmax(1) == claim.labels).mean())
    return found


def table(found: dict[str, Any]) -> str:
    lines = [
        "# What `edgecnn optimize` finds",
        "",
        f"{found['machine'].get('cpu_model')}; protocol {found['protocol']['name']}; made by "
        "`python benchmarks/optimize.py`.",
        "",
    ]
    if found["busy"]:
        lines += [
            "Other work ran on the machine: latencies and seconds are not to be relied on. What is "
            "accepted, what is lost and which layer is named do not depend on it.",
            "",
        ]
    lines += [
        "| network | budget | accepted | choice | lost (95% bound, n) | validations | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in found["networks"].items():
        for budget, one in entry["budgets"].items():
            claim = one["claim"]
            lost = f"{claim['points']:.2f} (≤ {claim['bound']:.2f}, {claim['n']})" if claim else "–"
            most = max(one["validations"].values(), default=0)
            lines.append(
                f"| `{name}` | {budget} | {'yes' if one['accepted'] else 'no'} | "
                f"{one['choice'] or '–'} | {lost} | {most} | {one['seconds']:.0f} |"
            )
    lines += [
        "",
        "| network | best of the grid | chosen / best | share of the grid's time | planted layer | "
        "kept in float32 | NNCF |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in found["networks"].items():
        grid_, broken_, other = entry["grid"], entry["broken"], entry["nncf"]
        kept = ", ".join(broken_.get("kept_in_float", ())) or broken_.get("skipped", "none")
        rival = other.get("skipped") or (
            f"{other['seconds']:.0f} s, {other['passes']} passes, {other['p50_ms']:.3g} ms"
            if "seconds" in other
            else "failed"
        )
        lines.append(
            f"| `{name}` | {grid_['best']} | {grid_['ratio']:.2f} | {grid_['share_of_time']:.0%} | "
            f"{broken_.get('planted', '–')} | {kept} | {rival} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
