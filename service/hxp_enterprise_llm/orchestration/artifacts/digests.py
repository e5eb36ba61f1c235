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
    # Its own file is all that it reads: no rules or secrets, and not the service.
    "gateway": (
        *_SHARED,
        "configuration/*.py",
        "configuration/revisions",
        "configuration/sources",
        "gateway",
    ),
    "configuration": (*_SHARED, "configuration"),
}
"""Wheel set → what its service imports: the rest of the package stays on the controller, so that a
change there neither ships nor restarts anything. Files, folders with all below, or patterns."""


def service_files(set_name: str, root: Path) -> list[Path]:
    """Return the files of our package that a service of ours imports, relative to the package."""
    package = root / PACKAGE
    found = set[Path]()
    for part in SERVICE_PARTS[set_name]:
        for path in package.glob(part):
            found.update(path.rglob("*") if path.is_dir() else [path])
    kept = (path for path in found if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path.relative_to(package) for path in kept)


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
        for file in service_files(set_name, root):
            content = (root / PACKAGE / file).read_bytes()
            sum_.update(f"{file}\0{len(content)}\0".encode())
            sum_.update(content)
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
