"""Where the documents disagree: what was decided, and that it is so."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hxp_enterprise_llm
from hxp_enterprise_llm import configuration
from hxp_enterprise_llm.configuration.diff import changes
from hxp_enterprise_llm.configuration.merge import merge, value_at
from hxp_enterprise_llm.configuration.migration import (
    CURRENT,
    ConfigurationMigrator,
    version_of,
)
from hxp_enterprise_llm.configuration.report import Sight
from hxp_enterprise_llm.configuration.schema_validator import SchemaValidator
from hxp_enterprise_llm.core import (
    BaseAIModelService,
    BaseInfrastructureService,
    BaseIntegrationService,
    BaseService,
    VllmService,
)
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.core.registry import AnyService, ServiceRegistry
from hxp_enterprise_llm.core.vllm_service import VllmConfig
from hxp_enterprise_llm.orchestration.resolvers.vllm import resolve
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.roles.vllm import VllmRole
from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.testing.factories import context, environment
from hxp_enterprise_llm.testing.matchers import finding
from hxp_enterprise_llm.testing.pages import examples, run_example

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "service/hxp_enterprise_llm"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SAMPLES = ROOT / "docs/samples"
NODE: dict[str, Any] = {"roles": ["gateway"], "memory": "49GiB", "cpus": 24, "accelerators": 3}


class Limits(CitadelModel):
    """A configuration of one key."""

    most: int = 1


class Door(BaseInfrastructureService[Limits]):
    """An infrastructure service in front of the AI model service."""

    def __init__(self, engine: VllmService, *, name: str) -> None:
        super().__init__(Limits(), name=name)
        self._engine = engine

    async def on_start(self, resources: AsyncExitStack) -> None:
        """Need nothing but the engine."""

    @property
    def models(self) -> tuple[str, ...]:
        """Return what the engine serves."""
        return self._engine.models


def door(name: str, _: Any, needs: Mapping[str, AnyService]) -> Door:
    """Return a door of the engine that it was declared to need."""
    engine = needs["engine"]
    assert isinstance(engine, VllmService)
    return Door(engine, name=name)


def named(module: str, name: str) -> Any:
    """Return something of the package by where it stands."""
    return getattr(importlib.import_module(f"hxp_enterprise_llm.{module}"), name)


def everything_in(package: Any) -> list[Any]:
    """Return the classes that a package defines, its own entry points left out."""
    found = []
    for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if one.name.endswith("__main__"):
            continue
        module = importlib.import_module(one.name)
        found += [
            kind
            for kind in vars(module).values()
            if inspect.isclass(kind) and kind.__module__ == module.__name__
        ]
    return found


@pytest.mark.feature("A4", "CU-01")
def test_what_runs_long_extends_the_base_and_helpers_do_not() -> None:
    services = {
        kind.__name__ for kind in everything_in(configuration) if issubclass(kind, BaseService)
    }
    # The service is the manager's process: the manager itself is a library that any process uses.
    assert services == {"ConfigurationService", "ConfigurationSecurity"}
    for module, name in (
        ("configuration.service.server", "ConfigurationService"),
        ("configuration.security.service", "ConfigurationSecurity"),
    ):
        assert issubclass(named(module, name), BaseInfrastructureService)
    for module, name in (
        ("configuration.manager", "ConfigurationManager"),
        ("configuration.secrets.manager", "SecretManager"),
        ("configuration.migration", "ConfigurationMigrator"),
        ("configuration.schema_validator", "SchemaValidator"),
    ):
        assert not issubclass(named(module, name), BaseService)


@pytest.mark.feature("CU-01", "A4")
def test_configuration_utils_gathers_the_common_operations_and_runs_nothing() -> None:
    utils = named("configuration.utils", "ConfigurationUtils")
    assert not issubclass(utils, BaseService)
    old, over = {"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}
    assert utils.merge(old, over) == {"a": {"b": 3, "c": 2}}
    assert utils.value_at(old, ("a", "c")) == 2
    (change,) = utils.changes(Limits(most=1), Limits(most=2))
    assert (change.path, change.old, change.new) == (("most",), 1, 2)
    loaded = utils.load("local")
    assert loaded.environment.schema_version == CURRENT
    assert utils.validate("local").valid
    (found,) = utils.explain(loaded, "infrastructure_services.api_gateway.workers")
    assert found.value == 2
    # Each is the one function that stands elsewhere.
    assert utils.merge is merge
    assert utils.value_at is value_at
    assert utils.changes is changes


@pytest.mark.feature("CU-01")
def test_configuration_utils_has_the_helpers_of_version_migration() -> None:
    utils = named("configuration.utils", "ConfigurationUtils")
    assert utils.version_of is version_of
    old = {"integration_services": {"database": {"host": "10.0.0.5"}}}
    newest = utils.migrate(old)
    assert utils.version_of(newest.data) == ConfigurationMigrator().current == CURRENT
    assert utils.migrate(newest.data, 0).data == old


@pytest.mark.feature("CU-01")
async def test_configuration_utils_has_the_reports(tmp_path: Path) -> None:
    utils = named("configuration.utils", "ConfigurationUtils")
    sight = Sight(utils.load("local"), tmp_path)
    found = await utils.report(sight, datetime(2026, 1, 1, tzinfo=UTC))
    names = {section.id for section in found.sections}
    asked = {"analysis", "capacity", "risks", "compliance", "recommendations", "trends"}
    assert asked <= names


@pytest.mark.feature("CU-01", "A21")
def test_module_files_are_a_page_the_utils_and_one_list_of_requirements(tmp_path: Path) -> None:
    folder = PACKAGE / "configuration"
    assert (folder / "utils.py").is_file()
    page = (folder / "README.md").read_text()
    (example,) = examples(page)
    assert example.prints is not None
    run_example(example, tmp_path)
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) > 4
    assert all((folder / link).is_file() for link in links)
    parts = re.findall(r"`([a-z_]+(?:\.py|/))`", page)
    assert "utils.py" in parts
    assert all((folder / part).exists() for part in parts)
    # configuration/requirements.txt of the documents is an extra.
    assert "configuration" in PYPROJECT["project"]["optional-dependencies"]
    assert not (folder / "requirements.txt").exists()


@pytest.mark.feature("A6")
def test_the_distribution_is_hyphenated_and_the_import_is_not() -> None:
    assert PYPROJECT["project"]["name"] == "hxp-enterprise-llm"
    assert distribution("hxp-enterprise-llm").metadata["Name"] == "hxp-enterprise-llm"
    assert Path(hxp_enterprise_llm.__path__[0]) == PACKAGE
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["service/hxp_enterprise_llm"]
    # Nothing has the third name, and no folder of code has one that cannot be imported.
    assert "hxp-enterprise-llm-modular" not in (ROOT / "pyproject.toml").read_text()
    folders = {path.parent for path in PACKAGE.rglob("*.py") if "skeletons" not in path.parts}
    assert all(folder.name.isidentifier() for folder in folders)


def requirements() -> list[Requirement]:
    """Return all that is declared, in every extra and group."""
    project = PYPROJECT["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
    ]
    return [Requirement(line) for lines in lists for line in lines]


@pytest.mark.feature("A20")
def test_only_real_third_party_packages_are_declared() -> None:
    locked = {
        package["name"]: package["source"]
        for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    }
    for one in requirements():
        name = canonicalize_name(one.name)
        assert name.replace("-", "_") not in sys.stdlib_module_names
        # "python3-jwt" is a Debian name.
        assert not name.startswith("python3-")
        assert "registry" in locked[name] or name == "hxp-enterprise-llm"
    names = {canonicalize_name(one.name) for one in requirements()}
    assert not {"asyncio", "typing", "dataclasses", "pathlib", "json", "python3-jwt"} & names
    # pytest is for who develops it, not for who installs it.
    development = {Requirement(line).name for line in PYPROJECT["dependency-groups"]["dev"]}
    installed = {
        Requirement(line).name
        for lines in (
            PYPROJECT["project"]["dependencies"],
            *PYPROJECT["project"]["optional-dependencies"].values(),
        )
        for line in lines
    }
    assert "pytest" in development
    assert "pytest" not in installed


@pytest.mark.feature("A21")
def test_dependencies_stand_in_pyproject_and_uv_lock_only() -> None:
    hidden = {".venv", "build", ".git", ".citadel"}
    found = [
        path
        for name in ("setup.py", "setup.cfg", "requirements*.txt", "MANIFEST.in", "Pipfile*")
        for path in (*ROOT.glob(name), *PACKAGE.rglob(name))
        if not hidden & set(path.relative_to(ROOT).parts)
    ]
    assert found == []
    assert (ROOT / "pyproject.toml").is_file()
    assert (ROOT / "uv.lock").is_file()


@pytest.mark.feature("A21")
def test_make_requirements_exports_the_lock_for_those_who_need_it() -> None:
    recipe = re.search(
        r"^requirements:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert recipe is not None
    assert {"export", "--locked", "--no-dev", "--all-extras"} <= set(recipe[1].split())
    assert "--output-file build/requirements.txt" in recipe[1]


@pytest.mark.feature("A21")
def test_the_export_pins_what_the_lock_has_by_hash_and_nothing_of_developers() -> None:
    # As the recipe does, from the lock as it lies there: no network.
    words = [
        "export",
        "--frozen",
        "--offline",
        "--quiet",
        "--no-emit-project",
        "--no-dev",
        "--all-extras",
    ]
    done = subprocess.run(
        [ROOT / ".venv/bin/uv", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", done.stdout, re.MULTILINE))
    assert pinned["pydantic"] == pydantic.VERSION
    assert done.stdout.count("--hash=sha256:") >= len(pinned) > 50
    assert not {"pytest", "mypy", "ruff", "hxp-enterprise-llm"} & set(pinned)


@pytest.mark.feature("A22")
def test_the_ai_model_service_is_vllm_with_its_base_its_role_and_its_manager() -> None:
    assert issubclass(VllmService, BaseAIModelService)
    assert [
        kind.__name__
        for kind in BaseAIModelService.__subclasses__()
        if kind.__module__.startswith("hxp_enterprise_llm.")
    ] == ["VllmService"]
    assert {BaseAIModelService, BaseInfrastructureService, BaseIntegrationService} <= set(
        BaseService.__subclasses__()
    )


@pytest.mark.feature("A22")
def test_the_role_of_the_ai_model_service_runs_an_engine_for_each_model() -> None:
    models = {
        name: {"source": f"pypi:{name}==1", "sha256": "ab" * 32, "served_name": f"{name}-chat"}
        for name in ("small", "other")
    }
    data = resolve(context(models=models), "llm-1")
    assert isinstance(data, VllmRole)
    served = {one.name: one.arguments["served-model-name"] for one in data.instances}
    assert served == {"small": "small-chat", "other": "other-chat"}
    assert len({one.port for one in data.instances}) == 2
    play = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())
    assert [one["hosts"] for one in play if one.get("tags") == ["vllm"]] == ["role_vllm"]
    assert (ROOT / "roles/vllm/templates/bundle.yml.j2").is_file()


@pytest.mark.feature("A22", "CO-15")
async def test_the_manager_of_the_ai_model_service_starts_and_stops_it_with_what_needs_it() -> None:
    async with EngineDouble("small") as engine:
        registry = ServiceRegistry()
        registry.register("vllm", lambda name, config, _: VllmService(config, name=name))
        registry.register("door", door)
        registry.declare(
            "engine", "vllm", VllmConfig(url=f"http://{engine.address}", models=("small",))
        )
        registry.declare("door", "door", None, needs=("engine",))
        async with registry:
            services = registry.make()
            assert {name: one.state for name, one in services.items()} == {
                "engine": State.READY,
                "door": State.READY,
            }
            served = services["door"]
            assert isinstance(served, Door)
            assert served.models == ("small",)
            assert set(await registry.health()) == {"engine", "door"}
        assert {one.state for one in services.values()} == {State.STOPPED}


@pytest.mark.feature("A23")
def test_our_base_model_is_citadel_model_and_base_model_is_its_seed_name() -> None:
    common = importlib.import_module("hxp_enterprise_llm.schemas.common")
    assert common.CitadelModel is CitadelModel
    assert {"CitadelModel", "BaseModel"} <= set(common.__all__)
    assert issubclass(common.BaseModel, CitadelModel)
    assert common.BaseModel is not pydantic.BaseModel
    assert {"id", "timestamp", "status"} <= set(common.BaseModel.model_fields)


@pytest.mark.feature("A24")
def test_service_config_schema_is_one_class_under_both_of_its_places() -> None:
    ours = named("schemas.services", "ServiceConfigSchema")
    assert named("configuration.schemas", "ServiceConfigSchema") is ours
    defined = [
        path
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name == "ServiceConfigSchema"
    ]
    assert defined == [PACKAGE / "schemas/services.py"]


@pytest.mark.feature("A34")
def test_limits_are_per_replica_and_the_sum_is_held_against_hosts() -> None:
    sample = yaml.safe_load((SAMPLES / "mixtral-deployment.yaml").read_text())
    service = yaml.safe_load((SAMPLES / "mixtral-service.yaml").read_text())
    (deployed,), limits = sample["services"], sample["resource_limits"]
    assert deployed["replicas"] == 3
    assert (service["resources"]["memory_mb"], service["resources"]["cpu_cores"]) == (8192, 4.0)
    assert (limits["memory_mb"], limits["cpu_cores"]) == (16384, 8.0)
    # Three of 8192 MB and 4 cores are more than 16384 MB and 8 cores; accepted all the same.
    assert SchemaValidator().file(SAMPLES / "mixtral-deployment.yaml").ok
    fits = environment(hosts={"node-1": NODE})
    assert SchemaValidator(environment=fits).file(SAMPLES / "mixtral-deployment.yaml").ok
    for lack in ({"memory": "48GiB"}, {"cpus": 23}, {"accelerators": 2}):
        small = environment(hosts={"node-1": NODE | lack})
        report = SchemaValidator(environment=small).file(SAMPLES / "mixtral-deployment.yaml")
        assert "3 replicas take 48 GiB, 24 cores, 3 GPUs" in finding(report.errors, "C410").message


@pytest.mark.feature("A35")
def test_the_small_mixtral_is_accepted_as_a_sample_with_the_id_of_its_warning() -> None:
    file = SAMPLES / "mixtral-service.yaml"
    resources = yaml.safe_load(file.read_text())["resources"]
    assert (resources["memory_mb"], resources["gpu_memory_gb"]) == (8192, 24)
    report = SchemaValidator().file(file)
    assert report.ok
    warning = finding(report.warnings, "C403", path="resources.gpu_memory_gb")
    assert "needs about 97.7 GiB of the GPU, which has 24 GiB" in warning.message
    assert "(C403)" in file.read_text()
    assert "mixtral-service" in (ROOT / "docs/reference/rules.md").read_text()
