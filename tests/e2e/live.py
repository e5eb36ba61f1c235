"""A live environment, driven the way a user drives it: the command line and the gateway."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
CITADEL = str(Path(sys.executable).with_name("citadel"))


@dataclass(frozen=True)
class Reply:
    """One answer of the gateway."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Live:
    """One environment by its file."""

    file: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.file.stem

    def citadel(
        self, *words: str, code: int | None = 0, timeout: float = 1200, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run `citadel VERB FILE …` and demand its exit code."""
        done = subprocess.run(
            [CITADEL, words[0], str(self.file), *words[1:]],
            cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL, **options,
        )  # fmt: skip
        text = f"{done.stdout}\n{done.stderr}"
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{text}"
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `citadel VERB FILE …` in a process group of its own."""
        return subprocess.Popen(
            [CITADEL, words[0], str(self.file), *words[1:]],
            cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Return the variables that `citadel env` exports, on top of the process's own."""
        if not self.variables:
            self.variables = json.loads(self.citadel("env", "--output", "json").stdout)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        exported = {"PATH": path, "CITADEL_ENVIRONMENT_FILE": str(self.file)} | self.variables
        return os.environ | exported

    def tool(
        self, *words: str, code: int | None = 0, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run pulumi or ansible-playbook by itself, as `eval "$(citadel env …)"` lets a user do."""
        done = subprocess.run(
            words, cwd=CHECKOUT, env=self.environment(), capture_output=True, text=True,
            timeout=timeout, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        text = f"{done.stdout}\n{done.stderr}"
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{text}"
        return done

    def ssh(self, host: str, *words: str, code: int | None = 0) -> str:
        """Run words on a host, as root."""
        return self.citadel("ssh", host, "--", "sudo", *words, code=code).stdout

    def gateway(
        self, method: str, path: str, body: Any = None, *, key: str | None = "", timeout: float = 60
    ) -> Reply:
        """Send one request through the gateway; the environment's key unless another is given."""
        address = self.environment()["OPENAI_BASE_URL"].split("/")[2]
        token = self.environment()["OPENAI_API_KEY"] if key == "" else key
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection(address, timeout=timeout)
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        reply = Reply(response.status, dict(response.getheaders()), response.read().decode())
        connection.close()
        return reply

    def ask(self, **more: Any) -> Reply:
        """Send one short chat question."""
        body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}
        return self.gateway("POST", "/v1/chat/completions", body | more)
