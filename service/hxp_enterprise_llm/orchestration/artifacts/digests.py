"""Digests that name virtual environments and models: from files of the checkout, no network."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts.sets import lock_of
from hxp_enterprise_llm.schemas.artifacts import ArtifactRef
from hxp_enterprise_llm.schemas.models import Model

_VENV_FORMAT = "venv 1"
_MODEL_FORMAT = "model 1"
PACKAGE = "service/hxp_enterprise_llm"
_SHARED = ("__init__.py", "py.typed", "core", "schemas", "utilities")
SERVICE_PARTS = {
    "gateway": (*_SHARED, "gateway"),
    "configuration": (*_SHARED, "configuration"),
}
"""Wheel set → what its service imports: the rest of the package stays on the controller, so that a
change there neither ships nor restarts anything."""


def venv_digest(set_name: str, root: Path | None = None) -> str:
    """Return the SHA-256 that names the virtual environment of a wheel set.

    The sets of our own services carry our package, so their digests cover what they import of it.

    Args:
        set_name: `vllm-cpu`, `vllm-cuda`, `gateway` or `configuration`.
        root: The checkout; the current one when not given.
    """
    root = root or paths.checkout()
    sum_ = hashlib.sha256(f"{_VENV_FORMAT}\n{set_name}\n".encode())
    sum_.update(lock_of(set_name, root).read_bytes())
    if set_name in SERVICE_PARTS:
        sum_.update((root / "pyproject.toml").read_bytes())
        for part in SERVICE_PARTS[set_name]:
            sum_.update(_tree(root / PACKAGE / part))
    return sum_.hexdigest()


def model_digest(model: Model) -> str:
    """Return the SHA-256 that names a model: its source, revision and hash."""
    fields = (_MODEL_FORMAT, model.source, model.revision or "", model.sha256)
    return hashlib.sha256("\n".join(fields).encode()).hexdigest()


def venv_ref(set_name: str) -> ArtifactRef:
    """Return the reference to the virtual environment of a wheel set."""
    return ArtifactRef(kind="venv", name=set_name, digest=venv_digest(set_name))


def model_ref(name: str, model: Model) -> ArtifactRef:
    """Return the reference to a model of the environment."""
    return ArtifactRef(kind="model", name=name, digest=model_digest(model))


def _tree(folder: Path) -> bytes:
    sum_ = hashlib.sha256()
    for file in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        if "__pycache__" in file.parts or not file.is_file():
            continue
        content = file.read_bytes()
        sum_.update(f"{file.relative_to(folder.parent)}\0{len(content)}\0".encode())
        sum_.update(content)
    return sum_.digest()
