"""A file and all that it extends; a folder of files in the order of their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place
from hxp_enterprise_llm.configuration.document import (
    LIMITS,
    Document,
    Limits,
    plain_name,
    read_document,
)
from hxp_enterprise_llm.configuration.sources.base import Layer
from hxp_enterprise_llm.configuration.threads import in_thread

ENDINGS = (".yaml", ".yml", ".json", ".toml", ".ini")
MOST_FILES = 32
"""How many files one chain of `extends` may have."""
_EXTENDS: KeyPath = ("extends",)


@dataclass
class FileSource:
    """One file with the files that it extends, lowest first.

    Args:
        path: YAML, JSON, TOML or INI, by its ending; `.gz` after it means compressed.
        required: Whether a missing file is an error; else it says nothing.
        limits: What each file may take.
    """

    path: Path
    required: bool = True
    limits: Limits = LIMITS

    def __post_init__(self) -> None:
        self.path = self.path.absolute()
        self._files: tuple[Path, ...] = (self.path,)

    @property
    def name(self) -> str:
        """Return `file PATH`."""
        return f"file {self.path}"

    @property
    def watched(self) -> tuple[Path, ...]:
        """Return the file and those that it extends, as it said when it was read last."""
        return self._files

    async def read(self) -> Layer:
        """Read the file and its chain, in a thread."""
        return await in_thread(self.read_now)

    def read_now(self) -> Layer:
        """Read the file and its chain."""
        if not self.required and not self.path.exists():
            return Layer(self.name)
        layer = chain(self.path, self.limits)
        self._files = (*layer.files, *layer.missing)
        return layer


def chain(path: Path, limits: Limits = LIMITS) -> Layer:
    """Return the layer of a file; the files that it extends are its `lower` ones."""
    layers: list[Layer] = []
    files: list[Path] = []
    following: Path | None = path
    missing: Path | None = None
    while following is not None:
        document = read_document(following, limits)
        files.append(following)
        following, problem = _extended(document, [item.resolve() for item in files])
        layers.append(_layer(document, problem))
        if problem is not None:
            missing, following = following, None
    top, *lower = layers
    return Layer(
        source=top.source,
        data=top.data,
        places=top.places,
        problems=top.problems,
        revision=top.revision,
        actor=top.actor,
        lower=tuple(reversed(lower)),
        files=tuple(files),
        missing=(missing,) if missing is not None else (),
    )


def _layer(document: Document, problem: Diagnostic | None) -> Layer:
    document.data.pop("extends", None)
    problems = [*document.problems, *([problem] if problem else [])]
    return Layer(
        source=f"file {document.path}",
        data=document.data,
        places={path: place for path, place in document.places.items() if path[:1] != _EXTENDS},
        problems=tuple(problems),
        revision=document.revision or None,
        actor=document.actor or None,
        files=(document.path,),
    )


def _extended(document: Document, seen: list[Path]) -> tuple[Path | None, Diagnostic | None]:
    """Return the file that a document extends, and what is wrong with it: it may be missing."""
    wanted = document.data.get("extends")
    if "extends" not in document.data:
        return None, None
    place = document.places[_EXTENDS]
    if wanted is None:
        return None, _problem(
            place, "`extends` is empty.", "Name one file, `extends: base`, or remove the key."
        )
    if not isinstance(wanted, str):
        return None, _problem(place, "`extends` is not a text.", "Name one file: `extends: base`.")
    own = Path(plain_name(document.path)).suffix
    ending = own if own in {".json", ".toml", ".ini"} else ".yaml"
    file = wanted if plain_name(Path(wanted)).endswith(ENDINGS) else f"{wanted}{ending}"
    path = document.path.parent / file
    try:
        circle, known = path.resolve() in seen, path.is_file()
    # A name with a NUL, one that is too long, links in a circle.
    except (ValueError, OSError, RuntimeError):
        message = "the name in `extends` is none that a file can have, or leads nowhere."
        fix = "Name a file beside this one: `extends: base`."
        return None, Diagnostic("C001", place, _EXTENDS, message, fix)
    if circle:
        return None, _problem(
            place, "the files extend each other in a circle.", "Take one `extends` out."
        )
    if len(seen) >= MOST_FILES:
        message = f"the chain of `extends` has more than {MOST_FILES} files."
        return None, _problem(place, message, "Join some of the files.")
    if not known:
        return path, _problem(
            place,
            f"there is no file {file} beside this one.",
            f"Name a file beside this one, or give a relative path that ends in {ending}.",
        )
    return path, None


def _problem(place: Place, message: str, fix: str) -> Diagnostic:
    return Diagnostic("C005", place, _EXTENDS, message, fix)
