"""Downloads from a real HTTP server on this machine: whole, checked, resumed, or refused."""

from __future__ import annotations

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import edgecnn.data
from edgecnn.data.files.download import DownloadError, fetch
from edgecnn.data.sources import mnist
from edgecnn.errors import InputError

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves by path: /good, /no-ranges, /broken (closes half way), /wrong, /endless, /file/…"""

    def do_GET(self):
        mode = self.path.strip("/").split("/")[0]
        self.server.requests.append((mode, self.headers.get("Range")))
        content = self.server.files.get(self.path, CONTENT)
        if mode == "missing":
            self.send_error(404)
            return
        if mode == "wrong":
            content = bytes(len(content))
        start = 0
        requested = self.headers.get("Range")
        if requested and mode not in ("no-ranges", "endless"):
            start = int(requested.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if mode != "endless":
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if mode == "broken":
            body = body[: len(body) // 2]
        self.wfile.write(body * (3 if mode == "endless" else 1))

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.files = [], {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def get(server, tmp_path):
    target = tmp_path / "cache" / "file.gz"

    def get(*modes, **changes):
        urls = [f"{server.url}/{mode}/file.gz" for mode in modes]
        return fetch(urls, target, **{"sha256": SHA256, "size_bytes": len(CONTENT), **changes})

    get.target = target
    get.part = target.with_name("file.gz.part")
    return get


def test_a_file_arrives_whole(get):
    assert get("good").read_bytes() == CONTENT
    assert not get.part.exists()


def test_a_file_that_is_there_is_not_fetched_again(get, server):
    get("good")
    get("good")

    assert len(server.requests) == 1


def test_a_damaged_file_in_the_cache_is_replaced(get):
    get("good").write_bytes(b"damaged")

    assert get("good").read_bytes() == CONTENT


def test_the_next_mirror_is_tried(get):
    assert get("missing", "wrong", "good").read_bytes() == CONTENT


def test_wrong_bytes_are_never_left_behind(get):
    with pytest.raises(DownloadError, match="sha256 differs"):
        get("wrong")

    assert not get.target.exists()
    assert not get.part.exists()


def test_a_broken_connection_keeps_what_came_and_says_so(get):
    with pytest.raises(DownloadError, match="150,000"):
        get("broken")

    assert not get.target.exists()
    assert get.part.stat().st_size == 150_000


def test_a_download_goes_on_where_it_stopped(get, server):
    with pytest.raises(DownloadError):
        get("broken")

    assert get("good").read_bytes() == CONTENT
    assert server.requests[-1] == ("good", "bytes=150000-")


def test_another_mirror_continues_what_one_began(get, server):
    assert get("broken", "good").read_bytes() == CONTENT
    assert server.requests[-1] == ("good", "bytes=150000-")


def test_a_server_without_ranges_starts_again(get):
    with pytest.raises(DownloadError):
        get("broken")

    assert get("no-ranges").read_bytes() == CONTENT


def test_a_partial_file_with_other_bytes_is_thrown_away(get):
    get.part.parent.mkdir()
    get.part.write_bytes(b"x" * 1000)

    assert get("good").read_bytes() == CONTENT


def test_a_partial_file_that_is_too_long_is_thrown_away(get):
    get.part.parent.mkdir()
    get.part.write_bytes(b"x" * (len(CONTENT) + 5))

    assert get("good").read_bytes() == CONTENT


def test_no_more_than_the_known_size_is_read(get):
    assert get("endless").read_bytes() == CONTENT


def test_every_mirror_says_why_it_failed(get, server):
    with pytest.raises(DownloadError) as caught:
        fetch(
            ["http://127.0.0.1:1/file.gz", f"{server.url}/missing/file.gz"],
            get.target,
            sha256=SHA256,
            size_bytes=len(CONTENT),
        )

    assert "127.0.0.1:1: " in caught.value.message
    assert "HTTP 404" in caught.value.message
    assert "--data-dir" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_named(get, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")

    with pytest.raises(InputError, match="cannot write"):
        get("good")


def test_progress_counts_the_bytes(get):
    calls = []

    get("good", progress=lambda stage, done, total, message="": calls.append((stage, done, total)))

    assert calls[-1] == ("download", len(CONTENT), len(CONTENT))


def test_mnist_downloads_its_four_files_once(server, monkeypatch, tmp_path, mnist_like):
    remote = {}
    for name, content in mnist_like.items():
        server.files[f"/good/{name}.gz"] = content
        remote[name] = mnist.RemoteFile(len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(mnist, "FILES", remote)
    monkeypatch.setattr(mnist, "MIRRORS", (f"{server.url}/missing/", f"{server.url}/good/"))
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path / "home"))

    first = edgecnn.data.load("mnist")
    asked = len(server.requests)
    second = edgecnn.data.load("mnist")

    assert first.sha256 == second.sha256
    assert asked == 8  # each file: one mirror without, one with
    assert len(server.requests) == asked


@pytest.fixture
def mnist_like():
    files = {}
    for part, count in (("train", 30), ("t10k", 10)):
        images = np.random.default_rng(0).bytes(count * 28 * 28)
        header = bytes((0, 0, 8, 3)) + np.asarray((count, 28, 28), ">u4").tobytes()
        files[f"{part}-images-idx3-ubyte"] = gzip.compress(header + images)
        header = bytes((0, 0, 8, 1)) + np.asarray((count,), ">u4").tobytes()
        labels = (np.arange(count) % 10).astype(np.uint8).tobytes()
        files[f"{part}-labels-idx1-ubyte"] = gzip.compress(header + labels)
    return files


def test_mirrors_are_asked_over_https():
    assert all(mirror.startswith("https://") for mirror in mnist.MIRRORS)
