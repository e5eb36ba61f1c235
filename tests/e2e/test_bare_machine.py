"""`tools/bootstrap` on a Debian without our packages, as an operator who is not root."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import CHECKOUT

from hxp_enterprise_llm.testing.hosts import quiet, wait_until
from providers.local.build import ensure_image
from providers.local.podman import as_root, limits, podman, runtime

NAME = f"citadel-bare-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}"
USER = "ada"
HOME = f"/home/{USER}"
CLONE = f"{HOME}/citadel"
UV = Path(sys.executable).with_name("uv")
# The wheels that uv has already are lent (below an overlay), so that no package index is asked.
PREPARE = f"""
useradd --create-home --shell /bin/bash {USER}
cp -r /machine/checkout {CLONE}
chown -R {USER}:{USER} {HOME}
find /machine/uv -path '*/archive-v*/*' -type f -prune -o -exec chown -h {USER} '{{}}' +
"""
WITHOUT_PASSWORD = f"echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}"
WITH_PASSWORD = f"echo '{USER} ALL=(ALL) ALL' > /etc/sudoers.d/{USER}"
UNFINISHED = "dpkg-query -W -f '${db:Status-Abbrev}\\n' | grep -qv '^ii '"
# Keeps the lock until apt-get has met it, which the log of the bootstrap tells.
HOLD = """
import fcntl, glob, time
with open("/var/lib/apt/lists/lock", "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    while not any("Could not get lock" in open(log).read() for log in glob.glob("/tmp/tmp.*")):
        time.sleep(0.1)
"""


class Machine:
    """A container of the host image without its daemons."""

    def root(self, script: str) -> str:
        """Run a script as root; it must end well."""
        return podman("exec", NAME, "bash", "-ceu", script)

    def command(self, script: str) -> list[str]:
        """Return the command that runs a script as the operator, in the clone."""
        variables = {"HOME": HOME, "UV_CACHE_DIR": "/machine/uv", "UV_OFFLINE": "1"}
        flags = [word for key, value in variables.items() for word in ("--env", f"{key}={value}")]
        return [
            *(*as_root(), "podman", "exec", "--user", USER, "--workdir", CLONE, *flags),
            *(NAME, "bash", "-ceu", script),
        ]

    def operator(self, script: str, code: int = 0) -> str:
        """Run a script as the operator and return all that it showed."""
        done = subprocess.run(
            self.command(script), capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=600,
        )  # fmt: skip
        shown = done.stdout + done.stderr
        assert done.returncode == code, shown
        return shown


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(folder / "checkout")], check=True)
    wheels = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True)
    mounts = (
        f"{folder / 'checkout'}:/machine/checkout:ro",
        f"{wheels.stdout.strip()}:/machine/uv:O",
        f"{UV}:/usr/local/bin/uv:ro",
    )
    volumes = [word for mount in mounts for word in ("--volume", mount)]
    podman("rm", "--force", "--time", "0", "--ignore", NAME)
    podman(
        *("run", "--detach", "--name", NAME, "--network", "host", *runtime(), *limits(), *volumes),
        *(ensure_image("bare", quiet), "sleep", "infinity"),
    )
    machine = Machine()
    try:
        machine.root(PREPARE)
        yield machine
    finally:
        podman("rm", "--force", "--time", "0", "--ignore", NAME)


def test_without_sudo_it_says_what_root_is_needed_for_and_what_to_do(machine: Machine) -> None:
    machine.root("mv /usr/bin/sudo /usr/bin/sudo.away")
    try:
        shown = machine.operator("tools/bootstrap", code=1)
    finally:
        machine.root("mv /usr/bin/sudo.away /usr/bin/sudo")
    assert re.search(r"root is needed to install: .*\bpodman\b.* and there is no sudo", shown)
    assert "apt-get install sudo" in shown


def test_where_sudo_refuses_it_says_so_and_changes_nothing(machine: Machine) -> None:
    machine.root(WITH_PASSWORD)
    shown = machine.operator("tools/bootstrap", code=1)
    assert re.search(r" 1/8 packages +sudo is asked to install: .*\bpodman\b", shown)
    assert f"sudo refused {USER}" in shown
    assert "visudo" in shown
    machine.root("! test -e /usr/bin/podman")


def test_killed_while_packages_are_configured_it_ends_well_when_run_again(machine: Machine) -> None:
    machine.root(WITHOUT_PASSWORD)
    machine.root(f"! ( {UNFINISHED} )")
    killed = subprocess.Popen(
        machine.command("tools/bootstrap"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip

    def unfinished() -> bool:
        assert killed.poll() is None, killed.communicate()[0]
        return machine.root(f"if {UNFINISHED}; then echo yes; fi") != ""

    wait_until(unfinished, "a package is unpacked, not configured", seconds=300)
    # All but the container's first process: apt and dpkg too, as when the power goes.
    machine.root("kill -KILL -1 || true")
    killed.communicate()
    machine.root(UNFINISHED)
    shown = machine.operator("tools/bootstrap")
    assert re.search(r" 1/8 packages +installing \d+ Debian packages with sudo", shown)
    assert re.search(r" 2/8 python +\d+ packages of uv.lock", shown)
    assert machine.root("dpkg --audit") == ""


def test_again_everything_is_there(machine: Machine) -> None:
    shown = machine.operator("tools/bootstrap")
    assert re.search(r" 1/8 packages +=", shown)
    assert re.search(r" 2/8 python +=", shown)


def test_the_operator_can_use_citadel(machine: Machine) -> None:
    assert "config" in machine.operator(".venv/bin/citadel --help")
    machine.operator(".venv/bin/citadel config validate local")


def test_a_lock_that_somebody_holds_on_package_lists_is_waited_for(machine: Machine) -> None:
    machine.root("dpkg --remove debootstrap")
    holder = subprocess.Popen(
        [*as_root(), "podman", "exec", NAME, "python3", "-c", HOLD],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    machine.operator("tools/bootstrap")
    holder.communicate()
    assert holder.returncode == 0
    machine.root("dpkg-query -W debootstrap")
