"""A folder of files, each over the one before it in the order of their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, Place
from hxp_enterprise_llm.configuration.document import LIMITS, Limits, plain_name
from hxp_enterprise_llm.configuration.sources.base import Layer
from hxp_enterprise_llm.configuration.sources.files import ENDINGS, chain
from hxp_enterprise_llm.configuration.threads import in_thread


@dataclass
class FolderSource:
    """All YAML, JSON, TOML and INI files of a folder; not those of folders in it.

    Args:
        path: The folder.
        required: Whether a missing folder is an error; else it says nothing.
        limits: What each file may take.
        files: How many files the folder may hold.
    """

    path: Path
    required: bool = False
    limits: Limits = LIMITS
    files: int = 256

    def __post_init__(self) -> None:
        self.path = self.path.absolute()
        self._extended: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Return `folder PATH`."""
        return f"folder {self.path}"

    @property
    def watched(self) -> tuple[Path, ...]:
        """Return the folder, and the files elsewhere that its files extend."""
        return (self.path, *self._extended)

    async def read(self) -> Layer:
        """Read every file, in a thread."""
        return await in_thread(self.read_now)

    def read_now(self) -> Layer:
        """Read every file."""
        try:
            paths = listed(self.path)
        except FileNotFoundError:
            return self._refused("there is no such folder.") if self.required else Layer(self.name)
        except OSError as error:
            return self._refused(f"{error.strerror}.")
        if len(paths) > self.files:
            return self._refused(f"the folder holds more than {self.files} files.")
        layers = [chain(path, self.limits) for path in paths]
        files = tuple(file for layer in layers for file in layer.files)
        missing = tuple(file for layer in layers for file in layer.missing)
        self._extended = tuple(file for file in (*files, *missing) if file.parent != self.path)
        return Layer(self.name, lower=tuple(layers), files=files, missing=missing)

    def _refused(self, message: str) -> Layer:
        place = Place(self.path, 1, 1)
        fix = "Make it a folder that this account can read, or take it from the sources."
        return Layer(self.name, problems=(Diagnostic("C001", place, (), message, fix),))


def listed(folder: Path) -> list[Path]:
    """Return the configuration files of a folder in the order of their names; hidden ones not."""
    return sorted(
        path
        for path in folder.iterdir()
        if plain_name(path).endswith(ENDINGS) and not path.name.startswith(".") and path.is_file()
    )
