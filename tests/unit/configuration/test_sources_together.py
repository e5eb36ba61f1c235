"""Files of every form, variables and secrets in one configuration, by the stated precedence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.explain import Explanation
from hxp_enterprise_llm.configuration.manager import ConfigurationManager, ManagerSettings
from hxp_enterprise_llm.configuration.phases import Phase, ReloadError
from hxp_enterprise_llm.configuration.secrets import Secrets
from hxp_enterprise_llm.configuration.sources.standard import CONFIG_PATH, standard_sources
from hxp_enterprise_llm.configuration.watcher import WatchSettings
from hxp_enterprise_llm.schemas.infrastructure_services import Configuration
from hxp_enterprise_llm.testing.waiting import until
from hxp_enterprise_llm.utilities.files import write_atomic

PASSWORD = "canary-of-the-store"  # looked for in what is shown
VARIABLES = {"CITADEL_VERSION": "of a variable", "CITADEL_HOSTS__LLM_1__MEMORY": "8GiB"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of configuration: INI below JSON below YAML, and a folder of more."""
    folder = tmp_path / "config"
    (folder / "production.d").mkdir(parents=True)
    (folder / "base.ini").write_text(
        "level = 1\nversion = of ini\ndata = /of/ini\n"
        "[store]\nport = 1001\n[hosts.llm-1]\nmemory = 1GiB\ncpus = 1.0\nroles = [of-ini]\n"
    )
    (folder / "site.json").write_text(
        '{"extends": "base.ini", "level": 2, "version": "of json",'
        ' "hosts": {"llm-1": {"memory": "2GiB", "roles": ["of-json"]}}}'
    )
    (folder / "production.yaml").write_text(
        "extends: site.json\nlevel: 3\nhosts: {llm-1: {memory: 3GiB}}\n"
    )
    (folder / "production.d" / "50-more.toml").write_text("debug = true\n")
    (tmp_path / ".citadel" / "test").mkdir(parents=True)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "store.password").write_text(PASSWORD)
    (credentials / "store.password").chmod(0o400)
    return folder


def managed(folder: Path, variables: dict[str, str], *flags: str) -> ConfigurationManager[Sample]:
    """Return a manager over the standard sources of a folder."""
    secrets = Secrets(folder.parent / ".citadel" / "test")
    return ConfigurationManager(
        Sample,
        standard_sources(
            Sample,
            config_path=folder,
            credentials=folder.parent / "credentials",
            environ=variables,
            settings=flags,
        ),
        resolver=secrets.resolve,
        settings=ManagerSettings(watch=WatchSettings(poll=3600.0, signal=False)),
    )


def explained(manager: ConfigurationManager[Sample], path: str) -> Explanation:
    (found,) = manager.explain(path)
    return found


@pytest.mark.feature("CL-02", "CL-03")
async def test_files_of_all_forms_variables_and_secrets_are_one_configuration(
    folder: Path,
) -> None:
    assert Path(Configuration().config_path) == CONFIG_PATH == Path("/opt/citadel/config")
    manager = managed(folder, VARIABLES, "level=6")
    snapshot = await manager.load()
    config = snapshot.config
    said = {
        "store.port": (1001, f"{folder}/base.ini:5"),
        "hosts.llm-1.cpus": (1.0, f"{folder}/base.ini:8"),
        "hosts.llm-1.roles": (["of-json"], f"{folder}/site.json:1"),
        "debug": (True, f"{folder}/production.d/50-more.toml:1"),
        "store.password": (
            f"file:{folder.parent}/credentials/store.password",
            f"credential {folder.parent}/credentials/store.password",
        ),
        "version": ("of a variable", "variable CITADEL_VERSION"),
        "hosts.llm-1.memory": (8 * 2**30, "variable CITADEL_HOSTS__LLM_1__MEMORY"),
        "level": (6, "flag --set level"),
    }
    found = {path: explained(manager, path) for path in said}
    assert {path: (item.value, item.source) for path, item in found.items()} == said
    assert (config.level, config.store.port, config.hosts["llm-1"].memory) == (6, 1001, 8 * 2**30)
    # What each went over, the highest first: INI, JSON, YAML, then the variable.
    over = [item["source"].rpartition("/")[2] for item in found["hosts.llm-1.memory"].overrode]
    assert over == ["production.yaml:3", "site.json:1", "base.ini:7"]
    values = [item["value"] for item in found["hosts.llm-1.memory"].overrode]
    assert values == ["3GiB", "2GiB", "1GiB"]
    # The secret's value is at hand, and in nothing that is shown.
    assert snapshot.secret(config.store.password).reveal() == PASSWORD
    assert PASSWORD not in repr(snapshot) + str(snapshot.document) + str(manager.explain())


@pytest.mark.feature("CL-02")
@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("base.ini", "level 1\n", "base.ini:1"),
        ("site.json", '{"extends": "base.ini", "level": 2,,}', "site.json:1"),
        ("production.yaml", "extends: site.json\nlevel: [\n", "production.yaml:3"),
        ("production.d/50-more.toml", "debug = \n", "50-more.toml:1"),
    ],
)
async def test_a_fault_in_any_of_them_names_its_file_and_line(
    folder: Path, file: str, text: str, said: str
) -> None:
    manager = managed(folder, VARIABLES)
    before = await manager.load()
    (folder / file).write_text(text)
    with pytest.raises(ReloadError) as caught:
        await manager.reload(reason="a test", actor="ann")
    assert caught.value.phase is Phase.PARSE
    assert said in str(caught.value)
    assert manager.snapshot is before


@pytest.mark.feature("CL-02")
async def test_a_fault_of_a_variable_or_a_credential_names_it(folder: Path) -> None:
    with pytest.raises(ReloadError, match="variable CITADEL_STORE__PROT"):
        await managed(folder, {"CITADEL_STORE__PROT": "1"}).load()
    (folder.parent / "credentials" / "store.passwrd").write_text("x")
    with pytest.raises(ReloadError, match=r"credentials/store\.passwrd"):
        await managed(folder, {}).load()


@pytest.mark.feature("UT-04")
async def test_one_manager_does_all_that_configuration_utilities_do(folder: Path) -> None:
    manager = managed(folder, VARIABLES)
    heard: list[tuple[int, int]] = []
    manager.subscribe(lambda old, new: heard.append((old.config.level, new.config.level)))
    # Several sources, variables, merging and overriding.
    config = (await manager.load()).config
    assert (config.level, config.version, config.debug) == (3, "of a variable", True)
    # Validation: what is wrong is refused, and the old serves.
    write_atomic(folder / "production.d" / "60.yaml", "level: -1\n")
    with pytest.raises(ReloadError, match="level"):
        await manager.reload(reason="a test", actor="ann")
    assert manager.snapshot.config is config
    # A cache.
    for _ in range(10):
        assert await manager.get("hosts.llm-1.memory") == 8 * 2**30
    assert (manager.cache.hits, manager.cache.misses) == (9, 1)
    # Hot reload, which empties the cache.
    watcher = manager.watcher()
    task = asyncio.create_task(watcher.run())
    await watcher.ready()
    try:
        write_atomic(folder / "production.d" / "60.yaml", "level: 7\n")

        async def taken() -> bool:
            return heard == [(3, 7)]

        await until(taken, seconds=2.0)
        assert await manager.get("level") == 7
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
