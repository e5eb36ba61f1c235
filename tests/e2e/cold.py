"""A clone with empty caches, whose `make up` is killed at chosen moments."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hxp_enterprise_llm.orchestration.paths import cache
from hxp_enterprise_llm.testing.hosts import wait_until

# The smallest environment that has artifacts: no engine, so that its caches are small too.
ENVIRONMENT = """\
schema: 1
provider: {kind: local}
hosts:
  edge-1: {roles: [gateway], memory: 512MiB}
infrastructure_services:
  api_gateway: {workers: 1}
"""


def _asked(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@dataclass
class Cold:
    """The clone, its own caches, and what its `make up` sees.

    Attributes:
        checkout: The clone.
        home: Folder of the environment file, the caches and the programs that hide the machine's.
        more: Variables on top.
    """

    checkout: Path
    home: Path
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file.write_text(ENVIRONMENT)
        self.cache.mkdir(parents=True)
        # What keeps the environments of this machine apart is one for all.
        (self.cache / "slots").symlink_to(cache() / "slots")
        for name in ("uv", "pulumi"):
            program = self.home / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\necho {name} 0.0.1\n")
            program.chmod(0o755)

    @property
    def file(self) -> Path:
        """The environment file."""
        return self.home / "cold.yaml"

    @property
    def cache(self) -> Path:
        """Where `citadel` keeps what checkouts share."""
        return self.home / "cache" / "citadel"

    @property
    def log(self) -> Path:
        """What the `make up` that is to be killed shows."""
        return self.home / "killed.log"

    @property
    def venv(self) -> Path:
        """The Python environment of the clone."""
        return self.checkout / ".venv"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        return next(self.venv.glob("lib/python3*/site-packages"), self.venv / "none")

    def packages(self) -> list[Path]:
        """Return what lies among its packages, whole or not."""
        return list(self.site_packages.iterdir()) if self.site_packages.exists() else []

    def variables(self) -> Mapping[str, str]:
        """Return the variables of a run: empty caches, but what uv and Go have got and built."""
        kept = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        return kept | {
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self.cache.parent),
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(cache().parent / "uv"),
            "GOCACHE": os.environ.get("GOCACHE") or str(cache().parent / "go-build"),
            "ENVIRONMENT": str(self.file),
        } | self.more  # fmt: skip

    def make(self, *words: str) -> str:
        """Run `make` to its end and return what it showed; it must end well."""
        done = subprocess.run(
            ["make", *words], cwd=self.checkout, env=self.variables(), capture_output=True,
            text=True, check=False, stdin=subprocess.DEVNULL, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def citadel(self, *words: str) -> str:
        """Run the clone's `citadel` and return what it printed."""
        done = subprocess.run(
            [self.venv / "bin" / "citadel", *words], cwd=self.checkout, env=self.variables(),
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def kill_up(self, when: Callable[[], bool], what: str) -> str:
        """SIGKILL `make up` and all of its process group as soon as something holds.

        Args:
            when: Says whether it holds.
            what: What is waited for, in words.

        Returns:
            What it had shown.
        """
        with self.log.open("w") as output:
            process = subprocess.Popen(
                ["make", "up"], cwd=self.checkout, env=self.variables(), stdout=output,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

        def reached() -> bool:
            assert process.poll() is None, f"ended before {what}\n{self.log.read_text()}"
            return when()

        try:
            wait_until(reached, what, seconds=600)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return self.log.read_text()

    def lacking(self) -> list[str]:
        """Return files that installed packages list, and that are not there."""
        lacking = []
        for info in self.site_packages.glob("*.dist-info"):
            record = info / "RECORD"
            if not record.exists():
                lacking.append(str(record))
                continue
            with record.open(newline="") as lines:
                files = [row[0] for row in csv.reader(lines)]
            lacking += [name for name in files if not (self.site_packages / name).exists()]
        return lacking
