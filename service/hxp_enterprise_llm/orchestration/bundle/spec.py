"""BundleSpec: what a role's `bundle.yml.j2` declares. RenderedBundle: what a host is given."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.reference import SecretReference

ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\s]*[^/\s]$")]
TreePath = Annotated[str, StringConstraints(pattern=r"^[^/\s][^\s]*$")]
Mode = Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$")]
Account = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
UnitName = Annotated[
    str,
    StringConstraints(pattern=r"^[\w:.\\-]+(@[\w:.\\-]+)?\.(service|timer|socket|path|target)$"),
]
OnChange = Literal["restart", "reload", "none"]


class User(CitadelModel):
    """A system account without a shell, made when it is missing, never removed."""

    name: Account
    home: AbsolutePath = "/nonexistent"
    groups: tuple[Account, ...] = Field(default=(), description="Supplementary groups.")


class Directory(CitadelModel):
    """A directory that holds data: made, given its attributes, kept when the service goes."""

    path: AbsolutePath
    owner: Account = "root"
    group: Account = "root"
    mode: Mode = "0755"


class FileSpec(CitadelModel):
    """A file made from a source in the role's or the shared templates."""

    dest: str
    src: str = Field(description="Below `templates/`; rendered when it ends in .j2, else copied.")
    owner: Account = "root"
    group: Account = "root"
    mode: Mode = "0644"
    on_change: OnChange = "restart"
    values: dict[str, Any] = Field(
        default_factory=dict, description="Names beyond the role's data, for a file an instance."
    )


class TreeFile(FileSpec):
    """A file of the service's own tree."""

    dest: TreePath = Field(description="Path below /opt/citadel/<service>/current.")

    @field_validator("dest")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if ".." in value.split("/"):
            raise ValueError("the path leaves the tree")
        return value


class LooseFile(FileSpec):
    """A file elsewhere on the host."""

    dest: AbsolutePath


class Link(CitadelModel):
    """A symbolic link."""

    path: AbsolutePath
    target: AbsolutePath


class Health(CitadelModel):
    """How to see that a unit's service answers; exactly one of url, tcp and command."""

    url: str | None = None
    tcp: int | None = Field(default=None, ge=1, le=65535)
    host: str = Field(default="127.0.0.1", description="Address for `tcp`.")
    command: tuple[str, ...] | None = None
    timeout: float = Field(default=60, gt=0, description="Seconds until the change goes back.")

    @model_validator(mode="after")
    def _one_probe(self) -> Health:
        if sum(probe is not None for probe in (self.url, self.tcp, self.command)) != 1:
            raise ValueError("give exactly one of url, tcp and command")
        return self


class Unit(CitadelModel):
    """A unit that is enabled and runs; a template's instance is named in full."""

    name: UnitName
    restart_on: tuple[str, ...] | None = Field(
        default=None, description="Globs over dest of files that concern it; all when absent."
    )
    health: Health | None = None
    keep: bool = Field(
        default=False, description="The system's own unit: never stopped when it leaves the bundle."
    )


class BundleSpec(CitadelModel):
    """Everything that a role puts on a host for one service."""

    service: ServiceName
    users: tuple[User, ...] = ()
    directories: tuple[Directory, ...] = ()
    tree: tuple[TreeFile, ...] = ()
    files: tuple[LooseFile, ...] = ()
    credentials: dict[str, SecretReference] = Field(default_factory=dict)
    links: tuple[Link, ...] = ()
    mask: tuple[UnitName, ...] = Field(default=(), description="Units of the distribution.")
    validate_: tuple[tuple[str, ...], ...] = Field(
        default=(),
        alias="validate",
        description="Commands on the staged files; {tree} and {root} are replaced.",
    )
    units: tuple[Unit, ...] = ()

    @model_validator(mode="after")
    def _one_source_a_place(self) -> BundleSpec:
        files: tuple[FileSpec, ...] = (*self.tree, *self.files)
        places = [item.dest for item in files]
        places += [link.path for link in self.links]
        twice = sorted({place for place in places if places.count(place) > 1})
        if twice:
            raise ValueError(f"declared twice: {', '.join(twice)}")
        return self


class RenderedFile(CitadelModel):
    """A file as it shall lie on the host: `tree` (relative) or `path` (absolute)."""

    tree: str | None = None
    path: str | None = None
    content: str
    sha256: str
    owner: str
    group: str
    mode: str
    on_change: OnChange
    source: str = Field(description="Where it came from, relative to the checkout.")


class RenderedBundle(CitadelModel):
    """A bundle ready for a host; holds references to credentials, no values."""

    service: str
    role: str
    environment: str
    digest: str = Field(description="SHA-256 over all that the manifest keeps.")
    users: tuple[User, ...]
    directories: tuple[Directory, ...]
    files: tuple[RenderedFile, ...]
    links: tuple[Link, ...]
    mask: tuple[str, ...]
    validators: tuple[tuple[str, ...], ...]
    units: tuple[Unit, ...]
    credentials: dict[str, str]
