"""A `.tflite` file as a C header for microcontrollers: its bytes, its operators, its arena.

The arena is the memory that TFLite Micro works in. How much a model needs only its allocator
knows, so that it is tried: the smallest arena in which the model allocates and infers, found by
bisection, each try in a process of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.files import refuse_overwrite, write_text_atomically

STEP = 256
"""Bytes to which the arena is found."""
LARGEST = 64 << 20
TRY_SECS = 60.0
_PER_LINE = 12
_SPELLED = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
"""Where the resolver's method is not called as the operator's words say."""

_TRY = """
import sys
import numpy as np
from tflite_micro import runtime
content = open(sys.argv[1], "rb").read()
interpreter = runtime.Interpreter.from_bytes(content, arena_size=int(sys.argv[2]))
details = interpreter.get_input_details(0)
interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
interpreter.invoke()
"""


def write_c_array(model: Path, out: Path, *, force: bool = False) -> list[str]:
    """Write the header; returns what to know about it, a sentence each.

    Raises InputError for anything but a `.tflite` file, for one with operators that TFLite does
    not define, for an `out` that does not end in `.h`, and for one that exists (unless `force`).
    """
    artifact = load_artifact(model)
    if artifact.format != "tflite":
        raise InputError(
            f"{artifact.name}: TFLite Micro reads .tflite files, received: {artifact.format}",
            hint="convert it to tflite:static_int8",
        )
    if out.suffix.lower() not in (".h", ".hpp"):
        raise InputError(f"a C header ends in .h, received: {out}")
    refuse_overwrite(out, force=force)
    operators = _operators(artifact.path)
    if "CUSTOM" in operators:
        raise InputError(
            f"{artifact.name} has custom operators, and TFLite Micro's resolver no method for them",
            hint="convert the model again without them",
        )
    arena, note = smallest_arena(artifact.path)
    text = header(artifact.path, operators, arena, artifact.manifest.recipe)
    write_text_atomically(out, text)
    return [f"{len(operators)} kinds of operators: {', '.join(operators)}", note]


def header(model: Path, operators: list[str], arena: int | None, recipe: str) -> str:
    """The header's text."""
    name = re.sub(r"\W+", "_", model.stem, flags=re.ASCII).strip("_").lower() or "model"
    name = f"model_{name}" if name[0].isdigit() else name
    macro = name.upper()
    content = model.read_bytes()
    adds = " ".join(f"(resolver).{adder(each)}();" for each in operators)
    bytes_ = f"{macro}_ARENA_BYTES" if arena else "…"
    size = f"#define {macro}_ARENA_BYTES {arena}\n" if arena else ""
    return f"""// {model.name} ({recipe or "unknown recipe"}), {len(content)} bytes. By edgecnn.
//
//   #include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
//   alignas(16) static uint8_t arena[{bytes_}];
//   tflite::MicroMutableOpResolver<{macro}_OPERATORS> resolver;
//   {macro}_ADD_OPERATORS(resolver)
#ifndef {macro}_H_
#define {macro}_H_

#define {macro}_OPERATORS {len(operators)}
#define {macro}_ADD_OPERATORS(resolver) {adds}
{size}
static const unsigned int {name}_size = {len(content)};
#ifdef __cplusplus
alignas(16)
#else
_Alignas(16)
#endif
static const unsigned char {name}_data[] = {{
{chr(10).join(_lines(content))}
}};

#endif  // {macro}_H_
"""


def adder(operator: str) -> str:
    """The resolver's method: CONV_2D is AddConv2D."""
    if operator in _SPELLED:
        return f"Add{_SPELLED[operator]}"
    parts = (part if part[0].isdigit() else part.capitalize() for part in operator.split("_"))
    return f"Add{''.join(parts)}"


def smallest_arena(model: Path) -> tuple[int | None, str]:
    """(bytes of the smallest arena, what to know); None where it cannot be tried here."""
    from importlib.util import find_spec

    if find_spec("tflite_micro") is None:
        return None, (
            "arena size not measured: pip install 'edgecnn[micro]' (x86-64 Linux) and pass --force"
        )
    high, problem = STEP, ""
    while high <= LARGEST:
        problem = _tried(model, high)
        if not problem:
            break
        high *= 2
    if problem:
        return None, f"TFLite Micro does not run it in {LARGEST >> 20} MiB: {problem}"
    low = high // 2
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        if _tried(model, middle):
            low = middle
        else:
            high = middle
    return high, f"arena: {high:,} bytes by TFLite Micro on this machine"


def _tried(model: Path, arena: int) -> str:
    """Why the model does not run in so many bytes; empty where it does."""
    command = [sys.executable, "-c", _TRY, str(model), str(arena)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TRY_SECS, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {TRY_SECS:.0f} s"
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return " ".join(lines[-1].split())[:200] if lines else f"exit code {done.returncode}"


def _operators(model: Path) -> list[str]:
    from edgecnn.conversion.quantizers.tflite import operators_of

    return sorted(operators_of(model))


def _lines(content: bytes) -> Iterator[str]:
    for start in range(0, len(content), _PER_LINE):
        yield "  " + ", ".join(f"0x{byte:02x}" for byte in content[start : start + _PER_LINE]) + ","
