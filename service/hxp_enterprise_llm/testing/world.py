"""A checkout of its own with one environment: real commands, doubles of programs and daemons."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts.fetch import open_store
from hxp_enterprise_llm.orchestration.artifacts.needs import needs_of
from hxp_enterprise_llm.orchestration.artifacts.sets import lock_of, wheels_of
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.testing import factories
from hxp_enterprise_llm.testing.daemons import Daemons, running_daemons
from hxp_enterprise_llm.testing.programs import (
    PROCESS_BORDER,
    Engine,
    Playbook,
    Programs,
    Reply,
    Shells,
    unit,
)

if TYPE_CHECKING:
    import pytest

CHECKOUT = Path(__file__).parents[3]
LISTENERS = ("gateway", "prometheus", "alertmanager")


@dataclass
class World:
    """What commands of a test meet: environment `demo` of four hosts."""

    file: Path
    environment: Environment
    engine: Engine
    playbook: Playbook
    shells: Shells
    daemons: Daemons
    programs: Programs
    capsys: pytest.CaptureFixture[str]

    def citadel(self, *words: str, code: int = 0) -> str:
        """Run a command, demand its exit code and return its standard output."""
        ended, shown = run(list(words)), self.capsys.readouterr()
        if ended != code:
            raise AssertionError(f"exit {ended}, not {code}\n{shown.out}\n{shown.err}")
        return shown.out

    def document(self, *words: str, code: int = 0) -> Any:
        """Run a command with `--output json` and return its one document."""
        return json.loads(self.citadel(*words, "--output", "json", code=code))

    def called(self, program: str) -> list[list[str]]:
        """Return the command lines of a program."""
        return [words for words in self.programs.calls if Path(words[0]).name == program]


@contextmanager
def running_world(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    """Make environment `demo`, not brought up yet, in a checkout that commands run in.

    Args:
        folder: An empty folder.
        monkeypatch: Sets the current folder, variables and the process border.
        capsys: Reads what commands print.
    """
    checkout = folder / "checkout"
    file = _checkout(checkout)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("PATH", f"{_programs(folder / 'bin')}:/usr/bin:/bin")
    monkeypatch.delenv("CITADEL_PHASES_BEFORE", raising=False)
    environment = load(str(file)).environment
    _stock(environment)
    with running_daemons() as daemons:
        made = factories.fleet(environment, "demo")
        for host in made.hosts.values():
            host.published.update(dict.fromkeys(LISTENERS, daemons.port))
        daemons.watch(Context("demo", environment, made))
        units = {
            name: [unit("base"), *(unit(role) for role in host.roles)]
            for name, host in made.hosts.items()
        }
        engine, playbook = Engine(made), Playbook(list(made.hosts))
        shells = Shells(made, units)
        programs = Programs(
            pulumi=engine,
            ansible_playbook=playbook,
            ssh=shells,
            pulumi_resource_citadel_local=lambda *_: Reply(),
        )
        monkeypatch.setattr(PROCESS_BORDER, programs)
        yield World(file, environment, engine, playbook, shells, daemons, programs, capsys)


def _checkout(folder: Path) -> Path:
    """Make a checkout of links with a state and environments of its own."""
    folder.mkdir()
    for path in CHECKOUT.iterdir():
        if path.name not in (".citadel", ".git", ".venv", "stacks", "build"):
            (folder / path.name).symlink_to(path)
    (folder / "stacks" / "environments").mkdir(parents=True)
    (folder / "stacks" / "providers").symlink_to(CHECKOUT / "stacks" / "providers")
    file = folder / "stacks" / "environments" / "demo.yaml"
    shutil.copyfile(CHECKOUT / "tests" / "environments" / "test.yaml", file)
    return file


def _programs(folder: Path) -> Path:
    """Make an engine that is found on PATH; what it answers is the double's matter."""
    folder.mkdir()
    for name in ("pulumi", "pulumi-language-python"):
        (folder / name).touch(mode=0o755)
    return folder


def _stock(environment: Environment) -> None:
    """Put the wheels that the environment needs into the store, as empty sets."""
    store, needs = open_store(), needs_of(environment)
    for ref in needs.venvs:
        store.publish(ref.view, {"requirements.txt": store.keep(b"")})
    (uv,) = wheels_of(lock_of("uv", paths.checkout()))
    (store.root / "bin" / f"uv-{uv.sha256[:16]}").touch()
