"""One environment's Pulumi stack, driven through the engine's command line."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError, UnreachableError
from hxp_enterprise_llm.orchestration import ownership, paths, stack_locks
from hxp_enterprise_llm.orchestration.events import Changes, Progress, describe
from hxp_enterprise_llm.orchestration.toolchain import Toolchain
from hxp_enterprise_llm.schemas.outputs import FleetOutputs
from hxp_enterprise_llm.utilities.files import write_atomic
from hxp_enterprise_llm.utilities.process import CommandError, run, stream
from hxp_enterprise_llm.utilities.report import Report

_OUTPUT = "fleet"
_FILE_VARIABLE = "CITADEL_ENVIRONMENT_FILE"
_PASSPHRASE = "pulumi.passphrase"  # noqa: S105 - the name of its file
_PASSWORD = re.compile(r"(://[^/?#@\s:]*:)[^@\s]*@")
_BY_PASSPHRASE = "passphrase"  # noqa: S105 - a kind of provider


class Stack:
    """The stack of an environment; it has the environment's name.

    Args:
        loaded: The environment and where it was read.
        toolchain: The engine to drive.

    Raises:
        RefusedError: The environment belongs to another file of the same name.
    """

    def __init__(self, loaded: LoadedEnvironment, toolchain: Toolchain) -> None:
        ownership.refuse_other(loaded)
        self._loaded, self._toolchain = loaded, toolchain
        self._root = paths.checkout()

    @property
    def name(self) -> str:
        """Return the stack's name."""
        return self._loaded.name

    @property
    def backend(self) -> str:
        """Return Pulumi's backend URL: the environment's own, or a folder of the checkout."""
        return self._loaded.environment.state.backend or f"file://{_folder()}"

    def up(self, report: Report) -> Changes:
        """Look at what there is and make it what the environment says.

        Args:
            report: Takes a line for each thing that happens.

        Raises:
            CitadelError: A resource could not be made; what was made stays and is known.
        """
        self.prepare()
        return self._operate(report, "up", "--yes", "--skip-preview", "--refresh")

    def preview(self, *, refresh: bool = True) -> Changes:
        """Return what `up` would do, without doing it.

        Args:
            refresh: Look at the real objects first, not only at the state.

        Raises:
            CitadelError: The program or a provider failed.
        """
        self.prepare()
        command = ("preview", "--json", *(("--refresh",) if refresh else ()))
        done = self._pulumi(*command, "--stack", self.name)
        document = json.loads(done)
        quiet = {"same", "refresh"}
        resources = tuple(
            f"{step['op']} {describe(step['urn'])}"
            for step in document.get("steps", ())
            if step["op"] not in quiet and _is_real(step.get("newState") or step.get("oldState"))
        )
        return Changes(document.get("changeSummary") or {}, resources)

    def outputs(self) -> FleetOutputs | None:
        """Return what the stack made; None when it does not exist or made nothing yet.

        Raises:
            CitadelError: The output has another form than this version of Citadel reads.
        """
        return fleet_of(self.name, self._state())

    def resources(self) -> tuple[str, ...]:
        """Return what the stack holds, a line each; empty when there is nothing to remove."""
        deployment = (self._state() or {}).get("deployment") or {}
        return tuple(
            describe(resource["urn"])
            for resource in deployment.get("resources") or ()
            if _is_real(resource)
        )

    def destroy(self, report: Report) -> Changes:
        """Remove everything that the stack made, data included, and the stack itself.

        Args:
            report: Takes a line for each thing that happens.

        Raises:
            CitadelError: A resource could not be removed; it stays known.
        """
        changes = Changes({})
        if self._state() is not None:
            changes = self._operate(report, "destroy", "--yes", "--skip-preview", "--remove")
        report("looking for what an interrupted run left")
        run((str(self._plugin()), "--sweep", str(self._root), self.name))
        own = paths.environment_state(self.name)
        for folder in ("ssh", "locks"):
            shutil.rmtree(own / folder, ignore_errors=True)
        ownership.forget(self.name)
        with suppress(OSError):  # Others keep things there too.
            own.rmdir()
        return changes

    def recover(self, report: Report = lambda _: None) -> None:
        """Clear what an interrupted run left: its lock, and operations that never ended.

        Safe to call at any time: a run that is still alive is waited for. Only the locks of a
        file backend can be looked at; those of others are cleared when the engine meets them.

        Args:
            report: Takes a line when something has to be waited for or cleared.

        Raises:
            CitadelError: Another run holds the stack and does not end; names it.
        """
        scheme, _, folder = self.backend.partition("://")
        if scheme == "file":
            stale = stack_locks.wait(Path(folder), self.name, report)
            if stale:
                report(f"clearing the lock of {stale}")
                self._pulumi("cancel", "--yes", "--stack", self.name)
        state = self._state()
        pending = ((state or {}).get("deployment") or {}).get("pending_operations")
        if state is not None and pending:
            report(f"clearing {len(pending)} operations that never ended")
            state["deployment"]["pending_operations"] = []
            document = json.dumps(state)
            self._unlocked(
                lambda: self._pulumi("stack", "import", "--stack", self.name, stdin=document),
                report,
            )

    def environment_variables(self) -> dict[str, str]:
        """Return the variables with which `pulumi` works by itself on this stack.

        The stack is made when it is missing, so that `pulumi up --stack NAME` can go on.
        """
        self.prepare()
        return self._own_variables()

    def prepare(self) -> None:
        """Make the backend's folder, the passphrase and the stack where they are missing.

        Raises:
            RefusedError: The stack is there, and this checkout does not have its passphrase.
        """
        ownership.record(self._loaded)
        if self._state() is not None:
            self._refuse_without_passphrase()
            return
        provider = self._loaded.environment.state.secrets_provider
        try:
            self._pulumi(
                *("stack", "init", self.name, "--no-select", "--secrets-provider", provider)
            )
        except CommandError as error:
            if "already exists" not in error.output:
                raise

    def _refuse_without_passphrase(self) -> None:
        by_passphrase = self._loaded.environment.state.secrets_provider == _BY_PASSPHRASE
        if by_passphrase and not self._has_own_state() and not _given_passphrase():
            path = paths.state() / _PASSPHRASE
            if not path.exists():
                raise RefusedError(
                    f"the passphrase of stack {self.name} is not in this checkout, and its state "
                    "is shared",
                    next_step=f"Copy {path.name} from the checkout that made it to {path.parent}, "
                    "or set PULUMI_CONFIG_PASSPHRASE_FILE.",
                )

    def _has_own_state(self) -> bool:
        return self.backend.startswith("file://")

    def _all_variables(self) -> dict[str, str]:
        # A passphrase in the caller's shell would win over the file of the checkout's own state.
        own = self._own_variables()
        is_ours = "PULUMI_CONFIG_PASSPHRASE_FILE" in own
        return {
            key: value
            for key, value in os.environ.items()
            if key != "PULUMI_CONFIG_PASSPHRASE" or not is_ours
        } | own

    def _own_variables(self) -> dict[str, str]:
        variables = {
            "PULUMI_BACKEND_URL": self.backend,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PATH": self._path(),
        }
        by_passphrase = self._loaded.environment.state.secrets_provider == _BY_PASSPHRASE
        if by_passphrase and (self._has_own_state() or not _given_passphrase()):
            variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase_file())
        if self._loaded.path != self._root / "stacks" / "environments" / f"{self.name}.yaml":
            variables[_FILE_VARIABLE] = str(self._loaded.path.resolve())
        return variables

    def _path(self) -> str:
        first = [str(self._toolchain.folder), str(Path(sys.executable).parent)]
        rest = [part for part in os.environ.get("PATH", "").split(":") if part not in first]
        return ":".join(first + rest)

    def _operate(self, report: Report, *command: str) -> Changes:
        progress = Progress(report)
        words = (str(self._toolchain.pulumi), *command, "--json", "--stack", self.name, *_QUIET)
        variables = self._all_variables()
        try:
            self._unlocked(
                lambda: stream(words, progress.line, env=variables, cwd=self._root), report
            )
        except CommandError as error:
            text = "\n".join(progress.errors or progress.other[-20:]) or error.message
            raise CitadelError(
                f"pulumi {command[0]} of {self.name} failed\n{text}",
                next_step="Then run the same command again; that is safe at any point.",
            ) from None
        return progress.changes()

    def _unlocked(self, operation: Callable[[], object], report: Report) -> None:
        """Run an operation; when locks of dead runs are in its way, clear them and run it again."""
        try:
            operation()
        except CommandError as error:
            found = stack_locks.named(error.output)
            if not found:
                raise
            stack_locks.refuse_living(found, self.name)
            for holder in found:
                report(f"clearing the lock of {holder}")
            self._pulumi("cancel", "--yes", "--stack", self.name)
            operation()

    def _pulumi(self, *arguments: str, stdin: str | None = None) -> str:
        return run(
            (str(self._toolchain.pulumi), *arguments, *_QUIET),
            env=self._all_variables(),
            cwd=self._root,
            stdin=stdin,
        ).stdout

    def _state(self) -> dict[str, Any] | None:
        return export(self._toolchain, self.name, self.backend)

    def _plugin(self) -> Path:
        kind = self._loaded.environment.provider.kind
        return self._root / "stacks" / "providers" / kind / f"pulumi-resource-citadel-{kind}"


