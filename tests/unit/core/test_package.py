"""The package: its parts, its public names, and what an import costs."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tomllib
import weakref
from importlib import import_module
from pathlib import Path

import pytest
from tests.unit.core.demo import DemoService

import hxp_enterprise_llm.core as core

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "service" / "hxp_enterprise_llm"


@pytest.mark.feature("CO-01")
def test_every_folder_of_the_package_is_a_package_and_imports() -> None:
    parts = {"core", "schemas", "configuration", "orchestration", "testing", "utilities", "gateway"}
    folders = {path.parent for path in PACKAGE.rglob("*.py") if "templates" not in path.parts}
    assert parts <= {folder.name for folder in folders}
    missing = [folder for folder in folders if not (folder / "__init__.py").is_file()]
    assert not missing
    for folder in folders:
        name = ".".join(folder.relative_to(PACKAGE.parent).parts)
        assert import_module(name).__name__ == name


@pytest.mark.feature("CO-02")
def test_the_package_is_described_for_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["version"]) == ("hxp-enterprise-llm", "3.0.0")
    assert project["requires-python"] == ">=3.11"
    assert project["description"].startswith(
        "HXP-Enterprise LLM Server Modular Architecture Library"
    )
    for name in (project["readme"], ".gitignore", "uv.lock"):
        assert (ROOT / name).is_file(), name
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.feature("CO-03", "CO-06", "CO-08", "CO-09")
def test_the_bases_are_importable_from_core() -> None:
    for name in core.__all__:
        assert getattr(core, name).__name__ == name
    assert {"BaseAIModelService", "BaseInfrastructureService", "BaseIntegrationService"} < set(
        core.__all__
    )
    for base in (core.BaseAIModelService, core.BaseInfrastructureService):
        assert issubclass(base, core.BaseService)
    assert issubclass(core.BaseIntegrationService, core.BaseService)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        core.Nothing  # noqa: B018


@pytest.mark.feature("CO-14")
@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        ("import hxp_enterprise_llm.core", "pydantic"),
        ("from hxp_enterprise_llm.core import BaseInfrastructureService", None),
        ("from hxp_enterprise_llm.core import BaseIntegrationService, ServiceRegistry", None),
        ("from hxp_enterprise_llm.core import VllmService", None),
        ("import hxp_enterprise_llm.utilities.logging", None),
        ("import hxp_enterprise_llm.utilities.faults", None),
        ("import hxp_enterprise_llm.utilities.http", None),
    ],
)
def test_an_import_loads_no_heavy_library(statement: str, banned: str | None) -> None:
    heavy = ["structlog", "prometheus_client", "stamina", "tenacity", "aiohttp", "cryptography"]
    names = [*heavy, banned] if banned else heavy
    code = f"import sys; {statement}; print(sorted(set({names}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.feature("CO-14")
async def test_a_service_that_was_stopped_is_forgotten() -> None:
    async def live() -> weakref.ref[DemoService]:
        service = DemoService()
        async with service:
            pass
        return weakref.ref(service)

    ghost = await live()
    await asyncio.sleep(0)
    gc.collect()
    assert ghost() is None
