"""Runs a script with the Python of a wheel set, in a throw-away container without network.

The controller's Python and libraries are its own; models are converted, and vLLM is asked, under
what the hosts run.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts.digests import venv_ref
from hxp_enterprise_llm.schemas.artifacts import STORE, VENVS
from hxp_enterprise_llm.utilities.process import stream
from hxp_enterprise_llm.utilities.report import Report

_TOOLS = "/citadel/module_utils"
_SCRIPT = "/citadel/script.py"
_WORK = "/citadel/work"
_BUILD = "import sys; from citadel_venv import build; build(*sys.argv[1:])"
_NEXT = "Look at the lines above; podman must work: podman info."


def run_script(
    set_name: str,
    script: Path,
    arguments: tuple[str, ...],
    work: Path,
    report: Report,
    environment: dict[str, str] | None = None,
) -> None:
    """Run a script with the Python of a wheel set; the set is built first when it is missing.

    Args:
        set_name: Which wheel set; its view must be in the store.
        script: A script of its own; it may import only what the set has.
        arguments: Its arguments; paths are relative to `work`.
        work: Its working folder, the only one that it can write.
        report: Takes what happens.
        environment: Variables beyond those that keep libraries offline.

    Raises:
        CommandError: podman, the build or the script failed.
    """
    venv = venv_ref(set_name)
    report(f"{set_name}: virtual environment")
    _podman((), ("/usr/bin/python3", "-c", _BUILD, STORE, venv.view, venv.path), {}, report)
    report(f"{script.stem.replace('_', ' ')} in {set_name}")
    mounts = ("--volume", f"{script}:{_SCRIPT}:ro", "--volume", f"{work}:{_WORK}")
    # What it writes belongs to the caller, though podman runs with root's rights.
    user = ("--user", f"{os.getuid()}:{os.getgid()}")
    command = (f"{venv.path}/bin/python", _SCRIPT, *arguments)
    _podman((*mounts, *user, "--workdir", _WORK), command, environment or {}, report)


def _podman(
    options: tuple[str, ...], command: tuple[str, ...], extra: dict[str, str], report: Report
) -> None:
    root = paths.checkout()
    sys.path.insert(0, str(root / "stacks"))
    try:
        from providers.local.build import ensure_image
        from providers.local.podman import as_root, limits, runtime
    finally:
        sys.path.remove(str(root / "stacks"))
    variables = {"HOME": "/tmp", "HF_HUB_OFFLINE": "1", "PYTHONPATH": _TOOLS} | extra  # noqa: S108
    flags = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    venvs = paths.cache() / "venvs"
    venvs.mkdir(exist_ok=True)
    stream(
        [
            *(*as_root(), "podman", "run", "--rm", "--network", "none", "--shm-size", "512m"),
            *(*runtime(), *limits(), *flags, *options),
            *("--volume", f"{paths.cache() / 'store'}:{STORE}:ro", "--volume", f"{venvs}:{VENVS}"),
            *("--volume", f"{root / 'playbooks/plugins/module_utils'}:{_TOOLS}:ro"),
            *(ensure_image("full", report), *command),
        ],
        lambda _: None,
        next_step=_NEXT,
    )
