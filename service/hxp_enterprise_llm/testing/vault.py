"""A real Vault for tests: in memory, unsealed by hand, so that it can be sealed and stopped."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.daemon import Daemon, Served

_CONFIGURATION = """\
storage "inmem" {{}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
}}
disable_mlock = true
api_addr = "http://127.0.0.1:{port}"
"""


class VaultServer(Served):
    """One Vault process with KV v2 at `kv/` and transit at `transit/`.

    Args:
        program: The vault program.
        folder: For its configuration and its log.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.root_token = self._unseal_key = ""
        configuration = folder / "vault.hcl"
        configuration.write_text(_CONFIGURATION.format(port=self.port))
        super().__init__(Daemon(folder, program, "server", f"-config={configuration}"))

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request as root and return the answer."""
        request = urllib.request.Request(  # noqa: S310 # our own address
            f"{self.address}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": self.root_token} if self.root_token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                document: dict[str, Any] = json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise CitadelError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return document

    def policy(self, name: str, rules: str) -> None:
        """Write a policy."""
        self.ask("PUT", f"sys/policies/acl/{name}", {"policy": rules})

    def token(self, *policies: str, ttl: str = "1h") -> str:
        """Return a new token."""
        body = {"policies": list(policies), "ttl": ttl, "renewable": True}
        token: str = self.ask("POST", "auth/token/create", body)["auth"]["client_token"]
        return token

    def seal(self) -> None:
        """Seal it."""
        self.ask("PUT", "sys/seal", {})

    def unseal(self) -> None:
        """Unseal it, and wait until it is active."""
        self.ask("PUT", "sys/unseal", {"key": self._unseal_key})
        self.until(lambda: not self.ask("GET", "sys/health")["standby"])

    def set_up(self) -> None:
        """Initialise and unseal it, and mount both engines."""
        self.until(lambda: self.ask("GET", "sys/seal-status") is not None)
        keys = self.ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._unseal_key, self.root_token = keys["keys_base64"][0], keys["root_token"]
        self.unseal()
        self.ask("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
        self.ask("POST", "sys/mounts/transit", {"type": "transit"})
