"""A folder of credentials: each file gives a reference to itself, never its content.

systemd's `$CREDENTIALS_DIRECTORY`, Docker's `/run/secrets` and mounted Kubernetes secrets have this
form: `/run/secrets/integration_services.database.password`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place, dotted
from hxp_enterprise_llm.configuration.fields import fields_of, is_secret, members
from hxp_enterprise_llm.configuration.messages import suggest
from hxp_enterprise_llm.configuration.sources.base import Layer, put
from hxp_enterprise_llm.configuration.threads import in_thread


@dataclass
class SecretsSource:
    """Files named by the key whose secret they hold; the tree gets `file:PATH`.

    Args:
        path: The folder; hidden files are left alone, as Kubernetes makes them.
        model: The model; only its fields for secrets may be set so.
    """

    path: Path
    model: type[BaseModel]

    def __post_init__(self) -> None:
        self.path = self.path.absolute()

    @property
    def name(self) -> str:
        """Return `credentials PATH`."""
        return f"credentials {self.path}"

    @property
    def watched(self) -> tuple[Path, ...]:
        """Return the folder."""
        return (self.path,)

    async def read(self) -> Layer:
        """List the folder, in a thread."""
        return await in_thread(self.read_now)

    def read_now(self) -> Layer:
        """List the folder; a missing one says nothing."""
        layer = Layer(self.name)
        problems: list[Diagnostic] = []
        try:
            names = sorted(item.name for item in self.path.iterdir() if item.is_file())
        except FileNotFoundError:
            return layer
        except OSError as error:
            place = Place(self.path, 1, 1, self.name)
            fix = "Let this account read the folder."
            problem = Diagnostic("C001", place, (), f"{error.strerror}.", fix)
            return Layer(self.name, problems=(problem,))
        known = {dotted(path): path for path in secret_paths(self.model)}
        for name in names:
            if name.startswith("."):
                continue
            place = Place(self.path / name, 1, 1, f"credential {self.path / name}")
            path = known.get(name)
            if path is None:
                problems.append(_unknown(name, place, tuple(known)))
                continue
            put(layer.data, layer.places, path, f"file:{self.path / name}", place)
        return Layer(self.name, layer.data, layer.places, tuple(problems))


def secret_paths(model: type[BaseModel], at: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the paths of the fields that hold references to secrets; not those below maps."""
    for key, field in fields_of(model).items():
        if is_secret(field):
            yield (*at, key)
        for kind in members(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from secret_paths(kind, (*at, key))


def _unknown(name: str, place: Place, known: tuple[str, ...]) -> Diagnostic:
    fix = suggest(name, known) or f"Known here: {', '.join(known) or 'nothing'}."
    return Diagnostic("C003", place, (), "this file names no key that holds a secret.", fix)
