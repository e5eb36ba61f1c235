"""Files, folders, credentials and the documented order of all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError
from hxp_enterprise_llm.configuration.pipeline import Loaded, assemble, compiled
from hxp_enterprise_llm.configuration.sources.base import Source
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.sources.folder import FolderSource
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.configuration.sources.secrets import SecretsSource, secret_paths
from hxp_enterprise_llm.configuration.sources.standard import (
    CONFIG_PATH,
    ENVIRONMENT,
    standard_sources,
)
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.infrastructure_services import Configuration

Write = Callable[[str, str], Path]


async def taken(*sources: Source) -> Loaded[Sample]:
    layers = [await source.read() for source in sources]
    return compiled(assemble(layers, Sample, Path("sample")), Sample)


@pytest.mark.feature("CL-03", "CS-06")
@pytest.mark.parametrize("ending", ["yaml", "json"])
async def test_an_environment_inherits_from_the_files_that_it_extends(
    write: Write, ending: str
) -> None:
    write(f"base.{ending}", '{"level": 1, "hosts": {"a": {"memory": 1}, "b": {"memory": 2}}}')
    write(f"site.{ending}", '{"extends": "base", "level": 2}')
    path = write(f"production.{ending}", '{"extends": "site", "hosts": {"a": null}}')
    source = FileSource(path)
    loaded = await taken(source)
    assert loaded.config.level == 2
    assert list(loaded.config.hosts) == ["b"]
    assert [item.name for item in source.watched] == [
        f"production.{ending}",
        f"site.{ending}",
        f"base.{ending}",
    ]


async def test_forms_may_extend_each_other(write: Write) -> None:
    write("base.toml", "level = 4\n")
    write("site.ini", "extends = base.toml\ndebug = true\n")
    loaded = await taken(FileSource(write("a.yaml", "extends: site.ini\nversion: x\n")))
    assert (loaded.config.level, loaded.config.debug, loaded.config.version) == (4, True, "x")


async def test_a_circle_of_files_is_refused(write: Write) -> None:
    write("b.json", '{"extends": "a.yaml"}')
    with pytest.raises(InvalidDocumentError, match="extend each other in a circle"):
        await taken(FileSource(write("a.yaml", "extends: b.json\n")))


async def test_files_of_a_folder_go_over_each_other_in_the_order_of_names(write: Write) -> None:
    write("conf.d/10-first.yaml", "level: 1\nversion: a\n")
    write("conf.d/20-second.json", '{"level": 2}')
    write("conf.d/30-third.ini", "debug = true")
    write("conf.d/.hidden.yaml", "level: 9\n")
    write("conf.d/notes.txt", "level: 9\n")
    write("conf.d/more/40.yaml", "level: 9\n")
    folder = write("conf.d/10-first.yaml", "level: 1\nversion: a\n").parent
    source = FolderSource(folder)
    loaded = await taken(source)
    config = loaded.config
    assert (config.level, config.version, config.debug) == (2, "a", True)
    origin = loaded.draft.origins[("level",)]
    assert origin.place.file.name == "20-second.json"
    assert [place.file.name for place, _ in origin.overrode] == ["10-first.yaml"]
    assert source.watched == (folder,)


async def test_a_folder_s_file_may_extend_one_elsewhere_which_is_watched(write: Write) -> None:
    base = write("base.yaml", "level: 5\n")
    source = FolderSource(write("conf.d/a.yaml", "extends: ../base.yaml\n").parent)
    assert (await taken(source)).config.level == 5
    assert source.watched[1].resolve() == base


async def test_a_missing_folder_says_nothing_unless_it_is_required(tmp_path: Path) -> None:
    assert (await taken(FolderSource(tmp_path / "none"))).config == Sample()
    with pytest.raises(InvalidDocumentError, match="there is no such folder"):
        await taken(FolderSource(tmp_path / "none", required=True))


async def test_what_is_no_folder_is_named(write: Write) -> None:
    with pytest.raises(InvalidDocumentError, match="Not a directory"):
        await taken(FolderSource(write("file", "x")))


@pytest.mark.feature("CL-07")
async def test_a_folder_of_too_many_files_is_refused(write: Write) -> None:
    for number in range(5):
        write(f"conf.d/{number}.yaml", "level: 1\n")
    folder = write("conf.d/5.yaml", "level: 1\n").parent
    with pytest.raises(InvalidDocumentError, match="holds more than 5 files"):
        await taken(FolderSource(folder, files=5))


async def test_a_file_that_may_be_missing_says_nothing(tmp_path: Path) -> None:
    source = FileSource(tmp_path / "none.yaml", required=False)
    assert (await taken(source)).config == Sample()
    assert source.watched == (tmp_path / "none.yaml",)


@pytest.mark.feature("CL-02", "CS-06")
async def test_credentials_become_references_and_are_never_read(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    (folder / "..2026").mkdir(parents=True)
    file = folder / "store.password"
    file.write_text("hunter2")
    file.chmod(0)
    loaded = await taken(SecretsSource(folder, Sample))
    assert loaded.config.store.password == f"file:{file}"
    assert "hunter2" not in repr(loaded)
    place = loaded.draft.origins[("store", "password")].place
    assert str(place) == f"credential {file}"


@pytest.mark.parametrize(
    ("name", "fix"),
    [("store.pasword", "Did you mean store.password?"), ("level", "Known here: store.password.")],
)
async def test_a_credential_for_no_secret_is_refused(tmp_path: Path, name: str, fix: str) -> None:
    (tmp_path / name).write_text("hunter2")
    with pytest.raises(InvalidDocumentError) as caught:
        await taken(SecretsSource(tmp_path, Sample))
    (problem,) = caught.value.diagnostics
    assert (problem.message, problem.fix) == ("this file names no key that holds a secret.", fix)


async def test_a_folder_of_credentials_may_be_missing_but_not_closed(
    tmp_path: Path,
) -> None:
    assert (await taken(SecretsSource(tmp_path / "none", Sample))).config == Sample()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidDocumentError, match="Not a directory"):
        await taken(SecretsSource(tmp_path / "file", Sample))


def test_every_secret_of_an_environment_can_be_a_credential() -> None:
    assert set(secret_paths(Environment)) == {
        ("infrastructure_services", "api_gateway", "key"),
        ("infrastructure_services", "monitoring", "alert_webhook_token"),
        ("infrastructure_services", "configuration", "key"),
        ("infrastructure_services", "configuration", "signing_key"),
        ("infrastructure_services", "configuration", "audit_key"),
        ("integration_services", "database", "password"),
        ("integration_services", "cache", "password"),
    }


async def test_a_program_s_own_layer_can_be_replaced() -> None:
    source = MemorySource("overrides", {"level": 2}, actor="ann", revision="7")
    loaded = await taken(source)
    place = loaded.draft.origins[("level",)].place
    assert (loaded.config.level, str(place)) == (2, "overrides")
    assert (place.actor, place.revision) == ("ann", "7")
    source.update({"level": 3}, actor="bob")
    assert (await taken(source)).config.level == 3


@pytest.mark.feature("CL-02", "CL-03")
async def test_the_standard_sources_stand_in_the_documented_order(tmp_path: Path) -> None:
    assert Path("/opt/citadel/config") == CONFIG_PATH
    assert Configuration().config_path == "/opt/citadel/config"
    assert ENVIRONMENT == "production"
    sources = standard_sources(
        Sample,
        database=MemorySource("database", {"level": 4, "version": "4"}),
        credentials=tmp_path / "credentials",
        environ={"CITADEL_LEVEL": "5"},
        settings=["level=6"],
    )
    assert [source.name for source in sources] == [
        "file /opt/citadel/config/production.yaml",
        "folder /opt/citadel/config/production.d",
        f"credentials {tmp_path}/credentials",
        "database",
        "variables CITADEL_…",
        "flags --set",
    ]
    assert all(isinstance(source, Source) for source in sources)


@pytest.mark.feature("CL-03", "UT-04")
async def test_each_source_goes_over_those_before_it(tmp_path: Path, write: Write) -> None:
    write("base.json", '{"level": 1}')
    write("production.toml", 'extends = "base.json"\nlevel = 2\n')
    write("production.d/10.yaml", "level: 3\n")
    sources = standard_sources(
        Sample,
        config_path=tmp_path,
        database=MemorySource("database", {"level": 4}),
        environ={"CITADEL_LEVEL": "5"},
        settings=["level=6"],
    )
    for expected in (6, 5, 4, 3, 2):
        assert (await taken(*sources)).config.level == expected
        sources.pop()
    write("production.toml", 'extends = "base.json"\n')
    assert (await taken(*sources)).config.level == 1
    origin = (await taken(*standard_sources(Sample, config_path=tmp_path, environ={}))).draft
    assert origin.origins[("level",)].place.file.name == "10.yaml"


@pytest.mark.feature("CL-03")
async def test_null_takes_away_what_a_lower_source_wrote(write: Write) -> None:
    low = FileSource(write("a.yaml", "hosts: {a: {memory: 1}}\nlevel: 3\n"))
    flags = MemorySource("flags", {"hosts": {"a": None}, "level": None})
    loaded = await taken(low, flags)
    assert loaded.config == Sample()
