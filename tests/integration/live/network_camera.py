"""A server that plays a network camera, whose streams end or stall."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from tests.integration.live.conftest import image


class Camera(ThreadingHTTPServer):
    """A network camera on loopback: MJPEG over HTTP, with manners that the test chooses."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, frames, then):
        self.frames, self.then, self.visits = frames, then, 0
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), CameraHandler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/video.mjpg"

    def handle_error(self, request, client_address):
        """Clients hang up here by design."""


class CameraHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        camera = self.server
        camera.visits += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        jpeg = cv2.imencode(".jpg", image(60))[1].tobytes()
        head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        for _ in range(camera.frames):
            self.wfile.write(head + jpeg + b"\r\n")
            time.sleep(0.02)
        if camera.then == "stall":
            camera.release.wait(20)

    def log_message(self, *arguments):
        pass
