"""A store in a temporary folder, and a file server on loopback that can misbehave."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import stamina

from hxp_enterprise_llm.orchestration.artifacts.store import Store

Handler = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """Serves `files` with ranges; `faults` are what a path does first, one a request."""

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Handler]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def put(self, path: str, content: bytes) -> tuple[str, str]:
        """Serve content at a path and return its address and SHA-256."""
        self.files[path] = content
        return self.base + path, hashlib.sha256(content).hexdigest()


def status(code: int) -> Handler:
    """Answer with a status and nothing else."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def _serve(request: BaseHTTPRequestHandler, content: bytes | None) -> None:
    if content is None:
        status(404)(request)
        return
    wanted = request.headers.get("Range")
    start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
    if start >= len(content) and wanted:
        status(416)(request)
        return
    request.send_response(206 if wanted else 200)
    request.send_header("Content-Length", str(len(content) - start))
    request.end_headers()
    request.wfile.write(content[start:])


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a running file server."""
    shared = Server()

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shared.requests.append((self.path, self.headers.get("Range")))
            shared.headers.append(dict(self.headers))
            faults = shared.faults.get(self.path, [])
            if faults:
                faults.pop(0)(self)
            else:
                _serve(self, shared.files.get(self.path.partition("?")[0]))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        shared.base = f"http://127.0.0.1:{http.server_port}"
        yield shared
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CITADEL_MIRRORS", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with stamina.set_testing(True, attempts=5):
        yield


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path / "store")
