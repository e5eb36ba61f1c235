"""A copy of a store on loopback, which can stop in the middle of a file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Mirror:
    """What it was asked for, and the file that it stops in.

    Attributes:
        root: The store that it serves.
        stop_in: SHA-256 of the file of which it sends one half, then nothing until `go_on`.
        requests: SHA-256 and Range of every request.
        stopped: Set when the half was sent.
        go_on: Set when files shall come whole.
    """

    root: Path
    stop_in: str
    address: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def send(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request for a blob, from where its Range begins."""
        name, wanted = request.path.rpartition("/")[2], request.headers.get("Range")
        self.requests.append((name, wanted))
        blob = self.root / "blobs" / "sha256" / name
        if not blob.is_file():
            request.send_error(404)
            return
        content = blob.read_bytes()
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        request.send_response(206 if wanted else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        half = len(content) // 2
        if name == self.stop_in and not self.go_on.is_set():
            request.wfile.write(content[start:half])
            start = half
            self.stopped.set()
            self.go_on.wait()
        request.wfile.write(content[start:])


@contextmanager
def serve(root: Path, stop_in: str) -> Iterator[Mirror]:
    """Serve a store on a port of its own."""
    mirror = Mirror(root, stop_in)

    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A killed client takes no more.
            with suppress(BrokenPipeError, ConnectionResetError):
                mirror.send(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        mirror.address = f"http://127.0.0.1:{http.server_port}"
        yield mirror
        mirror.go_on.set()
        http.shutdown()
        thread.join()
