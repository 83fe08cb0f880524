# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Machines side by side
#
# Results files of several boards or computers in one table and one page:
#
#     python demos/compare_machines.py pi.json laptop.json
#
# Each comes from `edgecnn benchmark … --out pi.json` on that machine, or over SSH with
# `edgecnn benchmark … --on rpi5`. Without arguments the quickstart's results, which are in the
# repository, are one machine, and this one is measured with the same network.

# %%
import sys
from pathlib import Path

import edgecnn
from edgecnn.benchmarking.protocol import resolve
from edgecnn.results import Results

OUT = Path("runs/compare_machines")
OUT.mkdir(parents=True, exist_ok=True)
QUICKSTART = Path(__file__).resolve().parents[1] / "benchmarks/results/quickstart/results.json"

# %% [markdown]
# ## Load, or measure
#
# LeNet-5 is trained here for a moment: latency depends on the network, not on what it has learned.
# So its accuracy is not compared.

# %%
machines = [Results.load(Path(path)) for path in sys.argv[1:]]
if not machines:
    digits = edgecnn.data.load("digits")
    model = edgecnn.train("lenet5", digits, epochs=1, out=OUT / "lenet5.keras")
    artifacts = [
        edgecnn.convert(model.path, target, calibration=digits, out=OUT, force=True)
        for target in ("tflite:float32", "tflite:static_int8")
    ]
    here = edgecnn.benchmark(artifacts, ["litert:cpu"], protocol=resolve("quick", max_secs=2.0))
    here.save(OUT / "here.json")
    machines = [Results.load(QUICKSTART), here]

# %% [markdown]
# ## The same row on each machine
#
# A row is a file on a runtime with a number of threads. Only rows that every machine has, and that
# are not INVALID, are compared.


# %%
def rows_of(results: Results) -> dict[tuple[str, str, int], object]:
    """Measured rows that are not INVALID, by file, configuration and threads."""
    return {
        (row.artifact.name, row.configuration, row.options.threads): row
        for row in results.measurements
        if row.latency is not None and row.verdict != "INVALID" and row.options.batch == 1
    }


def machine_name(results: Results) -> str:
    """The board, or else the processor."""
    facts = results.environment.machine
    return str(facts.get("board") or facts.get("cpu_model") or "unknown")


tables = [rows_of(results) for results in machines]
shared = sorted(set.intersection(*(set(table) for table in tables)))
print("machines: " + "; ".join(map(machine_name, machines)))

# %%
for key in shared:
    latencies = [table[key].latency for table in tables]
    first = latencies[0]
    cells = []
    for latency in latencies:
        ratio = first.p50 / latency.p50
        apart = first.ci95 and latency.ci95 and (
            latency.ci95[1] < first.ci95[0] or first.ci95[1] < latency.ci95[0]
        )  # fmt: skip
        said = f"{ratio:.2f}×" if apart else "same or undecided"
        cells.append(f"{latency.p50:9.4f} ms ({said if latency is not first else 'the first'})")
    print(f"{key[0]:<34} {key[1]:<14} {key[2]} threads  " + "  ".join(cells))
print(f"{len(shared)} rows on every machine")

# %% [markdown]
# ## The page
#
# Every machine's facts next to each other, what differs marked, and an answer for each machine.

# %%
edgecnn.reporting.write(machines, OUT / "machines.html")
print(f"see {OUT / 'machines.html'}")
