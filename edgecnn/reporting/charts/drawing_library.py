"""The drawing library (Vega, Vega-Embed) as one script, out of the installed vl-convert.

Bundling takes 2 to 3 seconds of one core and its result depends on nothing but the version
of vl-convert, so it is made in a process parallel to the rest of the work, once, and kept in the
user's cache folder.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.system.places import cache_home

GLOBAL = "edgecnnEmbed"
_SNIPPET = f"window.{GLOBAL} = vegaEmbed;"
_PROGRAM = (
    "import sys, vl_convert; "
    "sys.stdout.buffer.write(vl_convert.javascript_bundle(sys.argv[1]).encode())"
)
_END = b"\n/* complete */"


def start() -> Callable[[], str]:
    """Begin to make the script; the function that is returned waits for it.

    It defines `window.edgecnnEmbed` and may stand inside `<script>`.
    """
    path = _cache_path()
    cached = _read(path)
    if cached is not None:
        return lambda: cached
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, _SNIPPET],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return lambda: _finish(process, path)


def _finish(process: subprocess.Popen[bytes], path: Path) -> str:
    output, _ = process.communicate()
    if process.returncode != 0:  # an interpreter that cannot start itself: make it here
        import vl_convert

        output = vl_convert.javascript_bundle(_SNIPPET).encode()
    script = output.replace(b"</script", b"<\\/script").replace(b"<!--", b"<\\!--")
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(script + _END)
    except InputError:
        pass  # no cache folder, no cache
    return script.decode()


def _read(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content.removesuffix(_END).decode() if content.endswith(_END) else None


def _cache_path() -> Path:
    return cache_home() / f"vega-{metadata.version('vl-convert-python')}.js"
