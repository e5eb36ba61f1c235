"""A hub that sends on to another server: the files come, the token does not go there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hxp_enterprise_llm.orchestration.artifacts.hub import Repository


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Return the address of a second server and the headers that it got."""
    seen: list[dict[str, str]] = []

    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/config.json", seen
        http.shutdown()
        thread.join()


def test_the_hubs_token_does_not_follow_to_another_server(
    server: Any, elsewhere: tuple[str, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, seen = elsewhere

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", place)
        request.send_header("Content-Length", "0")
        request.end_headers()

    listed = [{"type": "file", "path": "config.json"}]
    server.put("/api/models/org/tiny/tree/abc", json.dumps(listed).encode())
    server.faults["/org/tiny/resolve/abc/config.json"] = [redirect]
    monkeypatch.setenv("HF_ENDPOINT", server.base)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    small, large = Repository("org/tiny", "abc").files()
    assert (small, large) == ({"config.json": "{}"}, [])
    assert {sent.get("Authorization") for sent in server.headers} == {"Bearer hf_secret"}
    assert ["Authorization" in headers for headers in seen] == [False]
