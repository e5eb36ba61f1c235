"""Where Vault is and who we are: from the variables that its own tools read."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hxp_enterprise_llm.configuration.secrets.backends.process import Files
from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.vault.auth import AppRole, Auth, Jwt, StaticToken

_KUBERNETES_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_SECONDS = 5.0


@dataclass(frozen=True)
class VaultSettings:
    """How to reach Vault.

    Attributes:
        address: `https://HOST:PORT`; plain HTTP goes to this machine only.
        auth: Who we are.
        namespace: Vault's or OpenBao's namespace.
        ca_file: The authority that signed its certificate; the system's when not given.
        timeout: Seconds that one request may take in all.
        clear_text: Whether plain HTTP to this machine is allowed.
    """

    address: str
    auth: Auth
    namespace: str = ""
    ca_file: Path | None = None
    timeout: float = _SECONDS
    clear_text: bool = True

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username:
            raise SecretRefusedError(
                f"Vault's address {_without_user(self.address)} is not of the form "
                "https://HOST:PORT",
                next_step="export VAULT_ADDR=https://HOST:8200",
            )
        if parts.scheme == "http" and not (self.clear_text and _is_here(parts.hostname)):
            raise SecretRefusedError(
                f"Vault at {self.address} would send secrets in clear",
                next_step="Use https://; plain HTTP goes to this machine only, and not at "
                "security level high.",
            )

    @classmethod
    def from_variables(
        cls, variables: Mapping[str, str], *, clear_text: bool = True
    ) -> VaultSettings:
        """Return settings from `VAULT_ADDR` (or `BAO_ADDR`) and what names who we are.

        Raises:
            SecretRefusedError: A variable is missing or has another form.
        """
        address = variables.get("VAULT_ADDR") or variables.get("BAO_ADDR") or ""
        if not address:
            raise SecretRefusedError(
                "Vault is not set up: VAULT_ADDR is not set",
                next_step="export VAULT_ADDR=https://HOST:8200, and VAULT_TOKEN or another way "
                "to log in (docs/concepts/secrets.md).",
            )
        ca_file = variables.get("VAULT_CACERT") or variables.get("BAO_CACERT")
        return cls(
            address=address.rstrip("/"),
            auth=_auth(variables),
            namespace=variables.get("VAULT_NAMESPACE") or variables.get("BAO_NAMESPACE") or "",
            ca_file=Path(ca_file) if ca_file else None,
            timeout=_seconds(variables.get("VAULT_CLIENT_TIMEOUT", "")),
            clear_text=clear_text,
        )


def _auth(variables: Mapping[str, str]) -> Auth:
    if role_id := variables.get("VAULT_ROLE_ID"):
        return AppRole(role_id, _given(variables, "VAULT_SECRET_ID"))
    if role := variables.get("VAULT_KUBERNETES_ROLE"):
        file = Path(variables.get("VAULT_JWT_FILE") or _KUBERNETES_TOKEN)
        return Jwt(role, file, mount="kubernetes")
    if role := variables.get("VAULT_JWT_ROLE"):
        return Jwt(role, Path(variables.get("VAULT_JWT_FILE") or _KUBERNETES_TOKEN))
    if token := variables.get("BAO_TOKEN"):
        return StaticToken(Secret(token))
    return StaticToken(_given(variables, "VAULT_TOKEN"))


def _given(variables: Mapping[str, str], name: str) -> Secret:
    if value := variables.get(name):
        return Secret(value)
    if file := variables.get(f"{name}_FILE"):
        return Files(Path.cwd()).read(file)
    raise SecretRefusedError(
        f"Vault is not set up: neither {name} nor {name}_FILE is set",
        next_step="Set one of them; docs/concepts/secrets.md lists the ways to log in.",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s")) if text else _SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 300:
        raise SecretRefusedError(
            f"VAULT_CLIENT_TIMEOUT={text} is no number of seconds up to 300",
            next_step="export VAULT_CLIENT_TIMEOUT=5",
        )
    return seconds


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_user(address: str) -> str:
    return address.rpartition("@")[2]
