"""References to values: the last step before a secret is used (D8)."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.secrets.backends.process import (
    Credentials,
    Files,
    Variables,
)
from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.policy import POLICIES, USUAL, SecretPolicy
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.secrets.values import new_value
from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.diagnostics import KeyPath
    from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
    from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
    from hxp_enterprise_llm.configuration.secrets.manager import SecretManager

AUDIT_FILE = "audit.jsonl"
T = TypeVar("T")


def operator() -> str:
    """Return who runs this process, as the audit log names people."""
    try:
        return f"person:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"uid:{os.getuid()}"


class Secrets:
    """Resolves the references of one environment.

    Args:
        folder: The state folder of the environment, `.citadel/NAME`.
        variables: The environment to read; that of the process when not given.
        actor: Who reads, for the audit log; who runs the process when not given.
        policy: What the environment's security level asks for.
    """

    def __init__(
        self,
        folder: Path,
        *,
        variables: Mapping[str, str] | None = None,
        actor: str = "",
        policy: SecretPolicy = USUAL,
    ) -> None:
        self._policy = policy
        self._store = SealedStore(folder)
        self._audit, self._actor = folder / AUDIT_FILE, actor or operator()
        self._variables = os.environ if variables is None else variables
        self._files = Files(folder.parents[1])

    def resolve(self, reference: str) -> Secret:
        """Return the value behind a reference; a `generated:` one is made when it is new.

        A relative path of a `file:` starts at the checkout, wherever the command runs.

        Raises:
            RefusedError: The scheme is unknown or its backend is not set up.
            UnreachableError: The backend is away.
            CitadelError: The file or variable is missing or empty, the sealed file was changed, or
                the read cannot be recorded in the audit log.
        """
        try:
            secret = self._resolve(reference)
        except CitadelError:
            self._record(reference, "failed")
            raise
        self._record(reference, "ok")
        return secret

    def _record(self, reference: str, outcome: str) -> None:
        with closing(AuditLog(self._audit)) as log:
            log.append(AuditEvent(self._actor, "secret.read", reference, outcome))

    def _resolve(self, reference: str) -> Secret:
        scheme, _, path = reference.partition(":")
        if scheme == "generated":
            return self._store.get_or_make(path, lambda: new_value(path))
        if scheme == "file":
            return self._files.read(path)
        if scheme == "env":
            return Variables(self._variables).read(path)
        if scheme == "credential":
            return Credentials(_credentials(self._variables)).read(path)
        if scheme in REMOTE:
            opened = REMOTE[scheme]
            return blocking(lambda: _read(opened(self._variables, self._policy), path))
        raise SecretRefusedError(
            f"secret reference {scheme}:… cannot be resolved",
            next_step="Use generated:, file:, env:, credential:, vault:, aws: or kubernetes:.",
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of the generated values that exist, sorted."""
        return self._store.paths()


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

    secrets, found = Secrets(folder, policy=policy_of(loaded)), []
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


def policy_of(loaded: LoadedEnvironment) -> SecretPolicy:
    """Return what the security level of an environment asks of its secrets."""
    security = loaded.environment.infrastructure_services.configuration.security
    return POLICIES[security.level]


def watched(loaded: LoadedEnvironment) -> tuple[str, ...]:
    """Return the references of an environment that lie outside its sealed file, sorted."""
    from hxp_enterprise_llm.configuration.rules.secrets import references

    named = {reference for _, reference in references(loaded.environment)}
    return tuple(sorted(name for name in named if not name.startswith("generated:")))


def _vault(variables: Mapping[str, str], policy: SecretPolicy) -> Backend:
    from hxp_enterprise_llm.configuration.secrets.backends.vault import Vault
    from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings

    settings = VaultSettings.from_variables(variables, clear_text=policy.clear_text)
    return Vault.connect(settings)


def _aws(variables: Mapping[str, str], _: SecretPolicy) -> Backend:
    from hxp_enterprise_llm.configuration.secrets.backends.aws import SecretsManager

    return SecretsManager.connect(variables)


def _kubernetes(variables: Mapping[str, str], _: SecretPolicy) -> Backend:
    from hxp_enterprise_llm.configuration.secrets.backends.kubernetes import KubernetesSecrets

    return KubernetesSecrets.connect(variables)


REMOTE: dict[str, Callable[[Mapping[str, str], SecretPolicy], Backend]] = {
    "vault": _vault,
    "aws": _aws,
    "kubernetes": _kubernetes,
}
"""Scheme → what makes its backend from the variables that its vendor's own tools read."""


def local_manager(
    folder: Path,
    variables: Mapping[str, str],
    schemes: Collection[str] = (),
    *,
    strict: bool = True,
    policy: SecretPolicy = USUAL,
    clock: Clock = utc_now,
) -> SecretManager:
    """Return a manager of one environment, for whom its files belong to.

    Args:
        folder: The state folder of the environment.
        variables: The environment to read.
        schemes: Other backends to open beside the local ones, those of them that there are.
        strict: Refuse when one of them is not set up; else it says so when it is used.
        policy: What the environment's security level asks for.
        clock: Time of now.

    Raises:
        SecretRefusedError: One of them is not set up.
    """
    from hxp_enterprise_llm.configuration.secrets.access import EVERYTHING
    from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
    from hxp_enterprise_llm.configuration.secrets.hooks import command_hook
    from hxp_enterprise_llm.configuration.secrets.manager import SecretManager

    backends: list[Backend] = [
        SealedFile(SealedStore(folder, clock=clock)),
        Variables(variables),
        Files(folder.parents[1]),
    ]
    backends += [
        _opened(name, variables, policy, strict=strict)
        for name in sorted(REMOTE)
        if name in schemes
    ]
    if "credential" in schemes:
        backends.append(Credentials(_credentials(variables)))
    return SecretManager(
        backends,
        access=EVERYTHING,
        audit=AuditLog(folder / AUDIT_FILE, clock=clock),
        policy=policy,
        environment=folder.name,
        hook=command_hook(folder.name),
        clock=clock,
    )


def _opened(
    scheme: str, variables: Mapping[str, str], policy: SecretPolicy, *, strict: bool
) -> Backend:
    from hxp_enterprise_llm.configuration.secrets.backends.base import NotSetUp

    try:
        return REMOTE[scheme](variables, policy)
    except SecretRefusedError as error:
        if strict:
            raise
        return NotSetUp(scheme, error)


def _credentials(variables: Mapping[str, str]) -> Path | None:
    named = variables.get("CREDENTIALS_DIRECTORY", "")
    return Path(named) if named else None


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
