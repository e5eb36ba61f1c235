"""A second checkout on the same machine, with a recipe of its own for its image."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest

from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.testing.hosts import TestHosts, podman, wait_until

_MAIN = "from hxp_enterprise_llm.cli.main import main; main()"


@dataclass(frozen=True)
class Clone:
    """A copy of the tree, driven by its own code."""

    folder: Path
    file: Path

    def command(self, verb: str, *more: str) -> list[str]:
        return [sys.executable, "-c", _MAIN, "hosts", verb, str(self.file), *more]

    def variables(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.folder / "service")}

    def citadel(self, verb: str, *more: str) -> str:
        done = subprocess.run(
            self.command(verb, *more),
            cwd=self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def change_recipe(self) -> None:
        """Make an image necessary that no other run had."""
        path = self.folder / "stacks" / "providers" / "local" / "recipe.py"
        text = path.read_text()
        assert "UseDNS no\n" in text
        path.write_text(text.replace("UseDNS no\n", f"UseDNS no\n# {token_hex(8)}\n"))


@pytest.fixture
def clone(pair: TestHosts, tmp_path: Path) -> Iterator[Clone]:
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("service", "stacks", "tools", "locks"):
        shutil.copytree(checkout() / name, folder / name)
    shutil.copy(checkout() / "Pulumi.yaml", folder)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    made = Clone(folder, pair.file)
    made.change_recipe()
    before = images()
    yield made
    made.citadel("down", "--yes")
    for image in images() - before:
        podman("image", "rm", image)


def images() -> set[str]:
    listed = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return {name for name in listed if "citadel-host:bare" in name}


def test_two_clones_have_the_same_environment_at_once(clone: Clone, pair: TestHosts) -> None:
    clone.citadel("up")
    theirs = json.loads(clone.citadel("list", "--output", "json"))["hosts"]
    ours = {name: host.model_dump(mode="json") for name, host in pair.fleet.hosts.items()}
    assert theirs.keys() == ours.keys()
    for name, host in ours.items():
        assert host["address"] != theirs[name]["address"]
        assert host["ssh"]["port"] != theirs[name]["ssh"]["port"]
        assert host["ssh"]["host_key"] != theirs[name]["ssh"]["host_key"]
    assert pair.drift() == 0
    clone.citadel("down", "--yes")
    assert pair.drift() == 0
    assert pair.run("one", "id", "-u").strip() == "0"


def test_an_image_whose_recipe_changed_is_replaced_and_removed(clone: Clone) -> None:
    before = images()
    clone.citadel("up")
    first = images() - before
    clone.change_recipe()
    clone.citadel("up")
    second = images() - before
    assert len(first) == len(second) == 1
    assert first != second


def test_up_killed_while_its_image_is_built_ends_well_when_run_again(clone: Clone) -> None:
    child = subprocess.Popen(
        clone.command("up"),
        cwd=clone.folder,
        env=clone.variables(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: "citadel-build-bare" in podman("ps", "--format", "{{.Names}}"), "a build")
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    clone.citadel("up")
    assert "one two (pulumi: no changes)" in clone.citadel("up")
    assert "citadel-build" not in podman("ps", "--all", "--format", "{{.Names}}")
