"""What is registered, as reference: runtimes, recipes, formats, networks, data sources, heads."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType

from edgecnn import registry
from edgecnn.conversion.recipe import PRESETS
from edgecnn.conversion.targets import FORMATS_WITH, TARGETS, has_every_recipe
from edgecnn.runtimes.base import Runtime

MODULES = ("data", "models", "reporting", "vision")
"""Names of `edgecnn` that are modules: what each of them offers is listed."""


def runtimes() -> str:
    """Each runtime: what it reads, where it runs, what brings it, what it can and cannot."""
    parts = [_runtime_table()]
    for name in registry.RUNTIMES.names():
        runtime: type[Runtime] = registry.RUNTIMES.load(name)
        parts.append(f"## {name}\n\n{_doc(runtime)}\n")
        facts = [
            ("reads", _codes(runtime.formats)),
            ("devices", _codes(f"{name}:{device}" for device in runtime.devices)),
            ("installed by", _installed(runtime)),
            ("times of single operators (`--profile-ops`)", _yes(_overrides(runtime, "profile"))),
        ]
        facts += [(title, _codes(targets)) for title, targets in _targets(runtime)]
        parts.append("\n".join(f"{title}\n:   {text}\n" for title, text in facts))
    return "\n".join(parts)


def recipes() -> str:
    """Each preset: what it stores and computes, the formats that have it, what it needs."""
    from edgecnn.conversion.targets import parse_targets

    parts = []
    for name, recipe in PRESETS.items():
        made = [kind for kind in FORMATS_WITH if _is_made(kind, name, parse_targets)]
        every = [kind for kind in made if f"{kind}:{name}" in map(str, TARGETS)]
        facts = [
            ("weights", f"`{recipe.weights}`, one scale a {recipe.granularity}"
             if recipe.weights == "int8" else f"`{recipe.weights}`"),
            ("activations", _ACTIVATIONS[recipe.activations]),
            ("calibration data", "needed" if recipe.samples_wanted else "not needed"),
            ("targets", _codes(f"{kind}:{name}" for kind in made) or "–"),
        ]  # fmt: skip
        if recipe.calibrates and recipe.calibration != "min_max":
            facts.insert(2, ("ranges", f"`{recipe.calibration}`"))
        if recipe.equalized:
            facts.insert(2, ("equalized", "ranges of neighboring layers' channels are evened out"))
        if set(made) - set(every):
            facts.append(("made", "when it is named; `--to all` leaves it out"))
        parts.append(f"## {name}\n")
        parts.append("\n".join(f"{title}\n:   {text}\n" for title, text in facts))
    whole = _codes(kind for kind in FORMATS_WITH if has_every_recipe(kind))
    parts.append(f"A recipe of your own (`--to tflite:mine.json`) is taken by {whole}.\n")
    return "\n".join(parts)


_ACTIVATIONS = {
    "float32": "computed in floating point",
    "dynamic": "quantized to int8 at each inference",
    "int8": "int8 with fixed ranges that calibration finds",
    "int16": "int16 with fixed ranges that calibration finds",
}


def formats() -> str:
    """Each model format: endings, reference runtime, who reads it, targets."""
    rows = []
    for name in registry.FORMATS.names():
        kind = registry.FORMATS.load(name)
        readers = [
            other
            for other in registry.RUNTIMES.names()
            if registry.RUNTIMES.load(other).reads(name)
        ]
        rows.append(
            (f"`{name}`", _codes(kind.suffixes), f"`{kind.runtime}`" if kind.runtime else "–",
             _codes(readers) or "–", _codes(FORMATS_WITH.get(name, ())) or "–")
        )  # fmt: skip
    return _table(("format", "files", "reference runtime", "read by", "recipes"), rows)


def networks() -> str:
    """Each network with the first sentence of its module."""
    rows = [
        (f"`{name}`", table.kind, _first_sentence(table.builtin[name]))
        for table in (registry.MODELS, registry.DETECTORS, registry.SEQUENCE_MODELS)
        for name in table.builtin
    ]
    return _table(("name", "kind", "what it is"), rows)


def data_sources() -> str:
    """Each data source with what its module says."""
    return "\n".join(
        f"## {name}\n\n{_module_text(registry.DATA_SOURCES.builtin[name])}\n"
        for name in registry.DATA_SOURCES.names()
    )


def heads() -> str:
    """Each detection head with what its class says."""
    rows = []
    for name in registry.HEADS.names():
        head = registry.HEADS.load(name)
        rows.append((f"`{name}`", _first(inspect.getdoc(head) or "")))
    return _table(("head", "outputs that it takes"), rows)


def tasks() -> str:
    """Each task with what its scorer does."""
    rows = [
        (f"`{name}`", _first(inspect.getdoc(registry.TASKS.load(name)) or ""))
        for name in registry.TASKS.names()
    ]
    return _table(("task", "how it is scored"), rows)


def python_interface() -> str:
    """Directives for mkdocstrings: what `edgecnn` offers, then what its modules offer."""
    import edgecnn

    places = dict(sorted(edgecnn._PUBLIC.items()))  # noqa: SLF001 (the table of public names)
    parts = []
    for name, place in places.items():
        if name not in MODULES:
            parts.append(f"## edgecnn.{name}\n\n::: {place.replace(':', '.')}\n")
    for name in MODULES:
        module = importlib.import_module(f"edgecnn.{name}")
        parts.append(f"## edgecnn.{name}\n\n{_prose(module.__doc__ or '')}\n")
        for member in _offered(module):
            found = getattr(module, member)
            parts.append(f"::: {found.__module__}.{found.__qualname__}\n")
    return "\n".join(parts)


def _offered(module: ModuleType) -> Sequence[str]:
    """Classes and functions that a module offers, by `__all__` or by being its own."""
    named = getattr(module, "__all__", None) or [
        name for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]  # fmt: skip
    return [
        name for name in named
        if inspect.isfunction(getattr(module, name)) or inspect.isclass(getattr(module, name))
    ]  # fmt: skip


def _runtime_table() -> str:
    rows = []
    for name in registry.RUNTIMES.names():
        runtime: type[Runtime] = registry.RUNTIMES.load(name)
        rows.append((f"[`{name}`](#{name})", _codes(runtime.formats), _codes(runtime.devices),
                     _installed(runtime)))  # fmt: skip
    return _table(("runtime", "reads", "devices", "installed by"), rows)


def _installed(runtime: type[Runtime]) -> str:
    if runtime.environment:
        return f"`edgecnn env create {runtime.environment}`"
    return f"`pip install 'edgecnn[{runtime.extra}]'`"


def _targets(runtime: type[Runtime]) -> list[tuple[str, list[str]]]:
    own = [str(target) for target in TARGETS if runtime.reads(target.format)]
    return [("targets that it can be given", own)] if own else []


def _is_made(kind: str, recipe: str, parse: Callable[[str], object]) -> bool:
    from edgecnn.errors import InputError

    try:
        parse(f"{kind}:{recipe}")
    except InputError:
        return False
    return True


def _overrides(runtime: type[Runtime], name: str) -> bool:
    return any(name in vars(kind) for kind in runtime.__mro__ if kind not in (Runtime, object)
               and kind.__module__ != Runtime.__module__)  # fmt: skip


def _module_text(place: str) -> str:
    module, _, attribute = place.partition(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"no module {module}")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    text = ast.get_docstring(tree) or ""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == attribute and attribute != "load":
            text = f"{text}\n\n{ast.get_docstring(node) or ''}"
    return _prose(text)


def _first_sentence(place: str) -> str:
    return _first(_module_text(place))


def _first(text: str) -> str:
    return _prose(text.partition("\n\n")[0].replace("\n", " "))


def _doc(thing: object) -> str:
    return _prose(inspect.getdoc(thing) or "")


def _prose(text: str) -> str:
    """A docstring as Markdown: what is indented stays as it is, angle brackets are no HTML."""
    lines = []
    table = False
    for line in text.splitlines():
        spaced = "  " in line.strip() and not line.startswith(" ")
        if spaced and not table:
            lines.append("")
        table = spaced
        plain = line.startswith("    ") or spaced
        lines.append(f"    {line.strip()}" if plain else _unmarked(line))
    return "\n".join(lines).strip()


def _unmarked(line: str) -> str:
    """A line in which only code between backticks is markup."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(
        part if part.startswith("`") else part.replace("<", "&lt;").replace("*", "\\*")
        for part in parts
    )


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