_QUIET = ("--non-interactive", "--color", "never")


def export(toolchain: Toolchain, name: str, backend: str) -> dict[str, Any] | None:
    """Return the state of a stack, or None when there is no such stack.

    Needs no passphrase: what is secret stays sealed.

    Args:
        toolchain: The engine.
        name: The stack.
        backend: Pulumi's backend URL.

    Raises:
        UnreachableError: The backend does not answer.
    """
    hidden = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
    variables = {key: value for key, value in os.environ.items() if key not in hidden} | {
        "PULUMI_BACKEND_URL": backend,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PATH": f"{toolchain.folder}:{os.environ.get('PATH', os.defpath)}",
    }
    command = (str(toolchain.pulumi), "stack", "export", "--stack", name, *_QUIET)
    try:
        state: dict[str, Any] = json.loads(run(command, env=variables, cwd=paths.checkout()).stdout)
    except CommandError as error:
        if "no stack named" in error.output:
            return None
        raise UnreachableError(
            _without_passwords(
                f"the state of stack {name} cannot be read from {backend}\n{error.output.strip()}"
            ),
            next_step="Check state.backend of the environment, and your access to it.",
        ) from None
    return state


def fleet_of(name: str, state: dict[str, Any] | None) -> FleetOutputs | None:
    """Return output `fleet` of an exported state; None when the stack has made nothing yet.

    Raises:
        CitadelError: The output has another form than this version of Citadel reads.
    """
    from pydantic import ValidationError

    for resource in ((state or {}).get("deployment") or {}).get("resources") or ():
        if resource["type"] == "pulumi:pulumi:Stack":
            found = (resource.get("outputs") or {}).get(_OUTPUT)
            if found is None:
                return None
            try:
                return FleetOutputs.model_validate(found)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(str(part) for part in first["loc"])
                raise CitadelError(
                    f"output {_OUTPUT} of stack {name} cannot be read: {where}: {first['msg']}",
                    next_step=f"Another version of Citadel wrote it; run: citadel up {name}",
                ) from None
    return None


def _is_real(resource: dict[str, Any] | None) -> bool:
    """Say whether a resource stands for an object, not only for a group of others."""
    found = resource or {}
    return bool(found.get("custom")) and not found["type"].startswith("pulumi:")


def _folder() -> Path:
    folder = paths.state() / "pulumi"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _given_passphrase() -> bool:
    names = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
    return any(os.environ.get(name) for name in names)


def _passphrase_file() -> Path:
    path = paths.state() / _PASSPHRASE
    if not path.exists():
        text = secrets.token_urlsafe(32)
        own = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        write_atomic(own, text, mode=0o600)
        with suppress(FileExistsError):  # Another run was first: its passphrase counts.
            path.hardlink_to(own)
        own.unlink()
    return path


def _without_passwords(text: str) -> str:
    return _PASSWORD.sub(r"\1***@", text)
