"""References to values: the last step before a secret is used (D8)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hxp_enterprise_llm.configuration.secrets.backends.process import (
    Credentials,
    Files,
    Variables,
)
from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.secrets.values import new_value
from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.diagnostics import KeyPath
    from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
    from hxp_enterprise_llm.configuration.secrets.backends.base import Backend

T = TypeVar("T")


class Secrets:
    """Resolves the references of one environment.

    Args:
        folder: The state folder of the environment, `.citadel/NAME`.
        variables: The environment to read; that of the process when not given.
    """

    def __init__(self, folder: Path, *, variables: Mapping[str, str] | None = None) -> None:
        self._store = SealedStore(folder)
        self._variables = os.environ if variables is None else variables
        self._files = Files(folder.parents[1])

    def resolve(self, reference: str) -> Secret:
        """Return the value behind a reference; a `generated:` one is made when it is new.

        A relative path of a `file:` starts at the checkout, wherever the command runs.

        Raises:
            RefusedError: The scheme is unknown or its backend is not set up.
            UnreachableError: The backend is away.
            CitadelError: The file or variable is missing or empty, or the sealed file was changed.
        """
        scheme, _, path = reference.partition(":")
        if scheme == "generated":
            return self._store.get_or_make(path, lambda: new_value(path))
        if scheme == "file":
            return self._files.read(path)
        if scheme == "env":
            return Variables(self._variables).read(path)
        if scheme == "credential":
            return Credentials(self._folder()).read(path)
        if scheme in REMOTE:
            return blocking(lambda: _read(REMOTE[scheme](self._variables), path))
        raise SecretRefusedError(
            f"secret reference {scheme}:… cannot be resolved",
            next_step="Use generated:, file:, env:, credential:, vault:, aws: or kubernetes:.",
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of the generated values that exist, sorted."""
        return self._store.paths()

    def _folder(self) -> Path | None:
        named = self._variables.get("CREDENTIALS_DIRECTORY", "")
        return Path(named) if named else None


def refuse_unresolved(loaded: LoadedEnvironment, folder: Path, only: KeyPath | None = None) -> None:
    """Refuse an environment with references that have no value here; `generated:` ones always have.

    Args:
        loaded: The environment.
        folder: Its state folder.
        only: The one key to look at; all when not given.

    Raises:
        InvalidEnvironmentError: Names all of them, with the places of their keys.
    """
    from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidEnvironmentError
    from hxp_enterprise_llm.configuration.rules.secrets import UNRESOLVED, references

    secrets, found = Secrets(folder), []
    for path, reference in references(loaded.environment):
        if reference.startswith("generated:") or path != (only or path):
            continue
        try:
            secrets.resolve(reference)
        except CitadelError as error:
            place, fix = loaded.draft.place(path), error.next_step
            found.append(Diagnostic(UNRESOLVED, place, path, f"{error.message}.", fix))
    if found:
        raise InvalidEnvironmentError(found)


def _vault(variables: Mapping[str, str]) -> Backend:
    from hxp_enterprise_llm.configuration.secrets.backends.vault import Vault
    from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings

    return Vault.connect(VaultSettings.from_variables(variables))


def _aws(variables: Mapping[str, str]) -> Backend:
    from hxp_enterprise_llm.configuration.secrets.backends.aws import SecretsManager

    return SecretsManager.connect(variables)


def _kubernetes(variables: Mapping[str, str]) -> Backend:
    from hxp_enterprise_llm.configuration.secrets.backends.kubernetes import KubernetesSecrets

    return KubernetesSecrets.connect(variables)


REMOTE: dict[str, Callable[[Mapping[str, str]], Backend]] = {
    "vault": _vault,
    "aws": _aws,
    "kubernetes": _kubernetes,
}
"""Scheme → what makes its backend from the variables that its vendor's own tools read."""


async def _read(backend: Backend, path: str) -> Secret:
    try:
        return await backend.get(path)
    finally:
        await backend.aclose()


def blocking(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, also where a loop runs already: then in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()
