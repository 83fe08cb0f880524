"""Identity of machines, configurations and measurements."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from edgecnn.results import Environment, Measurement, Results

NAME_LENGTH = 120
INDEXED_LENGTH = 500
"""Of names that are searched for: PostgreSQL's index takes 2,704 bytes."""


def digest(*parts: Any) -> str:
    """A short hash of anything that JSON can hold."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def storable(text: str) -> str:
    """Text that every database takes: without null characters and lone surrogates."""
    whole = text.encode("utf-8", "replace").decode()
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def machine_of(environment: Environment, name: str = "") -> tuple[str, str]:
    """(digest, name) of a machine. A `name` that the user gives it, here or as a board, is its
    identity, too. Without one, machines of the same board, processor and memory are one.
    """
    name = name or str(environment.machine.get("name") or "")[:NAME_LENGTH]
    if name:
        return digest("named", name), storable(name)
    facts = environment.machine
    memory = facts.get("memory_bytes")
    gpus = facts.get("gpus")
    identity = [
        facts.get("board"),
        facts.get("cpu_model"),
        facts.get("architecture"),
        facts.get("logical_cores"),
        round(memory / 2**30) if isinstance(memory, (int, float)) else None,
        [gpu.get("name") for gpu in gpus if isinstance(gpu, Mapping)]
        if isinstance(gpus, Sequence)
        else [],
    ]
    facts_known = [str(facts[key]) for key in ("board", "cpu_model") if facts.get(key)]
    name = ", ".join(facts_known) or str(facts.get("architecture") or "unknown machine")
    cores = facts.get("logical_cores")
    if isinstance(cores, int):
        name += f", {cores} core{'s' * (cores != 1)}"
    return digest(*identity), storable(name[:NAME_LENGTH])


def configuration_of(row: Measurement) -> dict[str, str]:
    """The columns of a row's configuration, with its digest.

    The model file's content and the runtime's version are not part of it: a history follows a
    configuration through both. A runtime that was asked for by version ("onnxruntime==1.23.2")
    is another configuration: it exists together with the installed one.
    """
    artifact = row.artifact
    columns = {
        "artifact": artifact.name,
        "model": artifact.model,
        "format": artifact.format,
        "recipe": artifact.recipe,
        "runtime": row.runtime,
        "device": row.device,
        "options": json.dumps(row.asked, sort_keys=True),
    }
    columns = {name: storable(text) for name, text in columns.items()}
    identity = [columns[name] for name in ("artifact", "runtime", "device", "options")]
    indexed = {name: columns[name][:INDEXED_LENGTH] for name in ("artifact", "model")}
    return {**columns, **indexed, "digest": digest(*identity)}


def versions_of(results: Results) -> dict[str, str]:
    """Everything with a version that a session ran on: packages, system, protocol, data …"""
    environment = results.environment
    versions = {name: str(version) for name, version in environment.packages.items()}
    versions |= {name: str(value) for name, value in environment.system.items()}
    governor = environment.machine.get("governor")
    if governor:
        versions["governor"] = str(governor)
    versions["protocol"] = str(results.protocol.get("name", ""))
    versions["data"] = data_of(results)
    return {name: value for name, value in sorted(versions.items()) if value}


def data_of(results: Results) -> str:
    """The data set behind a session as its name and the start of its hash; empty without one."""
    name, sha256 = results.data.get("name"), results.data.get("sha256")
    return " ".join(str(part)[:40] for part in (name, str(sha256 or "")[:12]) if part)


def origin_of(row: Measurement, results: Results) -> str:
    """What no two measurements share: the row, and when and how long its first process ran.

    A results file that was continued holds the same measurement with more processes.
    """
    first = row.runs[0] if row.runs else None
    began = (
        (first.started_at, first.load_ns, first.first_inference_ns)
        if first
        else (results.environment.created_at, row.status, row.error)
    )
    return digest(row.key, *began)


def session_of(results: Results, origins: Sequence[str]) -> str:
    """The identity of a session that is stored for the first time."""
    return digest(results.environment.created_at, results.command, sorted(origins))


def seconds_of(text: str) -> float | None:
    """An ISO 8601 time as seconds since 1970 (UTC); None for anything else."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
