"""What the package says of itself, and which versions of what it stands on."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hxp_enterprise_llm.configuration.security.errors import SessionError
from hxp_enterprise_llm.configuration.security.sessions import SessionPolicy, Sessions
from hxp_enterprise_llm.testing.clock import Calendar

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
    assert PROJECT["description"].startswith(f"{DESCRIPTION}: ")
    assert PROJECT["authors"] == [{"name": "Manus AI"}]
    assert PROJECT["maintainers"] == [{"name": "The Citadel project"}]


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


CONFIGURATION = ROOT / "service/hxp_enterprise_llm/configuration"
# What the documents ask for → what does it: package, floor, extra, and where it is at work.
STANDS_ON = {
    "pydantic >=2.0.0": ("pydantic", ">=2.0.0", "core", "candidate.py"),
    "yaml >=6.0": ("pyyaml", ">=6.0", "core", "sources/yaml_form.py"),
    "cryptography >=41.0.0": ("cryptography", ">=41.0.0", "service", "secrets/envelope.py"),
    "bcrypt >=4.0.0": ("bcrypt", ">=4.0.0", "configuration", "security/passwords.py"),
    # watchfiles does watchdog's work with fewer wake-ups (A43).
    "watchdog >=3.0.0": ("watchfiles", ">=1.0.0", "service", "watcher.py"),
    # joserfc does PyJWT's: approvals are JSON Web Tokens (A43).
    "jwt >=2.8.0": ("joserfc", ">=1.8.0", "configuration", "service/approvals.py"),
    # New hashes of passwords; bcrypt's of older systems are read.
    "A43: argon2": ("argon2-cffi", ">=23.1.0", "configuration", "security/passwords.py"),
}
IMPORTED_AS = {"pyyaml": "yaml", "argon2-cffi": "argon2"}


@pytest.mark.feature("PK-05")
@pytest.mark.parametrize("asked", STANDS_ON)
def test_the_configuration_module_stands_on_what_is_asked_or_what_does_its_work(asked: str) -> None:
    name, floor, extra, file = STANDS_ON[asked]
    assert name in declared(extra)
    assert LOCKED[name] in SpecifierSet(floor)
    package = IMPORTED_AS.get(name, name)
    assert re.search(
        rf"^ *(from|import) {package}\b", (CONFIGURATION / file).read_text(), re.MULTILINE
    )


@pytest.mark.feature("PK-05")
async def test_sessions_do_what_jwt_was_asked_for_and_can_be_revoked() -> None:
    # A token says who asks, cannot be changed and ends by itself.
    clock = Calendar()
    sessions = Sessions(SessionPolicy(lifetime=60, idle=60), clock=clock)
    token, other = [(await sessions.open("ada")).token.reveal() for _ in range(2)]
    assert (await sessions.check(token)).principal == "ada"
    with pytest.raises(SessionError):
        await sessions.check(token[:-1] + ("a" if token[-1] != "a" else "b"))
    await sessions.revoke(other)
    with pytest.raises(SessionError):
        await sessions.check(other)
    clock.forward(seconds=60)
    with pytest.raises(SessionError):
        await sessions.check(token)


@pytest.mark.feature("PK-05")
def test_what_the_documents_name_and_we_do_not_take_is_not_declared() -> None:
    assert not {"watchdog", "pyjwt", "black", "flake8", "isort"} & set(declared())
    assert not list(ROOT.glob("setup.py")) + list(CONFIGURATION.rglob("requirements*"))
    assert not (ROOT / "MANIFEST.in").exists()
    assert not (ROOT / "requirements.txt").exists()
