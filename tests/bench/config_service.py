"""The configuration service as a process: its memory after it has worked."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from figures import Figure, at_most

from hxp_enterprise_llm.testing.connections import free_port

_KEY = "a-key-of-the-benchmark-that-opens-nothing-else"
_DOCUMENT = "/v1/documents/gateway/main"
_GATEWAY = {"listen": {"port": 8000}, "metrics": {"port": 9101}}
_READY_IN = 30.0
_APPLIED = 20
_READ = 20


def measure(folder: Path) -> Figure:
    """Return the resident memory of the service after 20 revisions and 80 reads.

    Args:
        folder: For its file, its credentials and its state.
    """
    port = free_port()
    file, credentials = _written(folder, port)
    command = (sys.executable, "-I", "-m", "hxp_enterprise_llm.configuration.service")
    with subprocess.Popen(
        (*command, "--config", str(file)),
        env=os.environ | {"CREDENTIALS_DIRECTORY": str(credentials)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as service:
        try:
            _work(f"http://127.0.0.1:{port}", service)
            used = _resident(service.pid)
        finally:
            service.terminate()
    return Figure("resident memory of the service", "MB", used, "", None, at_most(90))


def _written(folder: Path, port: int) -> tuple[Path, Path]:
    credentials = folder / "credentials"
    credentials.mkdir(parents=True)
    for name in ("key", "signing"):
        (credentials / name).write_text(_KEY)
    document = {
        "schema": 1,
        "environment": "bench",
        "listen": {"port": port},
        "state": str(folder / "state"),
        "store": {"kind": "files", "folder": str(folder / "state")},
        "signing": "signing",
    }
    file = folder / "configuration.json"
    file.write_text(json.dumps(document))
    return file, credentials


def _work(base: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_IN
    while not _answers(base):
        if service.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the configuration service did not get ready")
        time.sleep(0.05)
    for number in range(_APPLIED):
        match = {"If-Match": f'"{number}"'} if number else {"If-None-Match": "*"}
        gateway = {**_GATEWAY, "limits": {"max_body": 5000 + number}}
        _ask(base, _DOCUMENT, {"document": gateway, "reason": "bench"}, match)
    for path in (_DOCUMENT, f"{_DOCUMENT}/explain", f"{_DOCUMENT}/history", "/v1/documents"):
        for _ in range(_READ):
            _ask(base, path)


def _answers(base: str) -> bool:
    try:
        _ask(base, "/health/ready")
    except OSError:
        return False
    return True


def _ask(base: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> None:
    who = base64.b64encode(f"citadel:{_KEY}".encode()).decode()
    request = urllib.request.Request(
        base + path,
        method="GET" if body is None else "PUT",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Basic {who}",
            "Content-Type": "application/json",
            **(headers or {}),
        },
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        answer.read()


def _resident(pid: int) -> float:
    """Return the megabytes of a process that are in memory, those that it shares too."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6
