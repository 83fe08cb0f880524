# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Your own Keras model, from training to a bundle
#
# Open it as a notebook (Jupyter with jupytext, VS Code), or run `python demos/own_keras_model.py`.
# It writes into `runs/own_keras_model`. The network and the data are yours to change: edgecnn
# needs a Keras model and samples.

# %%
from pathlib import Path

import keras
import numpy as np

import edgecnn
from edgecnn.analysis import answer
from edgecnn.analysis.rows import collect
from edgecnn.benchmarking.protocol import resolve
from edgecnn.optimization.bundles.bundle import write_bundle

OUT = Path("runs/own_keras_model")
OUT.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
# ## The data
#
# Real handwritten digits of 8×8 pixels, 0…255. `edgecnn.data.load("folder:images/")` reads a folder
# of images instead.

# %%
digits = edgecnn.data.load("digits")
train, test = digits["train"], digits["test"]
pixels = np.asarray(train.samples, np.float32)[..., None]
print(f"{len(train)} to train, {len(test)} to test, classes {', '.join(digits.labels)}")

# %% [markdown]
# ## The model
#
# It scales its input itself. That is the safest way to ship a model: edgecnn reads it off the first
# layer, and nobody has to remember how images were prepared.

# %%
model = keras.Sequential(
    [
        keras.layers.Input((8, 8, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10, activation="softmax"),
    ],
    name="own",
)
model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(pixels, train.labels, epochs=15, batch_size=64, verbose=0)
model.save(OUT / "own.keras")
print(f"accuracy in training: {history.history['accuracy'][-1]:.1%}")

# %% [markdown]
# ## Convert
#
# Two files: float32, and int8 with ranges from real samples.

# %%
artifacts = [
    edgecnn.convert(
        OUT / "own.keras", target, calibration=digits, out=OUT / "artifacts", force=True
    )
    for target in ("tflite:float32", "tflite:static_int8")
]
for artifact in artifacts:
    print(f"{artifact.path.name}: {artifact.size_bytes / 1000:.1f} kB")

# %% [markdown]
# ## Verify
#
# Are the outputs those of the parent, and how much accuracy is lost?

# %%
for artifact in artifacts:
    found = edgecnn.verify(artifact.path, parent=OUT / "own.keras", dataset=digits, max_drop=3)
    print(
        f"{artifact.path.name}: accuracy {found.accuracy.value:.1%}, "
        f"parent {found.parent_accuracy.value:.1%}, {'passed' if found.passed else 'did not pass'}"
    )

# %% [markdown]
# ## Benchmark and report
#
# Several fresh processes for each row. `results.json` holds every sample; the page needs no
# network.

# %%
results = edgecnn.benchmark(
    artifacts, ["litert:cpu"], data=digits, protocol=resolve("quick", max_secs=2.0)
)
results.save(OUT / "results.json")
edgecnn.reporting.write([results], OUT / "report.html")
for row in results.measurements:
    if row.latency is not None:
        print(f"{row.artifact.name}: p50 {row.latency.p50:.4f} ms, {row.verdict}")

# %% [markdown]
# ## The answer
#
# The same sentence as on the page: what to deploy within limits, and how sure that is.

# %%
for choice in answer.choose(collect([results]), answer.Constraints(drop=3)):
    print(choice.sentence)

# %% [markdown]
# ## Ship
#
# A folder that runs with numpy and one runtime: `python -m own image.png`.

# %%
write_bundle(
    artifacts[1].path,
    OUT / "shipped",
    configuration="litert:cpu",
    dataset=digits,
    name="own",
    force=True,
)
print(f"see {OUT / 'shipped'} and {OUT / 'report.html'}")
