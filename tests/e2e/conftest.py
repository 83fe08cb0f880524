"""A small file to measure, and a browser for pages that are read from the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def tflite(lenet_artifacts) -> Path:
    """A trained LeNet-5 in float32."""
    return lenet_artifacts["tflite:float32"].path


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Chromium, also with the module's own `BROWSER_ARGUMENTS`."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    arguments = [*ARGUMENTS, *getattr(request.module, "BROWSER_ARGUMENTS", ())]
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=program, args=arguments)
        yield chromium
        chromium.close()
