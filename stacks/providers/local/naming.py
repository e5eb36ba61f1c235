"""Names and labels of what we make, so that checkouts do not collide and nothing is forgotten."""

from __future__ import annotations

import hashlib
from pathlib import Path

CHECKOUT = "citadel.checkout"
ENVIRONMENT = "citadel.environment"
SCOPE = "citadel.scope"
DIGEST = "citadel.digest"
VOLUMES = {
    "identity": "/etc/citadel/identity",
    "data": "/opt/data",
    "backups": "/opt/backups",
}


def prefix(checkout: Path, environment: str) -> str:
    """Return what the names of all objects of an environment begin with."""
    mark = hashlib.sha256(str(checkout).encode()).hexdigest()[:6]
    return f"citadel-{mark}-{environment}"


def network_name(checkout: Path, environment: str) -> str:
    """Return the name of the environment's network."""
    return prefix(checkout, environment)


def container_name(checkout: Path, environment: str, host: str) -> str:
    """Return the name of a host's container."""
    return f"{prefix(checkout, environment)}-{host}"


def volume_name(checkout: Path, environment: str, host: str, use: str) -> str:
    """Return the name of a host's volume; `use` is a key of `VOLUMES`."""
    return f"{prefix(checkout, environment)}-{host}-{use}"


def labels(checkout: Path, environment: str) -> dict[str, str]:
    """Return the labels that every object of an environment carries."""
    return {
        CHECKOUT: str(checkout),
        ENVIRONMENT: environment,
        SCOPE: prefix(checkout, environment),
    }
