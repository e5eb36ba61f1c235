"""One file as plain data, with the place of every key."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may take, so that no file can exhaust the process that reads it.

    Attributes:
        size: Bytes, after decompression.
        nodes: Keys, values and list elements, aliases counted each time.
        depth: Maps and lists inside each other.
    """

    size: int = 2**20
    nodes: int = 20_000
    depth: int = 64


LIMITS = Limits()


@dataclass
class Document:
    """A file's content, where each key stands, and what is wrong with its form."""

    path: Path
    data: dict[str, Any] = field(default_factory=dict, repr=False)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    revision: str = ""
    actor: str = ""

    def place(self, line: int, column: int) -> Place:
        """Return a position in this file."""
        return Place(self.path, line, column, "", self.revision, self.actor)

    def refuse(
        self, message: str, fix: str, place: Place, path: KeyPath = (), code: str = "C001"
    ) -> None:
        """Note a fault of form; C001 says that the document cannot be read at all."""
        self.problems.append(Diagnostic(code, place, path, message, fix))

    def twice(self, path: KeyPath, place: Place) -> bool:
        """Note the place of a key; return whether it stood there before, which is a fault."""
        first = self.places.get(path)
        if first is None:
            self.places[path] = place
            return False
        message = f"the key stands twice, first in line {first.line}."
        self.refuse(message, "Keep one of the two.", place, path, "C002")
        return True


Parser = Callable[[Document, str, Limits], None]


def read_document(path: Path, limits: Limits = LIMITS) -> Document:
    """Read a YAML, JSON, TOML or INI file, by its ending; `.gz` after it means compressed.

    Every fault of its form is in `problems`, none is raised.

    Args:
        path: The file; a missing or unreadable one is a problem too.
        limits: What the document may take.
    """
    document = Document(path)
    start = Place(path, 1, 1)
    try:
        content = _content(document, limits)
        if content is not None:
            # Editors of Windows put a byte order mark before the text.
            parser_of(path)(document, content.decode("utf-8-sig"), limits)
    except UnicodeDecodeError:
        document.refuse("the file is not UTF-8 text.", "Save it as UTF-8.", start)
    except OSError as error:
        reason = error.strerror or "the file is damaged"
        document.refuse(f"{reason}.", "Give the path of a file that can be read.", start)
    except Exception as error:
        # Whatever a parser trips over; its kind only, since the text may quote a value.
        message = f"the file cannot be read ({type(error).__name__})."
        document.refuse(message, "Write its values plainly, or take out what is unusual.", start)
    return document


def parser_of(path: Path) -> Parser:
    """Return what reads files of a path's ending; YAML for an unknown one."""
    # Each is imported where it is used: loading an environment needs YAML only.
    suffix = plain_name(path).rpartition(".")[2]
    if suffix == "json":
        from hxp_enterprise_llm.configuration.sources.json_form import parse_json

        return parse_json
    if suffix == "toml":
        from hxp_enterprise_llm.configuration.sources.toml_form import parse_toml

        return parse_toml
    if suffix == "ini":
        from hxp_enterprise_llm.configuration.sources.ini_form import parse_ini

        return parse_ini
    from hxp_enterprise_llm.configuration.sources.yaml_form import parse_yaml

    return parse_yaml


def plain_name(path: Path) -> str:
    """Return a file's name without the `.gz` of a compressed one."""
    return path.name.removesuffix(".gz")


def _content(document: Document, limits: Limits) -> bytes | None:
    path, start = document.path, Place(document.path, 1, 1)
    # Opening a pipe would wait for whoever writes it.
    if stat.S_ISFIFO(path.stat().st_mode):
        document.refuse("this is a pipe.", "Give the path of a file.", start)
        return None
    with path.open("rb") as file:
        # One byte more than allowed, never the whole of a file that is too big.
        raw = file.read(limits.size + 1)
        document.actor = _account(path.stat().st_uid)
    document.revision = hashlib.sha256(raw).hexdigest()[:12]
    if path.suffix == ".gz":
        raw = _decompressed(raw, limits.size)
    if not raw:
        # A writer that empties a file before it fills it; nobody means all defaults so.
        document.refuse("the file is empty.", "Write a key, or a comment that says why.", start)
        return None
    if len(raw) > limits.size:
        document.refuse(
            f"the file has more than {limits.size} bytes.", "Split it, or raise the limit.", start
        )
        return None
    return raw


def _decompressed(raw: bytes, size: int) -> bytes:
    import gzip
    import io
    import zlib

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            return file.read(size + 1)
    except (EOFError, zlib.error) as error:
        raise OSError(0, "the file is not complete gzip data") from error


@lru_cache(maxsize=64)
def _account(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
