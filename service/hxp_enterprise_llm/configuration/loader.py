"""Reads an environment file: extends, merges, validates; all errors at once, with their lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hxp_enterprise_llm.configuration.check import Outcome, check, common
from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    InvalidEnvironmentError,
    KeyPath,
    Place,
)
from hxp_enterprise_llm.configuration.document import Document, read_document
from hxp_enterprise_llm.configuration.fields import accepts_null
from hxp_enterprise_llm.configuration.locks import lock_versions
from hxp_enterprise_llm.configuration.merge import Origin, Origins, merge, merge_origins, value_at
from hxp_enterprise_llm.configuration.messages import diagnostics_of, suggest
from hxp_enterprise_llm.configuration.remainder import pruned, remainders
from hxp_enterprise_llm.configuration.rules import Subject
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.hosts import HOST_NAME


@dataclass(frozen=True)
class Draft:
    """A document after merging, before its values are checked."""

    path: Path
    data: dict[str, Any]
    origins: Origins
    problems: tuple[Diagnostic, ...] = ()
    files: tuple[Path, ...] = ()

    def place(self, path: KeyPath) -> Place:
        """Return where a key stands; for one that stands nowhere, its nearest parent."""
        for length in range(len(path), 0, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return origin.place
        return Place(self.path, 1, 1)


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
    draft = read(path)
    environment, problems = validate(draft)
    refused = {item.path for item in problems}
    outcome = _judged(draft, environment, refused, today or datetime.now(tz=UTC).date())
    problems = (*_name_problems(path), *draft.problems, *problems, *outcome.found)
    if environment is None or any(item.severity == "error" for item in problems):
        raise InvalidEnvironmentError(_in_order(problems))
    warnings = tuple(_in_order(problems))
    return LoadedEnvironment(
        path.stem, path, environment, draft.origins, draft, warnings, outcome.waived
    )


def _judged(
    draft: Draft, environment: Environment | None, refused: set[KeyPath], day: date
) -> Outcome:
    """Run the rules over the environment, or over what is left of it without its refused keys."""
    left: tuple[Environment, ...] = (environment,) if environment is not None else ()
    if refused:
        left = remainders(draft.data, refused)
    versions = lock_versions()
    return common(
        check(Subject(draft.path.stem, item, day, versions), draft.place, refused) for item in left
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


def read(path: Path) -> Draft:
    """Read a file and all that it extends, and merge them; faults of form are in `problems`."""
    chain, problems = _chain(path)
    data: dict[str, Any] = {}
    origins: Origins = {}
    for document in reversed(chain):
        origins = merge_origins(origins, data, document)
        data = merge(data, document.data)
        problems = [*document.problems, *problems]
    data.pop("extends", None)
    files = tuple(document.path for document in chain)
    return Draft(path, _without_removed(data, origins), origins, tuple(problems), files)


def validate(draft: Draft) -> tuple[Environment | None, tuple[Diagnostic, ...]]:
    """Check types and keys; return the environment, or what is wrong."""
    if any(problem.code == "C001" for problem in draft.problems):
        return None, ()
    try:
        return Environment.model_validate(draft.data), ()
    except ValidationError as error:
        return None, tuple(diagnostics_of(error, Environment, draft.data, draft.place))


def _chain(path: Path) -> tuple[list[Document], list[Diagnostic]]:
    chain: list[Document] = []
    problems: list[Diagnostic] = []
    following: Path | None = path
    while following is not None:
        document = read_document(following)
        chain.append(document)
        following, problem = _extended(document, [item.path.resolve() for item in chain])
        if problem is not None:
            problems.append(problem)
    return chain, problems


def _extended(document: Document, seen: list[Path]) -> tuple[Path | None, Diagnostic | None]:
    wanted = document.data.get("extends")
    if wanted is None:
        return None, None
    place = document.places[("extends",)]
    if not isinstance(wanted, str):
        return None, _extends_problem(
            place, "`extends` is not a text.", "Name one file: `extends: base`."
        )
    file = wanted if wanted.endswith((".yaml", ".yml")) else f"{wanted}.yaml"
    path = document.path.parent / file
    if path.resolve() in seen:
        return None, _extends_problem(
            place, "the files extend each other in a circle.", "Take one `extends` out."
        )
    if not path.is_file():
        return None, _extends_problem(
            place,
            f"there is no file {file} beside this one.",
            "Name a file beside this one, or give a relative path that ends in .yaml.",
        )
    return path, None


def _extends_problem(place: Place, message: str, fix: str) -> Diagnostic:
    return Diagnostic("C005", place, ("extends",), message, fix)


def _without_removed(data: dict[str, Any], origins: Origins) -> dict[str, Any]:
    """Take out the keys that a file removed by null from what it extends."""
    removed = [
        path
        for path, origin in origins.items()
        if origin.overrode
        and _is_null(data, path)
        and not accepts_null(Environment, path, data)
        and isinstance(path[-1], str)
    ]
    for path in removed:
        del origins[path]
    return dict(pruned(data, set(removed)))


def _is_null(data: Any, path: KeyPath) -> bool:
    try:
        return value_at(data, path) is None
    except KeyError:
        return False


def _in_order(problems: tuple[Diagnostic, ...]) -> list[Diagnostic]:
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda item: (str(item.place.file), item.place.line, item.path != ()))
