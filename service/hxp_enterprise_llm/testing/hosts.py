"""Hosts for tests: an environment file in a temporary folder, and the commands of its stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.orchestration.paths import checkout, environment_state
from hxp_enterprise_llm.orchestration.remote import Remote
from hxp_enterprise_llm.orchestration.stack import Stack
from hxp_enterprise_llm.orchestration.toolchain import Toolchain
from hxp_enterprise_llm.schemas.outputs import FleetOutputs
from hxp_enterprise_llm.utilities.waiting import awaited

_CITADEL = str(Path(sys.executable).with_name("citadel"))
_SECONDS = 900.0
_LISTINGS = 5


def quiet(text: str) -> None:
    """Report to nobody."""


def wait_until(true: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Return as soon as something holds.

    Args:
        true: Says whether it holds.
        what: What is waited for, in words.
        seconds: How long at most.

    Raises:
        TimeoutError: It did not hold in time.
    """
    if not awaited(true, seconds=seconds):
        raise TimeoutError(f"{what}: not within {seconds:.0f} s")


def environment_file(name: str) -> Path:
    """Return where a test's environment is written: the same place in every run.

    An environment belongs to its file, so that a run can go on with what a killed one left.
    """
    folder = checkout() / "build" / "environments"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.yaml"


@dataclass(frozen=True)
class TestHosts:
    """The hosts of one environment file.

    Attributes:
        file: The environment file; its stem is the environment's name.
        toolchain: The engine to drive.
    """

    __test__ = False

    file: Path
    toolchain: Toolchain

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.file.stem

    @property
    def stack(self) -> Stack:
        """The stack of the file as it is now."""
        return Stack(load(str(self.file)), self.toolchain)

    @property
    def fleet(self) -> FleetOutputs:
        """What the stack made."""
        outputs = self.stack.outputs()
        if outputs is None:
            raise LookupError(f"{self.name} has no outputs")
        return outputs

    @cached_property
    def variables(self) -> dict[str, str]:
        """Variables with which `pulumi` works by itself."""
        return os.environ | self.stack.environment_variables()

    def up(self) -> str:
        """Bring the stack up and return its summary."""
        return self.stack.up(quiet).summary

    def down(self) -> None:
        """Remove everything."""
        self.stack.recover()
        self.stack.destroy(quiet)

    def run(self, host: str, *words: str, stdin: str | None = None) -> str:
        """Run words on a host as root, over SSH."""
        return Remote(self.fleet, environment_state(self.name)).run(host, words, stdin=stdin)

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` itself on the stack, as a user does after `citadel env`."""
        return subprocess.run(
            ["pulumi", *words, "--stack", self.name, "--non-interactive"],
            cwd=checkout(),
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def drift(self) -> int:
        """Return the exit code of `pulumi preview --refresh --expect-no-changes`: 7 for drift."""
        return self.pulumi("preview", "--refresh", "--expect-no-changes").returncode

    def start_up(self) -> subprocess.Popen[bytes]:
        """Start `citadel hosts up` in a process group of its own."""
        return subprocess.Popen(
            [_CITADEL, "hosts", "up", str(self.file)],
            cwd=checkout(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def podman(*words: str) -> str:
    """Run podman as root and return what it printed, stripped."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    return subprocess.run(
        [*prefix, "podman", *words], capture_output=True, text=True, timeout=_SECONDS, check=True
    ).stdout.strip()


def _listing(*command: str) -> str:
    """Return a listing as JSON; podman fails one when an object of another run ends meanwhile."""
    for _ in range(_LISTINGS - 1):
        with suppress(subprocess.CalledProcessError):
            return podman(*command, "--format", "json")
    return podman(*command, "--format", "json")


def objects(name: str) -> dict[str, list[str]]:
    """Return the names of containers, volumes and networks that an environment has."""
    mine = {"citadel.checkout": str(checkout()), "citadel.environment": name}
    found: dict[str, list[str]] = {}
    for kind, command, key in (
        ("container", ("ps", "--all"), "Names"),
        ("volume", ("volume", "ls"), "Name"),
        ("network", ("network", "ls"), "name"),
    ):
        listed = json.loads(_listing(*command) or "[]")
        found[kind] = [
            item[key][0] if isinstance(item[key], list) else item[key]
            for item in listed
            if mine.items() <= (item.get("Labels") or item.get("labels") or {}).items()
        ]
    return found
