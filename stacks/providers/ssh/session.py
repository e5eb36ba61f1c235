"""One command on a host, with its pinned key and no state folder."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.orchestration.remote import SSH_FAILED, Remote
from hxp_enterprise_llm.schemas.outputs import FleetOutputs, HostOutput, SshEndpoint
from hxp_enterprise_llm.utilities.process import run

_NEXT = "Check address, user, identity_file and bastion of the environment, and the host itself."


def execute(
    name: str, endpoint: SshEndpoint, words: Sequence[str], stdin: str, seconds: float
) -> str:
    """Run a command on a host and return its standard output.

    Args:
        name: Name of the host, for errors.
        endpoint: How to reach it; `identity_file` is absolute.
        words: The command.
        stdin: What it reads.
        seconds: How long it may take.

    Raises:
        UnreachableError: The host does not answer, shows another key, or does not let us in.
        CitadelError: The command failed, or took too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = Remote(_fleet(name, endpoint), Path(folder)).command(name, *words)
        try:
            done = run(command, stdin=stdin, check=False, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise CitadelError(
                f"host {name}: {words[0]} did not end in {seconds:.0f} s",
                next_step="Look at the load of the host, then run the same command again.",
            ) from None
    if done.returncode == SSH_FAILED:
        raise UnreachableError(_unreachable(name, endpoint, done.stderr), next_step=_NEXT)
    if done.returncode != 0:
        raise CitadelError(f"host {name}: {words[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _unreachable(name: str, endpoint: SshEndpoint, text: str) -> str:
    where = f"{endpoint.user}@{endpoint.host}:{endpoint.port}"
    if "host key" in text.lower():
        return f"host {name} ({where}) shows another key than hosts.{name}.host_key"
    return f"host {name} ({where}) does not answer: {text.strip()}"


def _fleet(name: str, endpoint: SshEndpoint) -> FleetOutputs:
    host = HostOutput(
        name=name,
        roles=(),
        address=endpoint.host,
        ssh=endpoint,
        memory_bytes=0,
        cpus=0,
        store="copied",
    )
    return FleetOutputs(environment=name, provider="ssh", hosts={name: host})
