"""Runs the host half of bundles on a real host by itself, over one SSH command."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.testing.hosts import TestHosts

SOURCES = Path(__file__).parents[2] / "playbooks" / "plugins" / "module_utils" / "citadel_bundle"
SERVICE = "probe"
UNIT = "citadel-probe.service"
PORT = 18999

# A server that answers with the file it read when it started.
SERVER = """
import http.server, pathlib, sys
text = pathlib.Path(sys.argv[1]).read_bytes()
if b"refuse" in text:
    sys.exit("this value cannot be served")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""
UNIT_FILE = f"""
[Service]
Type=exec
WorkingDirectory=/opt/citadel/{SERVICE}/current
ExecStart=/usr/bin/python3 server.py value {PORT}
[Install]
WantedBy=multi-user.target
"""
_SCRIPT = """
import base64, io, json, os, signal, sys, tarfile, tempfile
folder = tempfile.mkdtemp()
tarfile.open(fileobj=io.BytesIO(base64.b64decode({sources!r}))).extractall(folder)
sys.path.insert(0, folder)
from citadel_bundle import apply, remove, journal
from citadel_bundle.system import BundleError, Host
def step(name):
    if name == {kill!r}:
        os.kill(os.getpid(), signal.SIGKILL)
host = Host(step=step)
try:
    result = {call}
except BundleError as error:
    result = {{"error": str(error)}}
print(json.dumps(result))
"""
_ASK = f"""
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:{PORT}/").read().decode(), end="")
"""


def file(place: str, content: str) -> dict[str, Any]:
    """Return a file of a bundle."""
    absolute = place.startswith("/")
    return {
        "path": place if absolute else None,
        "tree": None if absolute else place,
        "content": content,
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "owner": "root",
        "group": "root",
        "mode": "0644",
        "on_change": "restart",
        "source": "test",
    }


def bundle(value: str, *more: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Return a small HTTP service that serves a value."""
    files = [
        file("server.py", SERVER),
        file("value", value),
        file(f"/etc/systemd/system/{UNIT}", UNIT_FILE),
        file("/etc/citadel-probe.conf", value),
        *more,
    ]
    health = {"url": f"http://127.0.0.1:{PORT}/", "timeout": 20}
    return {
        "service": SERVICE,
        "role": SERVICE,
        "environment": "test",
        "digest": hashlib.sha256(value.encode()).hexdigest(),
        "users": [],
        "directories": [],
        "files": files,
        "links": [],
        "mask": [],
        "validators": [],
        "units": [{"name": UNIT, "restart_on": None, "health": health}],
    } | sections


@dataclass(frozen=True)
class HostHalf:
    """One host of a test's environment."""

    hosts: TestHosts
    name: str

    def apply(self, wanted: dict[str, Any], *, kill: str = "") -> dict[str, Any]:
        """Apply a bundle; `kill` names the step at which the process kills itself."""
        return self._call(f"apply.apply(host, json.loads({json.dumps(wanted)!r}), {{}})", kill)

    def check(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Return what an apply would do."""
        call = f"apply.check(host, json.loads({json.dumps(wanted)!r}), {{}}, diff=True)"
        return self._call(call, "")

    def remove(self) -> dict[str, Any]:
        """Take the service off."""
        return self._call(f"remove.remove(host, {SERVICE!r})", "")

    def run(self, *words: str) -> str:
        """Run a command as root."""
        return self.hosts.run(self.name, *words)

    def served(self) -> str:
        """Return what the service answers."""
        return self.hosts.run(self.name, "python3", "-", stdin=_ASK)

    def process(self) -> str:
        """Return the main process of the service."""
        return self.run("systemctl", "show", "-p", "MainPID", "--value", UNIT).strip()

    def _call(self, call: str, kill: str) -> dict[str, Any]:
        script = _SCRIPT.format(sources=_packed(), kill=kill, call=call)
        if kill:
            # The shell outlives the process, so that SSH ends well.
            words = ("sh", "-c", "cat > /run/kill.py; python3 /run/kill.py; true")
            self.hosts.run(self.name, *words, stdin=script)
            return {}
        answer: dict[str, Any] = json.loads(
            self.hosts.run(self.name, "python3", "-", stdin=script).splitlines()[-1]
        )
        return answer


def _packed() -> str:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        tar.add(SOURCES, arcname="citadel_bundle", filter=_source)
    return base64.b64encode(content.getvalue()).decode()


def _source(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member
