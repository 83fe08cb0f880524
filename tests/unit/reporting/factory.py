"""Made-up results for tests of the reports: shaped like real ones, drawn from a seeded generator.

The numbers mean nothing and must not be published.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np

from edgecnn.results import (
    Accuracy,
    ArtifactRecord,
    Block,
    Effective,
    Environment,
    Load,
    Measurement,
    Parity,
    Results,
    Run,
    RuntimeOptions,
)
from edgecnn.results.accuracy_drop import pack_answers
from edgecnn.statistics.samples import wilson_interval

BASE_MS = {
    "keras": 21.0,
    "litert": 0.31,
    "tflite-runtime": 0.92,
    "onnxruntime": 0.27,
    "openvino": 0.22,
    "opencv": 0.48,
}
RECIPES = {
    "float32": (1.0, 246_000, 0.0),
    "float16": (1.05, 125_000, 0.0),
    "dynamic_int8": (0.72, 71_000, -0.002),
    "static_int8": (0.41, 69_000, -0.006),
    "int16x8": (1.4, 73_000, -0.001),
}
RUNTIMES = {
    "tflite": ("litert", "tflite-runtime"),
    "onnx": ("onnxruntime", "openvino", "opencv"),
}
VERSIONS = {
    "keras": "3.15.0",
    "litert": "2.3.0",
    "tflite-runtime": "2.14.0",
    "onnxruntime": "1.31.0",
    "openvino": "2026.4.0",
    "opencv": "5.0.0",
}
N_TEST = 360


def environment(board: str | None = None, cpu: str = "Sample CPU @ 2.10GHz") -> Environment:
    return Environment(
        created_at="2026-05-04T10:20:30+02:00",
        machine={
            "board": board,
            "cpu_model": cpu,
            "architecture": "x86_64",
            "physical_cores": 2,
            "logical_cores": 4,
            "instruction_sets": ["avx2", "fma", "avx512_vnni"],
            "memory_bytes": 16_000_000_000,
            "governor": "performance",
            "virtual": True,
            "gpus": [],
        },
        system={"os": "Debian GNU/Linux 13", "kernel": "6.12.0", "python": "3.11.9"},
        packages={"edgecnn": "0.1.0", "numpy": "2.4.6", "openvino": "2026.4.0"},
    )


def run(median_ms: float, rng: np.random.Generator, samples: int = 200, spread=0.02) -> Run:
    noise = rng.lognormal(0, spread, samples) + (rng.random(samples) < 0.02) * rng.random(samples)
    values = (median_ms * 1e6 * rng.normal(1, spread / 4) * noise).astype(np.int64)
    return Run(
        load_ns=int(3e6 + median_ms * 4e6 * rng.random()),
        first_inference_ns=int(median_ms * 1e6 * (2 + 3 * rng.random())),
        warmup_ns=tuple(int(v) for v in values[:10] * 2),
        samples_ns=tuple(int(v) for v in values),
        rss_bytes={
            "at_start": 41_000_000,
            "after_load": 52_000_000,
            "peak": int(55e6 + 6e6 * rng.random() + median_ms * 1e6),
        },
        started_at="2026-05-04T10:21:00+02:00",
    )


def answered(right: int, n: int = N_TEST, first: int = 0) -> Accuracy:
    """Top-1 of a model that gets the `right` samples from `first` on right, and no other."""
    answers = np.roll(np.arange(n) < right, first)
    return Accuracy("top1", right / n, n, wilson_interval(right, n), right=pack_answers(answers))


def watched(row: Measurement, contended: float = 0.3, slower: float = 1.5) -> Measurement:
    """`row` with a neighbor on the core in the last part of each process."""
    runs = []
    for one in row.runs:
        count = len(one.samples_ns)
        quiet = round(count * (1 - contended))
        late = tuple(int(time * slower) for time in one.samples_ns[quiet:])
        blocks = (
            Block(0, quiet // 2, (100_000, 101_000)),
            Block(quiet // 2, quiet - quiet // 2, (101_000, 101_000)),
            Block(quiet, count - quiet, (101_000, 190_000), quiet=False),
        )
        runs.append(replace(one, samples_ns=one.samples_ns[:quiet] + late, blocks=blocks))
    return replace(row, runs=tuple(runs))


def measurement(
    *,
    model: str = "lenet5",
    file_format: str = "tflite",
    recipe: str = "float32",
    runtime: str = "litert",
    device: str = "cpu",
    threads: int = 1,
    batch: int = 1,
    processes: int = 5,
    samples: int = 200,
    slowdown: float = 1.0,
    rng: np.random.Generator | None = None,
    **changes: object,
) -> Measurement:
    """One row that went well; `changes` replace fields of the Measurement."""
    rng = rng or np.random.default_rng(1)
    factor, size, loss = RECIPES[recipe]
    median = BASE_MS[runtime] * factor * slowdown * batch**0.9 / threads**0.6
    ending = {"keras": "keras", "tflite": "tflite", "onnx": "onnx"}[file_format]
    name = f"{model}.keras" if ending == "keras" else f"{model}.{recipe}.{ending}"
    right = round((0.986 + loss) * N_TEST)
    effective = Effective(
        provider={"litert": "XNNPACK", "onnxruntime": "CPUExecutionProvider"}.get(runtime, "CPU"),
        precision="bfloat16" if (runtime, recipe) == ("openvino", "float32") else recipe,
        device_name="Sample CPU",
        delegated_fraction=1.0,
        threads=threads,
        runtime_version=VERSIONS[runtime],
    )
    row = Measurement(
        artifact=ArtifactRecord(
            name=name,
            format=file_format,
            recipe=recipe,
            sha256=hashlib.sha256(name.encode()).hexdigest(),
            size_bytes=size + (9_000 if file_format == "onnx" else 0),
            model=model,
        ),
        runtime=runtime,
        device=device,
        options=RuntimeOptions(threads=threads, batch=batch),
        runs=tuple(
            replace(run(median, rng, samples), effective=effective, round=number)
            for number in range(processes)
        ),
        accuracy=answered(right),
        parity=Parity(2e-5, 88.0 if recipe == "float32" else 31.0, 0.9999, right / N_TEST, N_TEST),
        verdict="VALID",
    )
    return replace(row, **changes)


def unsupported(base: Measurement, device: str, error: str, hint: str) -> Measurement:
    return replace(
        base,
        device=device,
        status="unsupported",
        runs=(),
        accuracy=None,
        verdict=None,
        error=error,
        hint=hint,
    )


@cache
def sample(board: str | None = None, slowdown: float = 1.0, seed: int = 1, threads=(1, 2)):
    """About 60 rows: formats × recipes × runtimes × threads, and every kind of trouble."""
    rng = np.random.default_rng(seed)
    common = {"rng": rng, "slowdown": slowdown}
    rows = [measurement(file_format="keras", runtime="keras", **common)]
    for file_format, runtimes in RUNTIMES.items():
        for recipe in RECIPES:
            if (file_format, recipe) == ("onnx", "int16x8"):
                continue
            for runtime in runtimes:
                rows += [
                    measurement(
                        file_format=file_format,
                        recipe=recipe,
                        runtime=runtime,
                        threads=count,
                        **common,
                    )
                    for count in threads
                ]
    rows += [
        measurement(runtime="litert", recipe="static_int8", batch=batch, **common)
        for batch in (4, 16)
    ]
    tflite, onnx = (
        measurement(**common),
        measurement(file_format="onnx", runtime="onnxruntime", **common),
    )
    rows += [
        unsupported(
            tflite,
            "gpu",
            "no Vulkan device: LiteRT's GPU accelerator would fall back to the CPU",
            "install a Vulkan driver (mesa-vulkan-drivers)",
        ),
        unsupported(
            onnx,
            "cuda",
            "CUDAExecutionProvider did not load: libcudart.so.13 not found; ONNX Runtime would run "
            "on the CPU under CUDA's name",
            "pip install 'edgecnn[cuda]' and an NVIDIA driver",
        ),
        unsupported(onnx, "tensorrt", "TensorRT is not installed", ""),
        replace(
            onnx,
            runtime="opencv",
            artifact=replace(onnx.artifact, name="lenet5.int16x8.onnx", recipe="int16x8"),
            status="failed",
            runs=(),
            accuracy=None,
            verdict=None,
            error="opencv: cannot parse node of type 'QLinearConv' (onnx_importer.cpp:1012)",
        ),
    ]
    rows[3] = replace(
        rows[3],
        verdict="NOISY",
        reasons=(
            "spread: the median is known to ±6.1% only, ±1% was asked; 186 processes would do",
            "other processes kept 1.2 processors busy: stop them and measure again",
        ),
    )
    rows[2] = watched(rows[2])
    rows[6] = replace(
        rows[6],
        verdict="INVALID",
        reasons=("the output is the same for every input: the model answers a constant",),
        accuracy=Accuracy("top1", 0.1, N_TEST, wilson_interval(36, N_TEST)),
    )
    return Results(
        measurements=tuple(rows),
        environment=environment(board),
        protocol={"name": "default", "processes": 5, "min_secs": 2.0, "min_runs": 662},
        data={"name": "digits", "sha256": "d1" * 32, "split": "test", "n": N_TEST},
        command="edgecnn run --out runs/quickstart",
    )


def networks() -> Results:
    """Three networks: few samples beside a neighbor, one process a row, one that guesses."""
    rng = np.random.default_rng(5)
    few = [
        watched(replace(measurement(runtime=runtime, file_format=kind, recipe=recipe, rng=rng),
                        accuracy=answered(right, 36)))
        for kind, runtime, recipe, right in (
            ("keras", "keras", "float32", 36),
            ("tflite", "litert", "float32", 36),
            ("tflite", "litert", "static_int8", 35),
            ("onnx", "onnxruntime", "static_int8", 36),
        )
    ]  # fmt: skip
    twin = replace(few[2], artifact=replace(few[2].artifact, name="lenet5.mixed.tflite"))
    noisy = "spread: the median is known to ±9.2% only, ±3% was asked; 40 processes would do"
    single = [
        replace(
            measurement(model="resnet18", recipe=recipe, processes=1, slowdown=40, rng=rng),
            accuracy=None,
            verdict="NOISY",
            reasons=(noisy,),
        )
        for recipe in ("float32", "static_int8")
    ]
    guess = replace(answered(37), chance=0.1, chance_p=0.46, answered=9)
    guessing = replace(measurement(model="untrained", rng=rng), accuracy=guess)
    return replace(sample(), measurements=(*few, twin, *single, guessing))


def asked() -> Results:
    """One file with inputs of two shapes, with two beams, and as servers with other demands."""
    rng = np.random.default_rng(6)
    row = measurement(rng=rng)
    rows = [
        replace(measurement(slowdown=slowdown, rng=rng), options=RuntimeOptions(**options))
        for slowdown, options in (
            (4.0, {"shape": "1x3x640x640"}),
            (4.2, {"shape": "1x3x640x640", "threads": 2}),
            (1.0, {"shape": "1x3x320x320"}),
            (1.0, {}),
            (2.0, {"beam": 4}),
        )
    ]
    answering = tuple(
        replace(one, queries={"samples": len(one.samples_ns), "elapsed_ns": sum(one.samples_ns)})
        for one in row.runs
    )
    servers = [
        replace(row, runs=answering, load=Load("server", **demands))
        for demands in ({}, {"target_qps": 100.0}, {"target_qps": 100.0, "latency_bound_ms": 7.5})
    ]
    return replace(sample(), measurements=(*rows, *servers))


def many(count: int, samples: int = 64, processes: int = 3) -> Results:
    """`count` rows over many models, for sizes and times."""
    rng = np.random.default_rng(7)
    kinds = [
        (file_format, recipe, runtime)
        for file_format, runtimes in RUNTIMES.items()
        for recipe in RECIPES
        for runtime in runtimes
    ]
    rows = []
    for index in range(count):
        file_format, recipe, runtime = kinds[index % len(kinds)]
        rows.append(
            measurement(
                model=f"model{index // (2 * len(kinds)):03d}",
                file_format=file_format,
                recipe=recipe,
                runtime=runtime,
                threads=1 + index // len(kinds) % 2,
                samples=samples,
                processes=processes,
                slowdown=float(rng.lognormal(0, 1)),
                rng=rng,
            )
        )
    return replace(sample(), measurements=tuple(rows))
