"""A double of what verify and up ask over HTTP: gateway, Prometheus and Alertmanager in one.

`tests/e2e` asks the real ones the same.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.orchestration.resolvers.prometheus import jobs

ANSWER = "It spreads requests."


@dataclass
class Daemons:
    """What they answer.

    Attributes:
        port: Where they listen, on loopback.
        bodies: Path → body, in place of the usual one.
        statuses: Path → status, in place of 200.
        watched: Job and instance of each scrape target.
        target: Health of all of them.
        series: Whether Prometheus has any, of each instance.
        asked: Method and path of each request.
    """

    port: int = 0
    bodies: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    watched: list[tuple[str, str]] = field(default_factory=list)
    target: str = "up"
    series: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    def body(self, path: str, request: dict[str, Any]) -> str:
        """Return what is answered to a request."""
        if path in self.bodies:
            return self.bodies[path]
        if path == "/v1/chat/completions":
            return _streamed() if request["stream"] else _plain()
        if path == "/v1/embeddings":
            return json.dumps({"data": [{"embedding": [0.5, -1.0]}]})
        if path == "/api/v1/targets":
            rows = [
                {"labels": {"job": j, "instance": i}, "health": self.target, "lastError": ""}
                for j, i in self.watched
            ]
            return json.dumps({"status": "success", "data": {"activeTargets": rows}})
        if path == "/api/v1/query":
            found = dict.fromkeys(i for _, i in self.watched) if self.series else ()
            result = [{"metric": {"instance": i}, "value": [0, "3"]} for i in found]
            return json.dumps({"status": "success", "data": {"result": result}})
        return ""

    def watch(self, context: Context) -> None:
        """Let Prometheus have every target of an environment."""
        self.watched = [(job.name, one.address) for job in jobs(context) for one in job.targets]


def _plain() -> str:
    return json.dumps({"choices": [{"message": {"content": ANSWER}}]})


def _streamed() -> str:
    event = json.dumps({"choices": [{"delta": {"content": ANSWER}}]})
    return f"data: {event}\n\ndata: [DONE]\n\n"


@contextmanager
def running_daemons() -> Iterator[Daemons]:
    """Serve on a free port of loopback until the end of the block."""
    daemons = Daemons()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(json.loads(content))

        def _answer(self, request: dict[str, Any]) -> None:
            path = self.path.partition("?")[0]
            daemons.asked.append((self.command, path))
            self.send_response(daemons.statuses.get(path, 200))
            self.end_headers()
            self.wfile.write(daemons.body(path, request).encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        daemons.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield daemons
        finally:
            server.shutdown()
            thread.join()
