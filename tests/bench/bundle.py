"""Bundles against `ansible.builtin.template`: the same files, host and connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from figures import CHECKOUT, Figure, at_most, ratio_at_least, save, seconds

FILES = 40
RUNS = 3
# What two runs of the same play differ by.
SMALLEST = 0.05
SITE = "playbooks/site.yml"
LINE = "value = {{ number }} # a line of a configuration file, as long as such lines are\n"
_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))


def measure(environment: str, host: str) -> list[Figure]:
    """Return the figures of converging with nothing changed.

    Args:
        environment: Path of an environment file whose hosts are up and converged.
        host: One of its hosts, where the 40 files are put.
    """
    whole = partial(_play, CHECKOUT, environment, SITE)
    whole()
    site = seconds(whole, runs=RUNS)
    with tempfile.TemporaryDirectory() as folder:
        forty, each = _forty(environment, host, _like_a_checkout(Path(folder)))
    figures = [
        Figure("site.yml, nothing changed, all hosts", "s", site, "", None, at_most(15)),
        forty,
        *_roles(environment, each),
    ]
    save("bundle", figures)
    return figures


def _forty(environment: str, host: str, root: Path) -> tuple[Figure, float]:
    """Compare 40 files by a bundle with 40 template tasks; return also the seconds of a task.

    Both put the same files on the host first; what is timed has nothing to change.
    """
    _write_role(root / "roles" / "forty")
    _write_play(root / "empty.yml", host, [])
    state = {"citadel_state": {}, "register": "citadel_host_state"}
    _write_play(root / "bundle.yml", host, [state, {"citadel_bundle": {"role": "forty"}}])
    template = str(root / "roles" / "forty" / "templates" / "file.conf.j2")
    _write_play(root / "tasks.yml", host, [_task(template, number) for number in range(FILES)])
    absent = {"citadel_bundle": {"service": "forty", "state": "absent"}}
    _write_play(root / "clean.yml", host, [absent])
    names = ("empty.yml", "bundle.yml", "tasks.yml")
    empty, bundle, tasks = (partial(_play, root, environment, name) for name in names)
    try:
        bundle()
        tasks()
        start = seconds(empty, runs=RUNS)
        ours = seconds(bundle, runs=RUNS) - start
        theirs = seconds(tasks, runs=RUNS) - start
    finally:
        _play(root, environment, "clean.yml")
    name = f"{FILES} unchanged files by a bundle, with its state read, less Ansible's start"
    peer = f"{FILES} × ansible.builtin.template"
    figure = Figure(name, "s", ours, peer, theirs, ratio_at_least(10), SMALLEST)
    return figure, theirs / FILES


def _roles(environment: str, each: float) -> list[Figure]:
    """Return each role on one host, unchanged, against a template task for each of its files.

    The state read serves all roles of a host and is measured above, so it is taken off here.
    """
    figures = []
    for role, (host, files) in _files_of_roles(environment).items():
        play = partial(_play, CHECKOUT, environment, SITE, "--limit", host, "--tags")
        base = seconds(partial(play, "only-the-state"), runs=RUNS)
        ours = seconds(partial(play, role), runs=RUNS) - base
        peer = f"{files} × ansible.builtin.template"
        name = f"role {role}, unchanged, beyond the state read"
        figures.append(Figure(name, "s", ours, peer, each * files, floor=SMALLEST))
    return figures


def _files_of_roles(environment: str) -> dict[str, tuple[str, int]]:
    """Return role → the host that has most files of it, and how many."""
    from hxp_enterprise_llm.orchestration.bundle.session import render_for
    from hxp_enterprise_llm.orchestration.inventory import read_inventory

    found: dict[str, tuple[str, int]] = {}
    for host in read_inventory(environment):
        variables = host.variables | {"inventory_hostname": host.name}
        for role in ("base", *host.variables["citadel_roles"]):
            files = len(render_for(variables, role).files)
            if files > found.get(role, ("", 0))[1]:
                found[role] = (host.name, files)
    return found


def _like_a_checkout(root: Path) -> Path:
    """Fill a folder with links to all of the checkout, so that it can have a role of its own."""
    for path in CHECKOUT.iterdir():
        if path.name != "roles":
            (root / path.name).symlink_to(path)
    return root


def _write_role(role: Path) -> None:
    (role / "templates").mkdir(parents=True)
    files = [
        {"src": "file.conf.j2", "dest": f"/etc/citadel-bench-{number}.conf"}
        for number in range(FILES)
    ]
    spec: dict[str, Any] = {"service": "forty", "files": files}
    (role / "templates" / "bundle.yml.j2").write_text(yaml.safe_dump(spec))
    (role / "templates" / "file.conf.j2").write_text(LINE * 20)


def _task(template: str, number: int) -> dict[str, Any]:
    return {
        "ansible.builtin.template": {
            "src": template,
            "dest": f"/etc/citadel-bench-{number}.conf",
            "mode": "0644",
        }
    }


def _write_play(path: Path, host: str, tasks: list[dict[str, Any]]) -> None:
    variables = {"citadel_forty": {"number": 7}, "number": 7}
    path.write_text(yaml.safe_dump([{"hosts": host, "vars": variables, "tasks": tasks}]))


def _play(root: Path, environment: str, playbook: str, *options: str) -> None:
    subprocess.run(
        [_PLAYBOOK, playbook, "-i", str(Path(environment).resolve()), *options],
        cwd=root,
        env=os.environ | {"PWD": str(root)},
        check=True,
        capture_output=True,
        text=True,
    )


if __name__ == "__main__":
    print(json.dumps([figure.row() for figure in measure(*sys.argv[1:3])], indent=1))  # noqa: T201
