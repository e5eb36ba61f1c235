"""What who starts a process gives it: variables, files, credentials of systemd. All read only."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hxp_enterprise_llm.configuration.secrets.backends.base import ReadOnly, SecretInfo
from hxp_enterprise_llm.configuration.secrets.errors import SecretError, SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.files import refuse_readable_by_others
from hxp_enterprise_llm.configuration.secrets.secret import Secret

_FOLDER = "CREDENTIALS_DIRECTORY"


class Variables(ReadOnly):
    """`env:NAME`: environment variables.

    Args:
        variables: The environment to read.
    """

    scheme = "env"

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        given = os.environ if variables is None else variables
        # A function, since whoever shows this object shall not show the whole environment.
        self._look_up: Callable[[str], str] = lambda name: given.get(name, "")

    def read(self, name: str) -> Secret:
        """Return the value of a variable.

        Raises:
            SecretError: It is not set, or empty.
        """
        value = self._look_up(name)
        if not value:
            raise SecretError(
                f"variable {name} is not set", next_step=f"export {name}=… and try again."
            )
        return Secret(value)

    async def get(self, path: str) -> Secret:
        """Return the value of a variable."""
        return self.read(path)

    async def info(self, path: str) -> SecretInfo:
        """Return that it is there."""
        self.read(path)
        return SecretInfo(path)

    async def check(self) -> str:
        """Return that it can always be used."""
        return "variables of this process"


class Files(ReadOnly):
    """`file:PATH`: files of mode 0600 or less.

    Args:
        root: Where relative paths start.
    """

    scheme = "file"

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> Secret:
        """Return the content of a file without the newline at its end.

        Raises:
            SecretError: It is missing, empty or no text.
            SecretRefusedError: Others can read it.
        """
        return _content(self._file(path))

    async def get(self, path: str) -> Secret:
        """Return the content of a file."""
        return self.read(path)

    async def info(self, path: str) -> SecretInfo:
        """Return when it was written."""
        self.read(path)
        written = self._file(path).stat().st_mtime
        return SecretInfo(path, made_at=datetime.fromtimestamp(written, UTC))

    async def check(self) -> str:
        """Return where relative paths start."""
        return f"relative paths start at {self._root}"

    def _file(self, path: str) -> Path:
        return self._root / Path(path).expanduser()


class Credentials(ReadOnly):
    """`credential:NAME`: what systemd passes by `LoadCredential=` and `LoadCredentialEncrypted=`.

    Args:
        folder: The folder of credentials; `$CREDENTIALS_DIRECTORY` when not given.
    """

    scheme = "credential"

    def __init__(self, folder: Path | None = None) -> None:
        named = os.environ.get(_FOLDER, "")
        self._folder = folder or (Path(named) if named else None)

    def read(self, name: str) -> Secret:
        """Return a credential.

        Raises:
            SecretRefusedError: There is no folder of credentials, or the name is no file name.
            SecretError: It is missing or empty.
        """
        return _content(self._file(name), f"Add LoadCredential={name}:… to the unit.")

    async def get(self, path: str) -> Secret:
        """Return a credential."""
        return self.read(path)

    async def info(self, path: str) -> SecretInfo:
        """Return that it is there; its time is that of the unit's start, which says nothing."""
        self.read(path)
        return SecretInfo(path)

    async def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:
        """Yield all credentials of the unit."""
        for file in sorted(self._there().iterdir()):
            if file.is_file() and file.name.startswith(prefix):
                yield SecretInfo(file.name)

    async def check(self) -> str:
        """Return where they lie."""
        return f"credentials in {self._there()}"

    def _file(self, name: str) -> Path:
        folder = self._there()
        if not name or Path(name).name != name or name == "..":
            raise SecretRefusedError(
                f"credential {name!r} is no file name", next_step="Write credential:NAME."
            )
        return folder / name

    def _there(self) -> Path:
        if self._folder is None:
            raise SecretRefusedError(
                f"there are no credentials: {_FOLDER} is not set",
                next_step="Only a service that systemd starts with LoadCredential= has them.",
            )
        return self._folder


def _content(file: Path, next_step: str = "Create it with mode 0600.") -> Secret:
    try:
        refuse_readable_by_others(file)
        value = file.read_text().rstrip("\n")
    except OSError as error:
        raise SecretError(f"secret file {file}: {error.strerror}", next_step=next_step) from None
    except UnicodeDecodeError:
        raise SecretError(f"secret file {file} is no text", next_step="Write UTF-8.") from None
    if not value:
        raise SecretError(f"secret file {file} is empty", next_step="Write the secret into it.")
    return Secret(value)
