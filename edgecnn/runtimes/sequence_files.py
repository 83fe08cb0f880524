"""A file that holds an encoder and a step, loaded in any runtime that reads its graphs."""

from __future__ import annotations

import contextlib
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.formats.seq2seq.archive import unpack
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.runtimes.base import Session
from edgecnn.runtimes.sequences import SequenceSession, decoding_for, graph_options
from edgecnn.sequences.search import Decoding
from edgecnn.system import scratch

if TYPE_CHECKING:
    from edgecnn.runtimes.base import Runtime


def load(
    runtime: type[Runtime], path: Path, device: str, options: RuntimeOptions
) -> SequenceSession:
    """Unpack the graphs and load both. Their files live as long as the session.

    The step gets a row for each hypothesis of the beam where its graph leaves the batch open, one
    row otherwise. Raises what `Runtime.load` raises.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch.folder())
        spec = unpack(path, folder)
        decoding = decoding_for(options, Decoding(spec.beam, spec.length_penalty))
        encoder = runtime.load(folder / spec.encoder, device, graph_options(options, 1))
        step, because = _step(runtime, folder / spec.step, device, options, decoding.beam)
        session = SequenceSession(
            encoder,
            step,
            decoding=decoding,
            memory=spec.memory,
            options=options,
            fields=(spec.reads, spec.writes),
            first_attempt=because,
        )
        weakref.finalize(session, stack.pop_all().close)
        return session


def _step(
    runtime: type[Runtime], path: Path, device: str, options: RuntimeOptions, beam: int
) -> tuple[Session, str]:
    because = ""
    if beam > 1:
        try:
            return runtime.load(path, device, graph_options(options, beam)), ""
        except InputError as error:
            because = error.message
    return runtime.load(path, device, graph_options(options, 1)), because
