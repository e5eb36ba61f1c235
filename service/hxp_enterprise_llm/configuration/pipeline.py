"""From layers to a checked model: merge, migrate, validate, judge. Any frozen model will do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    InvalidDocumentError,
    KeyPath,
    Place,
)
from hxp_enterprise_llm.configuration.fields import accepts_null
from hxp_enterprise_llm.configuration.merge import (
    Origins,
    merge,
    merge_origins,
    pruned,
    value_at,
)
from hxp_enterprise_llm.configuration.messages import diagnostics_of
from hxp_enterprise_llm.configuration.sources.base import Layer

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Draft:
    """A document after merging, before its values are checked."""

    home: Place
    # Shown by nobody: a secret in the wrong place is still in here.
    data: dict[str, Any] = field(repr=False)
    origins: Origins = field(repr=False)
    problems: tuple[Diagnostic, ...] = ()
    files: tuple[Path, ...] = ()

    def place(self, path: KeyPath) -> Place:
        """Return where a key stands; for one that stands nowhere, its nearest parent."""
        for length in range(len(path), 0, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return origin.place
        return self.home


@dataclass(frozen=True)
class Outcome:
    """What the rules found, and what of it is waived."""

    found: tuple[Diagnostic, ...] = ()
    waived: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Loaded(Generic[ModelT]):
    """A valid configuration, and where each of its values was written."""

    config: ModelT
    draft: Draft
    warnings: tuple[Diagnostic, ...] = ()
    waived: tuple[Diagnostic, ...] = ()


Migrate = Callable[[Draft], Draft]
"""Brings a merged document of an older version to the one that the model knows."""
Judge = Callable[[Draft, "ModelT | None", set[KeyPath]], Outcome]
"""Runs rules over a model, or over what is left of a document without its refused keys."""


def assemble(layers: Iterable[Layer], model: type[BaseModel], home: Path | str) -> Draft:
    """Lay each layer over those before it.

    Args:
        layers: The lowest first; the order is the precedence.
        model: The model of the document; says where null is a value.
        home: The file, or the words, that an error about a key that nobody wrote names.
    """
    data: dict[str, Any] = {}
    origins: Origins = {}
    problems: list[Diagnostic] = []
    files: list[Path] = []
    for layer in _flat(layers):
        placed = layer
        if layer.settings:
            # What needs no path of its own is imported only with flags or variables.
            from hxp_enterprise_llm.configuration.sources.settling import settled

            placed = settled(layer, data, model)
        origins = merge_origins(origins, data, placed)
        data = merge(data, placed.data)
        problems.extend(placed.problems)
        files.extend(placed.files)
    data = _without_removed(data, origins, model)
    place = Place(home, 1, 1) if isinstance(home, Path) else Place(Path(home), 1, 1, home)
    return Draft(place, data, origins, tuple(problems), tuple(dict.fromkeys(files)))


def validate(draft: Draft, model: type[ModelT]) -> tuple[ModelT | None, tuple[Diagnostic, ...]]:
    """Check types and keys; return the model, or what is wrong."""
    if any(problem.code == "C001" for problem in draft.problems):
        return None, ()
    try:
        return model.model_validate(draft.data), ()
    except ValidationError as error:
        return None, tuple(diagnostics_of(error, model, draft.data, draft.place))


def compiled(
    draft: Draft, model: type[ModelT], *, judge: Judge[ModelT] | None = None
) -> Loaded[ModelT]:
    """Validate a draft and run the rules over it.

    Raises:
        InvalidDocumentError: It has errors; names all of them.
    """
    config, problems = validate(draft, model)
    outcome = Outcome()
    if any(problem.code == "C005" for problem in draft.problems):
        # What the file that is not there says, nobody misses and no rule judges.
        problems = tuple(problem for problem in problems if problem.code != "C004")
    elif judge is not None:
        outcome = judge(draft, config, {item.path for item in problems})
    found = in_order((*draft.problems, *problems, *outcome.found))
    if config is None or any(item.severity == "error" for item in found):
        raise InvalidDocumentError(found)
    return Loaded(config, draft, found, outcome.waived)


def in_order(problems: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return each finding once, in the order of files and lines."""
    unique = dict.fromkeys(problems)
    return tuple(
        sorted(unique, key=lambda item: (str(item.place.file), item.place.line, item.path != ()))
    )


def _flat(layers: Iterable[Layer]) -> Iterator[Layer]:
    for layer in layers:
        yield from _flat(layer.lower)
        yield layer


def _without_removed(
    data: dict[str, Any], origins: Origins, model: type[BaseModel]
) -> dict[str, Any]:
    """Take out the keys that a layer removed by null from what it goes over."""
    removed = [
        path
        for path, origin in origins.items()
        if origin.overrode
        and _is_null(data, path)
        and not accepts_null(model, path, data)
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
