"""What a host needs from the store, by name and content."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from hxp_enterprise_llm.schemas.base import CitadelModel

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

STORE = "/opt/citadel/store"
VENVS = "/opt/citadel/venvs"
MODELS = "/opt/models"
UV = "bin/uv"
"""Path of uv below the store; a link to the pinned version."""


class ArtifactRef(CitadelModel):
    """A virtual environment or a model: its name, and the digest of all that it is made from."""

    kind: Literal["venv", "model"]
    name: str = Field(description="Name of the wheel set or of the model.")
    digest: Sha256 = Field(description="Digest of the lock or of the model's source and revision.")

    @property
    def folder(self) -> str:
        """Return `NAME-DIGEST16`, the folder's name wherever it lies."""
        return f"{self.name}-{self.digest[:16]}"

    @property
    def view(self) -> str:
        """Return the path of what it is made from, below the store."""
        return f"{'wheels' if self.kind == 'venv' else 'models'}/{self.folder}"

    @property
    def path(self) -> str:
        """Return the path on a host."""
        return f"{VENVS if self.kind == 'venv' else MODELS}/{self.folder}"
