"""A real RTSP server (GStreamer's, from Debian), its stream, and its end.

Needs python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-ugly (x264) in the system's
Python; skipped without.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess

import pytest

from edgecnn.cli import invoke
from edgecnn.vision.sources.capture import Capture

SERVER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
if Gst.ElementFactory.find("x264enc") is None: raise ImportError("x264enc")
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1"); server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory(); factory.set_shared(True)
factory.set_launch(
    "( videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=20/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 "
    "! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
server.get_mount_points().add_factory("/street", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""


@pytest.fixture
def stream():
    """(address, the server's process)."""
    python = shutil.which("python3", path="/usr/bin")
    if python is None:
        pytest.skip("the system has no python3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [python, "-c", SERVER, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if process.stdout.readline().strip() != "ready":
            pytest.skip("GStreamer's RTSP server is not installed")
        yield f"rtsp://127.0.0.1:{port}/street", process
    finally:
        process.kill()
        process.communicate()


def detect(red_detector, address, *more):
    model = ["--model", str(red_detector), "--runtime", "onnxruntime:cpu"]
    return invoke(["detect", address, "--headless", *model, *more])


def test_an_rtsp_stream_is_watched(stream, red_detector, capsys):
    assert detect(red_detector, stream[0], "--frames", "20") == 0
    assert "20 frames" in capsys.readouterr().out


def test_a_stream_that_went_for_good_ends_with_a_line(stream, red_detector, capsys, monkeypatch):
    address, process = stream
    offer = Capture.offer

    def offer_until_the_server_dies(capture, *frame):
        if capture._number == 20:
            process.kill()
        return offer(capture, *frame)

    monkeypatch.setattr(Capture, "offer", offer_until_the_server_dies)

    code = detect(red_detector, address, "--read-timeout", "2", "--reconnect", "3")

    output = capsys.readouterr()
    assert code == 2
    line = r"disconnected after (\d+) frames and did not come back within 3 s"
    ended = re.search(line, output.err)
    assert ended is not None, output.err
    counted = re.search(r"(\d+) frames", output.out)
    assert counted is not None, output.out
    assert 0 < int(counted[1]) <= int(ended[1])
    assert int(ended[1]) > 20
