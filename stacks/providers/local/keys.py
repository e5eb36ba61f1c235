"""The key pair that the controller logs in with; one for each environment."""

from __future__ import annotations

from pathlib import Path

from hxp_enterprise_llm.utilities.files import write_atomic

FILE = "ssh/id_ed25519"


def ensure_key(folder: Path) -> str:
    """Return the public key of an environment, `type base64`, made on first use.

    Args:
        folder: State folder of the environment; the private key lies in `FILE` of it, mode 0600.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = folder / FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        private = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        write_atomic(path, private, mode=0o600)
    key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )
