"""Build a reproducible wheel of edgecnn from the installed package."""

from __future__ import annotations

import hashlib
import io
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import edgecnn

_DATE = (2020, 1, 1, 0, 0, 0)
_SKIPPED = {"__pycache__"}


def build() -> tuple[str, bytes]:
    """(file name, content) of a wheel of this edgecnn.

    It is built without a build tool: where edgecnn is installed, none may be.
    """
    version = edgecnn.__version__
    information = f"edgecnn-{version}.dist-info"
    root = Path(edgecnn.__file__).parent
    files = {
        f"edgecnn/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not _SKIPPED & set(path.parts) and path.suffix != ".pyc"
    }
    files[f"{information}/METADATA"] = _metadata(version).encode()
    files[f"{information}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: edgecnn\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{information}/entry_points.txt"] = b"[console_scripts]\nedgecnn = edgecnn.cli:main\n"
    record = "".join(f"{name},,\n" for name in [*files, f"{information}/RECORD"])
    files[f"{information}/RECORD"] = record.encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    return f"edgecnn-{version}-py3-none-any.whl", out.getvalue()


def digest(content: bytes) -> str:
    """What a wheel is known by."""
    return hashlib.sha256(content).hexdigest()[:16]


def requirements() -> list[str]:
    """What edgecnn and its extras need, a requirement a line ("numpy>=1.26")."""
    text = _metadata(edgecnn.__version__)
    return Parser().parsestr(text, headersonly=True).get_all("Requires-Dist") or []


def needs() -> str:
    """What the requirements are known by."""
    return digest("\n".join(sorted(requirements())).encode())


def _metadata(version: str) -> str:
    """The installed metadata: names the dependencies of every extra."""
    try:
        text = metadata.distribution("edgecnn").read_text("METADATA")
    except metadata.PackageNotFoundError:
        text = None
    return text or f"Metadata-Version: 2.1\nName: edgecnn\nVersion: {version}\n"
