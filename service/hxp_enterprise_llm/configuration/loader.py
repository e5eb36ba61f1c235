"""Reads an environment file: extends, merges, validates; all errors at once, with their lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from hxp_enterprise_llm.configuration.check import check, common
from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    InvalidEnvironmentError,
    KeyPath,
    Place,
)
from hxp_enterprise_llm.configuration.document import read_document
from hxp_enterprise_llm.configuration.locks import lock_versions
from hxp_enterprise_llm.configuration.merge import Origin
from hxp_enterprise_llm.configuration.messages import suggest
from hxp_enterprise_llm.configuration.migration import ConfigurationMigrator
from hxp_enterprise_llm.configuration.pipeline import Draft, Outcome, assemble, compiled
from hxp_enterprise_llm.configuration.remainder import remainders
from hxp_enterprise_llm.configuration.rules import Subject
from hxp_enterprise_llm.configuration.sources.files import chain
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.hosts import HOST_NAME


@dataclass(frozen=True)
class LoadedEnvironment:
    """A valid environment, and where each of its values was written."""

    name: str
    path: Path
    environment: Environment
    origins: dict[KeyPath, Origin]
    draft: Draft
    warnings: tuple[Diagnostic, ...] = ()
    waived: tuple[Diagnostic, ...] = ()


def load(name_or_path: str, *, today: date | None = None) -> LoadedEnvironment:
    """Read, merge and check an environment.

    Args:
        name_or_path: `local` for stacks/environments/local.yaml; what ends in .yaml is a path.
        today: The day that waivers are held against; today's when not given.

    Raises:
        InvalidEnvironmentError: The file is missing or has errors; names all of them.
    """
    path = locate(name_or_path)
    draft = assemble([chain(path)], Environment, path)
    draft = replace(draft, problems=(*_name_problems(path), *draft.problems))
    draft = ConfigurationMigrator()(draft)
    loaded = compiled(draft, Environment, judge=partial(judge, name=path.stem, today=today))
    return LoadedEnvironment(
        path.stem, path, loaded.config, draft.origins, draft, loaded.warnings, loaded.waived
    )


def judge(
    draft: Draft,
    environment: Environment | None,
    refused: set[KeyPath],
    *,
    name: str,
    today: date | None = None,
) -> Outcome:
    """Run the rules over the environment, or over what is left of it without its refused keys.

    Args:
        draft: The merged document.
        environment: The model; None when keys were refused.
        refused: The paths of those keys.
        name: The environment's name.
        today: The day that waivers are held against; today's when not given.
    """
    left: tuple[Environment, ...] = (environment,) if environment is not None else ()
    if refused:
        left = remainders(draft.data, refused)
    versions, day = lock_versions(), today or datetime.now(tz=UTC).date()
    return common(
        check(Subject(name, item, day, versions, draft.origins), draft.place, refused)
        for item in left
    )


def _name_problems(path: Path) -> tuple[Diagnostic, ...]:
    """Return what is wrong with the environment's name; nothing when there is no such file."""
    if not path.is_file() or re.fullmatch(HOST_NAME, path.stem):
        return ()
    fix = "Rename it: small letters, digits and dashes, 32 at most, such as my-lab.yaml."
    message = "the file's name is the environment's name, and this is not one."
    return (Diagnostic("C007", Place(path, 1, 1), (), message, fix),)


def locate(name_or_path: str) -> Path:
    """Return the file of an environment by its name or path.

    Raises:
        InvalidEnvironmentError: There is none of that name.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path).absolute()
    folder = checkout() / "stacks" / "environments"
    path = folder / f"{name_or_path}.yaml"
    if not path.is_file():
        names = environments()
        hint = suggest(name_or_path, names) or f"There are: {', '.join(names)}."
        raise InvalidEnvironmentError(
            [Diagnostic("C001", Place(path, 1, 1), (), "there is no such environment.", hint)]
        )
    return path


def environments() -> list[str]:
    """Return the names of stacks/environments/ less those that are only there to be extended."""
    folder = checkout() / "stacks" / "environments"
    documents = {path.stem: read_document(path) for path in sorted(folder.glob("*.yaml"))}
    extended = {str(document.data.get("extends")) for document in documents.values()}
    return [
        name
        for name, document in documents.items()
        if name not in extended or "hosts" in document.data
    ]
