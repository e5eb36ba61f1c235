"""What the package says of itself, and which versions of what it stands on."""

from __future__ import annotations

import importlib
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
LOCKED = {
    package["name"]: package.get("version", "")
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
}
DESCRIPTION = "HXP-Enterprise LLM Server Modular Architecture Library"


def declared(*groups: str) -> dict[str, Requirement]:
    """Return what is declared, in all extras and groups or in those named."""
    lists = {
        "core": PROJECT["dependencies"],
        **PROJECT["optional-dependencies"],
        **PYPROJECT["dependency-groups"],
    }
    found = [
        Requirement(line) for name in groups or lists for line in lists[name] if ":" not in line
    ]
    return {canonicalize_name(item.name): item for item in found}


@pytest.mark.feature("PK-01", "KT-05")
def test_name_version_and_architecture() -> None:
    assert PROJECT["name"] == "hxp-enterprise-llm"
    assert PROJECT["version"] == "3.0.0"
    assert "service-aligned" in PROJECT["keywords"]
    assert metadata("hxp-enterprise-llm")["Version"] == "3.0.0"


@pytest.mark.feature("PK-02", "KT-05")
def test_description_and_author() -> None:
    assert PROJECT["description"].startswith(DESCRIPTION)
    # "Manus AI" wrote the documents; the author of the library is the project.
    assert PROJECT["authors"] == [{"name": "The Citadel project"}]


@pytest.mark.feature("PK-03", "KT-05")
def test_python_from_3_11_on() -> None:
    assert PROJECT["requires-python"] == ">=3.11"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == "3.11"
    assert PYPROJECT["tool"]["ruff"]["target-version"] == "py311"


@pytest.mark.feature("PK-04", "KT-05")
@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("pydantic", ">=2.0.0"),
        ("fastapi", ">=0.100.0"),
        ("uvicorn", ">=0.20.0"),
        ("pyyaml", ">=6.0"),
        ("pytest", ">=7.0.0"),
        ("pytest-asyncio", ">=0.21.0"),
    ],
)
def test_a_dependency_is_declared_and_locked_at_or_above_its_floor(name: str, floor: str) -> None:
    assert name in declared()
    assert LOCKED[name] in SpecifierSet(floor)
    assert LOCKED[name] in declared()[name].specifier


@pytest.mark.feature("PK-04")
def test_nothing_of_the_standard_library_is_declared() -> None:
    for name in ("asyncio", "typing", "dataclasses", "pathlib", "json"):
        assert name in sys.stdlib_module_names
        assert name not in declared()
    assert set(declared("core")) == {"pydantic", "pyyaml"}
    assert not {"pytest", "pytest-asyncio"} & set(
        declared("core", *PROJECT["optional-dependencies"])
    )


@pytest.mark.feature("PK-05")
@pytest.mark.parametrize(
    ("name", "floor", "groups"),
    [
        ("pydantic", ">=2.0.0", ("core",)),
        ("pyyaml", ">=6.0", ("core",)),
        ("cryptography", ">=41.0.0", ("service",)),
        ("bcrypt", ">=4.0.0", ("configuration",)),
        # Does watchdog's work (A43), with fewer wake-ups.
        ("watchfiles", ">=1.0.0", ("service",)),
        # New hashes of passwords; bcrypt's are read only.
        ("argon2-cffi", ">=23.1.0", ("configuration",)),
    ],
)
def test_the_configuration_module_stands_on_these(
    name: str, floor: str, groups: tuple[str, ...]
) -> None:
    assert name in declared(*groups)
    assert LOCKED[name] in SpecifierSet(floor)


@pytest.mark.feature("PK-05")
def test_what_the_documents_name_and_we_do_not_take_has_something_in_its_place() -> None:
    assert not {"watchdog", "pyjwt", "black", "flake8", "isort"} & set(declared())
    # PyJWT was for sessions: ours are opaque tokens with a record, which can be revoked.
    sessions = importlib.import_module("hxp_enterprise_llm.configuration.security.sessions")
    assert "lifetime" in sessions.SessionPolicy.model_fields
    assert not list(ROOT.glob("setup.py")) + list(ROOT.glob("**/requirements.txt.in"))
    assert not (ROOT / "MANIFEST.in").exists()
    assert not (ROOT / "requirements.txt").exists()
