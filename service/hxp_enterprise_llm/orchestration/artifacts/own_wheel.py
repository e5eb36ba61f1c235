"""Our own package for hosts: its wheel, built reproducibly, and the lock of what it needs."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.digests import PACKAGE, SERVICE_PARTS, service_files
from hxp_enterprise_llm.orchestration.artifacts.sets import fitness
from hxp_enterprise_llm.orchestration.artifacts.store import Store
from hxp_enterprise_llm.utilities.process import own, run

LOCKS = {name: f"locks/pylock.{name}.toml" for name in SERVICE_PARTS}
"""Wheel set of a service of ours → its lock; `pyproject.toml` has an extra of the same name."""
_EPOCH = "315532800"
"""1980-01-01: the earliest time that a zip file can name."""
_HEADER = """\
# Made by `make generate` from uv.lock: what service %s needs on hosts.
lock-version = "1.0"
created-by = "citadel"
requires-python = ">=3.11"
"""


def lock(root: Path, name: str) -> str:
    """Return the lock of a service of ours as uv.lock has it now; needs no network.

    Raises:
        CommandError: uv is missing, or uv.lock does not fit pyproject.toml.
    """
    command = [
        own("uv"),
        "export",
        "--locked",
        "--offline",
        "--quiet",
        "--extra",
        name,
        "--no-dev",
    ]
    command += ["--no-emit-project", "--format", "pylock.toml"]
    text = run(command, cwd=root, next_step="run: uv lock").stdout
    packages: list[dict[str, Any]] = tomllib.loads(text)["packages"]
    return _HEADER % name + "".join(_entry(package) for package in packages)


def _entry(package: dict[str, Any]) -> str:
    wheels = [
        f'    {{ url = "{wheel["url"]}", hashes = {{ sha256 = "{_sha256(wheel)}" }} }},\n'
        for wheel in package.get("wheels", ())
        if fitness(wheel["url"].rpartition("/")[2]) is not None
    ]
    marker = f'marker = "{package["marker"]}"\n' if "marker" in package else ""
    return (
        f'\n[[packages]]\nname = "{package["name"]}"\nversion = "{package["version"]}"\n'
        f"{marker}wheels = [\n{''.join(wheels)}]\n"
    )


def _sha256(wheel: dict[str, Any]) -> str:
    sha256: str = wheel["hashes"]["sha256"]
    return sha256


def _sources(root: Path, folder: str, service: str) -> Path:
    """Return a copy of what the wheel is built from: the parts that the service imports."""
    copy = Path(folder) / "sources"
    (copy / PACKAGE).mkdir(parents=True)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy2(root / file, copy / file)
    for part in service_files(service, root):
        target = copy / PACKAGE / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / PACKAGE / part, target)
    return copy


def build(root: Path, store: Store, service: str) -> tuple[str, str, str]:
    """Build the wheel of what a service of this checkout imports into the store.

    Returns:
        Its file name, its SHA-256, and its line for requirements.txt.

    Raises:
        CitadelError: The build failed.
    """
    with tempfile.TemporaryDirectory(dir=store.root / "partial") as folder:
        run(
            [
                own("uv"),
                "build",
                "--quiet",
                "--wheel",
                "--out-dir",
                folder,
                str(_sources(root, folder, service)),
            ],
            env=dict(os.environ, SOURCE_DATE_EPOCH=_EPOCH),
            next_step="Correct the package, then run it again.",
        )
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise CitadelError(
                f"uv build made {len(wheels)} wheels", next_step="See pyproject.toml."
            )
        file = wheels[0].name
        sha256 = store.adopt(wheels[0])
    name, version, *_ = file.split("-")
    return file, sha256, f"{name.replace('_', '-')}=={version} --hash=sha256:{sha256}"
