"""What a container needs to become a host: systemd up, keys in place, sshd answering."""

from __future__ import annotations

import socket
import time

from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.utilities.process import CommandError
from providers.local.podman import podman
from providers.local.recipe import IDENTITY, USER

_BOOT_SECONDS = 120.0
_POLL_SECONDS = 0.2
_AUTHORIZE = f"""
set -eu
install -d -m 0700 -o {USER} -g {USER} /home/{USER}/.ssh
umask 077
cat > /home/{USER}/.ssh/authorized_keys.new
chown {USER}: /home/{USER}/.ssh/authorized_keys.new
mv /home/{USER}/.ssh/authorized_keys.new /home/{USER}/.ssh/authorized_keys
"""


def wait_for_systemd(container: str, *, fresh: bool) -> None:
    """Return when systemd has booted.

    Args:
        container: Name of the container.
        fresh: Nothing is installed yet, so everything has to be well; else services may still
            be starting or have failed: those are for the converge to mend.

    Raises:
        CitadelError: It did not boot, or a unit of a fresh host failed; the text has the units.
    """
    good = {"running"} if fresh else {"running", "degraded", "starting"}
    deadline = time.monotonic() + _BOOT_SECONDS
    while True:
        state = _state(container)
        if state in good:
            return
        if state == "degraded":
            raise CitadelError(
                f"{container} booted with failed units:\n"
                + podman("exec", container, "systemctl", "list-units", "--failed", "--plain"),
                next_step=f"Look inside: podman exec -it {container} journalctl -b",
            )
        if time.monotonic() > deadline:
            raise CitadelError(
                f"systemd of {container} is still {state!r} after {_BOOT_SECONDS:.0f} s",
                next_step=f"Look at its jobs: podman exec {container} systemctl list-jobs",
            )
        time.sleep(_POLL_SECONDS)


def _state(container: str) -> str:
    try:
        return podman("exec", container, "systemctl", "is-system-running").strip()
    except CommandError as error:
        return error.output.strip()


def authorize(container: str, public_key: str) -> None:
    """Let exactly one key log in."""
    podman("exec", "--interactive", container, "sh", "-c", _AUTHORIZE, stdin=public_key + "\n")


def host_key(container: str) -> str:
    """Return the public host key, `type base64`; empty when the host has none."""
    try:
        text = podman("exec", container, "cat", f"{IDENTITY}/ssh_host_ed25519_key.pub")
    except CommandError:
        return ""
    return " ".join(text.split()[:2])


def wait_for_ssh(container: str, address: str, port: int) -> None:
    """Return when sshd greets us.

    Raises:
        UnreachableError: It did not in time.
    """
    deadline = time.monotonic() + _BOOT_SECONDS
    while not _greets(address, port):
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"sshd of {container} does not answer on {address}:{port}",
                next_step=f"Look inside: podman exec -it {container} systemctl status ssh",
            )
        time.sleep(_POLL_SECONDS)


def _greets(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
