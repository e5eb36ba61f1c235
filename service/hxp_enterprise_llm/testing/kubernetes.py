"""A real Kubernetes API server on its own etcd, for tests; it schedules nothing."""

from __future__ import annotations

import json
import secrets
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.daemon import Daemon, Served

_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster: {{server: "{address}", certificate-authority: "{folder}/pki/apiserver.crt"}}
contexts:
- name: test
  context: {{cluster: test, user: test}}
users:
- name: test
  user: {{token: "{token}"}}
"""


class ApiServer(Served):
    """One API server and its etcd; `admin` may do all, `stranger` nothing.

    Args:
        etcd: The etcd program.
        server: The kube-apiserver program.
        folder: For its data, its certificate and its logs.
    """

    starts_in = 120.0

    def __init__(self, etcd: Path, server: Path, folder: Path) -> None:
        self._folder = folder
        first = free_port(3)
        ports = range(first, first + 3)
        self.address = f"https://127.0.0.1:{ports[0]}"
        self.token, self._other = secrets.token_urlsafe(), secrets.token_urlsafe()
        (folder / "tokens.csv").write_text(
            f"{self.token},admin,1,system:masters\n{self._other},stranger,2\n"
        )
        self._write_signing_key()
        store = f"http://127.0.0.1:{ports[1]}"
        super().__init__(
            Daemon(
                folder,
                etcd,
                f"--data-dir={folder}/etcd",
                f"--listen-client-urls={store}",
                f"--advertise-client-urls={store}",
                f"--listen-peer-urls=http://127.0.0.1:{ports[2]}",
                "--unsafe-no-fsync",
            ),
            Daemon(
                folder,
                server,
                f"--etcd-servers={store}",
                f"--secure-port={ports[0]}",
                "--bind-address=127.0.0.1",
                f"--cert-dir={folder}/pki",
                f"--token-auth-file={folder}/tokens.csv",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--service-account-issuer=https://test",
                f"--service-account-key-file={folder}/signing.pem",
                f"--service-account-signing-key-file={folder}/signing.pem",
                "--disable-admission-plugins=ServiceAccount",
            ),
        )

    def kubeconfig(self, *, stranger: bool = False) -> Path:
        """Return a kubeconfig of the admin, or of somebody who may do nothing."""
        name, token = ("stranger", self._other) if stranger else ("admin", self.token)
        file = self._folder / f"{name}.yaml"
        file.write_text(_KUBECONFIG.format(address=self.address, folder=self._folder, token=token))
        file.chmod(0o600)
        return file

    def service_account_token(self, name: str, audience: str) -> str:
        """Return a token of a new service account of namespace `default`, as a pod gets one."""
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        self._ask(accounts, {"metadata": {"name": name}})
        spec = {"spec": {"audiences": [audience], "expirationSeconds": 600}}
        token: str = json.loads(self._ask(f"{accounts}/{name}/token", spec))["status"]["token"]
        return token

    @property
    def certificate(self) -> str:
        """The certificate that the API server shows."""
        return (self._folder / "pki/apiserver.crt").read_text()

    def _write_signing_key(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self._folder / "signing.pem").write_bytes(text)

    def set_up(self) -> None:
        """Wait until it answers, and has its first namespace."""
        self.until(lambda: bool(self._ask("/readyz") and self._ask("/api/v1/namespaces/default")))

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> bytes:
        request = urllib.request.Request(  # noqa: S310 # our own address
            self.address + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        trust = ssl.create_default_context(cafile=self._folder / "pki/apiserver.crt")
        with urllib.request.urlopen(request, timeout=5, context=trust) as answer:  # noqa: S310
            content: bytes = answer.read()
        return content
