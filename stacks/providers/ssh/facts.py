"""What a host says of itself, asked over SSH with its pinned key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.schemas.outputs import SshEndpoint
from providers.ssh.session import execute

_SECONDS = 60.0
_PYTHON = (3, 9)
# A machine sold with 8 GiB shows less: the kernel keeps some for itself.
_SHARE_SEEN = 0.9
_SCRIPT = """
. /etc/os-release
echo "family=$ID ${ID_LIKE:-}"
echo "memory=$(awk '/^MemTotal:/ {print $2 * 1024}' /proc/meminfo)"
for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  [ -r "$file" ] && echo "limit=$(cat "$file")"
done
echo "cpus=$(nproc)"
echo "python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
[ -d /run/systemd/system ] && echo systemd=yes
systemd-detect-virt --quiet --container 2>/dev/null && echo container=yes
sudo -n true 2>/dev/null && echo sudo=yes
exit 0
"""


@dataclass(frozen=True)
class Facts:
    """What matters of a host."""

    family: tuple[str, ...]
    memory: int
    cpus: float
    python: tuple[int, ...]
    systemd: bool
    sudo: bool
    container: bool


def ask(name: str, endpoint: SshEndpoint) -> Facts:
    """Return what a host says of itself.

    Args:
        name: Name of the host, for errors.
        endpoint: How to reach it; `identity_file` is absolute.

    Raises:
        UnreachableError: It does not answer, shows another key, or does not let us in.
    """
    said = execute(name, endpoint, ("sh", "-s"), _SCRIPT, _SECONDS)
    pairs = (line.partition("=") for line in said.splitlines())
    return parse({key: value for key, _, value in pairs})


def parse(said: Mapping[str, str]) -> Facts:
    """Return facts from the script's `key=value` lines."""
    memory = int(float(said["memory"]))
    limit = said.get("limit", "max")
    return Facts(
        family=tuple(said["family"].split()),
        memory=memory if limit == "max" else min(memory, int(limit)),
        cpus=float(said["cpus"]),
        python=tuple(int(part) for part in said["python"].split(".") if part),
        systemd=said.get("systemd") == "yes",
        sudo=said.get("sudo") == "yes",
        container=said.get("container") == "yes",
    )


def refuse_unfit(name: str, facts: Facts, memory: int) -> None:
    """Refuse a host that roles could not work on; names everything that it lacks.

    Args:
        name: Name of the host.
        facts: What it says of itself.
        memory: Bytes that the environment declares.

    Raises:
        RefusedError: It lacks something.
    """
    lacks = []
    if "debian" not in facts.family:
        lacks.append(f"it runs {facts.family[0]}, roles need Debian or a relative")
    if facts.python < _PYTHON:
        found = ".".join(map(str, facts.python)) or "none"
        lacks.append(f"its Python is {found}, 3.9 or newer is needed: apt-get install python3")
    if not facts.systemd:
        lacks.append("systemd is not its PID 1")
    if not facts.sudo:
        lacks.append("its account may not become root: allow sudo without a password")
    if facts.memory < memory * _SHARE_SEEN:
        lacks.append(
            f"it has {facts.memory / 2**30:.1f} GiB of memory, "
            f"hosts.{name}.memory says {memory / 2**30:.1f} GiB"
        )
    if lacks:
        raise RefusedError(
            f"host {name} does not fit:\n" + "\n".join(f"  - {text}" for text in lacks),
            next_step="Mend the host, or what the environment says of it.",
        )
