"""Who needs what: a record for each environment of each checkout, so that gc keeps it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.orchestration.artifacts.store import Store
from hxp_enterprise_llm.schemas.artifacts import ArtifactRef
from hxp_enterprise_llm.utilities.files import write_atomic


@dataclass(frozen=True)
class Root:
    """What an environment file needed when it was last fetched."""

    record: Path
    environment: Path
    artifacts: tuple[ArtifactRef, ...]

    @property
    def alive(self) -> bool:
        """Tell whether the environment file still exists."""
        return self.environment.exists()


def remember(store: Store, environment: Path, artifacts: Iterable[ArtifactRef]) -> None:
    """Record what an environment file needs, in place of what it needed before."""
    place = environment.resolve()
    name = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    document = {
        "environment": str(place),
        "artifacts": [artifact.model_dump() for artifact in artifacts],
    }
    write_atomic(store.root / "roots" / f"{name}.json", json.dumps(document, indent=1))


def roots(store: Store) -> Iterator[Root]:
    """Yield all records."""
    for record in sorted((store.root / "roots").glob("*.json")):
        document = json.loads(record.read_text())
        artifacts = tuple(ArtifactRef.model_validate(item) for item in document["artifacts"])
        yield Root(record, Path(document["environment"]), artifacts)
