"""Find untrusted content in a Keras file: programs, and references to files of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecnn.errors import InputError
from edgecnn.text import words

MAX_WEIGHTS = 1_000_000
"""Groups of weights that are looked into; a file whose groups hold each other has no end."""

TRUST = "edgecnn does not run it; pass --allow-unsafe if you trust where the file is from"

_CODE = {
    "Lambda": "a Lambda layer",
    "__lambda__": "a Python lambda",
    "TFSMLayer": "a TFSMLayer (a TensorFlow graph from outside)",
    "TorchModuleWrapper": "a TorchModuleWrapper (a pickle)",
    "JaxLayer": "a JaxLayer (a Python function)",
    "FlaxLayer": "a FlaxLayer (a Python function)",
}
"""Classes whose configuration is a program, and what to call them."""

_FILE_KEYS = ("vocabulary", "idf_weights")
"""Settings of layers that take values, or the path of a file that holds them."""

FUNCTION_LAYERS = words("TFOpLambda SlicingOpLambda ClassMethod InstanceMethod InstanceProperty")
"""Layers of Keras 2 that call a function of TensorFlow by its name; Keras 3 has none of them."""
_FUNCTIONS = words("math nn image linalg signal bitwise __operators__ keras")
"""Modules of TensorFlow whose functions compute and do nothing else."""
_PLAIN_FUNCTIONS = words(
    "abs add argmax argmin argsort batch_to_space boolean_mask broadcast_to cast ceil "
    "clip_by_norm clip_by_value concat constant convert_to_tensor cos cumsum dense divide "
    "dynamic_partition dynamic_stitch einsum ensure_shape equal exp expand_dims eye fill floor "
    "gather gather_nd greater greater_equal identity less less_equal linspace log logical_and "
    "logical_not logical_or matmul maximum meshgrid minimum multiply negative norm not_equal "
    "one_hot ones ones_like pad pow range rank realdiv reduce_all reduce_any reduce_logsumexp "
    "reduce_max reduce_mean reduce_min reduce_prod reduce_sum repeat reshape reverse "
    "reverse_sequence roll round scalar_mul scatter_nd searchsorted sequence_mask shape shape_n "
    "sigmoid sign sin size slice sort space_to_batch space_to_batch_nd split sqrt square squeeze "
    "stack stop_gradient strided_slice subtract tan tanh tensor_scatter_nd_add "
    "tensor_scatter_nd_update tensordot tile transpose truediv truncatediv unique unstack where "
    "zeros zeros_like"
)


def refuse_code(path: Path, config: Any) -> None:
    """Raise InputError when the architecture contains a program."""
    for entry in objects(config):
        kind = str(entry.get("class_name"))
        settings = entry.get("config")
        settings = settings if isinstance(settings, dict) else {}
        what = _CODE.get(kind.rpartition(">")[2])
        if what is None and kind in FUNCTION_LAYERS:
            called = str(settings.get("function") or "")
            what = None if _computes(called) else f"a call of TensorFlow's {called or 'own code'}"
        if what is None:
            continue
        name = settings.get("name") or entry.get("name")
        called = f" named {name!r}" if name else ""
        raise InputError(
            f"{path.name} contains {what}{called}: Python code that would run on this machine",
            hint=TRUST,
        )


def _computes(function: str) -> bool:
    """Whether a function of TensorFlow, by its name, only computes."""
    parts = function.removeprefix("compat.v1.").split(".")
    if len(parts) == 1:
        return parts[0] in _PLAIN_FUNCTIONS
    return parts[0] in _FUNCTIONS


def refuse_named_files(path: Path, config: Any) -> None:
    """Raise InputError when a layer would read a file of this machine."""
    for entry in objects(config):
        for key in _FILE_KEYS:
            named = entry.get(key)
            if isinstance(named, str):
                raise InputError(
                    f"{path.name}: a layer reads its {key} from the file {named!r}, outside of the "
                    "archive",
                    hint="save the model again with Keras 3, which puts it inside; "
                    "or pass --allow-unsafe if you trust where the file is from",
                )


def outside_data(h5py: ModuleType, weights: Any) -> Iterator[str]:
    """Names of links to other files, and of data that other files hold. No link is followed."""
    waiting = [weights]
    for _ in range(MAX_WEIGHTS):
        if not waiting:
            return
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield f"{group.name.rstrip('/')}/{name}"
            elif isinstance(link, h5py.HardLink):
                member = group[name]
                if isinstance(member, h5py.Group):
                    waiting.append(member)
                elif isinstance(member, h5py.Dataset) and (member.external or member.is_virtual):
                    yield str(member.name)


def objects(config: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects in `config`, at any depth; no recursion, so depth cannot hurt."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
