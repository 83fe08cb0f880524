"""Output in encodings that lack characters."""

from __future__ import annotations

import io
import sys

import pytest

from edgecnn.cli.screen import streams


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("ascii", "3 ± 1 µs → ok …", b"3 +/- 1 us -> ok ..."),
        ("ascii", "modèle", b"mod\\xe8le"),
        ("latin-1", "modèle ≤ 1", b"mod\xe8le <= 1"),
        ("utf-8", "bad\udcff.tflite", b"bad\\udcff.tflite"),
        ("utf-8", "3 ± 1 µs → ok", "3 ± 1 µs → ok".encode()),
    ],
)
def test_what_the_encoding_lacks_is_spelled(monkeypatch, encoding, text, written):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    streams.make_safe()
    sys.stdout.write(text)
    sys.stdout.flush()
    assert raw.getvalue() == written
