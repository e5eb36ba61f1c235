"""SSH from the controller: pinned host keys, the environment's key, never a password."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.schemas.outputs import FleetOutputs, HostOutput
from hxp_enterprise_llm.utilities import process
from hxp_enterprise_llm.utilities.files import write_atomic

SSH_FAILED = 255
SSH_PORT = 22
_TIMEOUT = 120


class Remote:
    """Runs commands on the hosts of one environment.

    Args:
        fleet: The hosts.
        state: The state folder of the environment, where keys and known hosts lie.
    """

    def __init__(self, fleet: FleetOutputs, state: Path) -> None:
        self._fleet, self._state = fleet, state

    def host(self, name: str) -> HostOutput:
        """Return a host by its name.

        Raises:
            CitadelError: The environment has no such host.
        """
        if name not in self._fleet.hosts:
            raise CitadelError(
                f"environment {self._fleet.environment} has no host {name}",
                next_step=f"Its hosts: {', '.join(self._fleet.hosts)}",
            )
        return self._fleet.hosts[name]

    def command(self, name: str, *words: str, terminal: bool = False) -> list[str]:
        """Return the ssh command line that runs words on a host (a shell when there are none).

        Each word reaches the command there as it is: the remote shell sees them quoted.
        """
        ssh = self.host(name).ssh
        known = self._state / "known_hosts"
        write_atomic(known, known_hosts(self._fleet), mode=0o600)
        options = {
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": "10",
            "ServerAliveInterval": "10",
            "LogLevel": "ERROR",
        }
        flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        jump = ["-J", ssh.bastion] if ssh.bastion else []
        return [
            "ssh", *flags, *jump, *(["-t"] if terminal else []),
            "-i", str(self._state / ssh.identity_file), "-p", str(ssh.port),
            "-l", ssh.user, "--", ssh.host, *([shlex.join(words)] if words else []),
        ]  # fmt: skip

    def run(self, name: str, words: Sequence[str], *, stdin: str | None = None) -> str:
        """Run a command on a host as root and return its standard output.

        Raises:
            UnreachableError: The host does not answer, or not with its pinned key.
            CitadelError: The command failed.
        """
        try:
            done = process.run(
                self.command(name, "sudo", *words), stdin=stdin, check=False, timeout=_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            raise UnreachableError(
                f"host {name} gave no answer in {_TIMEOUT} s",
                next_step=f"Look at its load, then: citadel up {self._fleet.environment}",
            ) from None
        if done.returncode == SSH_FAILED:
            raise UnreachableError(
                f"host {name} does not answer over SSH: {done.stderr.strip()}",
                next_step=f"citadel up {self._fleet.environment} repairs hosts that it made.",
            )
        if done.returncode != 0:
            raise CitadelError(f"{name}: {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout


def known_hosts(fleet: FleetOutputs) -> str:
    """Return the known_hosts lines of a fleet: one pinned key a host."""
    return "".join(
        f"[{host.ssh.host}]:{host.ssh.port} {host.ssh.host_key}\n"
        if host.ssh.port != SSH_PORT
        else f"{host.ssh.host} {host.ssh.host_key}\n"
        for host in fleet.hosts.values()
    )
