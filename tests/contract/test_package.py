"""The package as others get it: built by its backend, installed into an empty environment, used.

Offline: what the build and the lock need lies in uv's cache since `make bootstrap`.
"""

from __future__ import annotations

import email
import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.utilities.process import own

pytestmark = pytest.mark.feature("CO-02")

ROOT = checkout()
DESCRIPTION = "HXP-Enterprise LLM Server Modular Architecture Library"
# Imports everything there is and prints what cannot be, by what it lacks.
IMPORTS = """
import json, pkgutil, sys
import hxp_enterprise_llm as top
from importlib import import_module
missing, found = {}, []
for one in pkgutil.walk_packages(top.__path__, top.__name__ + ".", onerror=lambda _: None):
    if one.name.endswith("__main__"):
        continue
    try:
        import_module(one.name)
    except ModuleNotFoundError as error:
        missing[one.name] = error.name
    else:
        found.append(one.name)
print(json.dumps({"home": top.__path__[0], "missing": missing, "found": found}))
"""


def run(*words: str | Path, cwd: Path, expect: int = 0, **variables: str) -> str:
    # Nothing of the environment that this test runs in.
    left_out = ("PYTHONPATH", "VIRTUAL_ENV")
    own_variables = {name: text for name, text in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=own_variables | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a source distribution and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(own("uv"), "build", "--offline", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    return folder


def wheel_of(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


def installed(built: Path, home: Path, *extras: str) -> Path:
    """Return the programs of a new environment with the locked dependencies and the wheel."""
    uv, words = own("uv"), [word for extra in extras for word in ("--extra", extra)]
    sync = (uv, "sync", "--offline", "--quiet", "--locked", "--no-default-groups")
    run(*sync, "--no-install-project", *words, cwd=ROOT, UV_PROJECT_ENVIRONMENT=str(home))
    install = (uv, "pip", "install", "--offline", "--quiet", "--no-deps")
    run(*install, "--python", home, wheel_of(built), cwd=built)
    return home / "bin"


@pytest.mark.feature("PK-02")
def test_it_is_ready_for_distribution(built: Path) -> None:
    assert {path.name for path in built.glob("hxp*")} == {
        "hxp_enterprise_llm-3.0.0-py3-none-any.whl",
        "hxp_enterprise_llm-3.0.0.tar.gz",
    }
    with zipfile.ZipFile(wheel_of(built)) as archive:
        names = set(archive.namelist())
        info = "hxp_enterprise_llm-3.0.0.dist-info"
        told = email.message_from_bytes(archive.read(f"{info}/METADATA"))
    assert (told["Name"], told["Version"]) == ("hxp-enterprise-llm", "3.0.0")
    assert told["Requires-Python"] == ">=3.11"
    assert told["Summary"].startswith(DESCRIPTION)
    assert (told["Author"], told["Maintainer"]) == ("Manus AI", "The Citadel project")
    # README.md is its page in an index.
    assert told["Description-Content-Type"] == "text/markdown"
    page = told.get_payload(decode=True)
    assert isinstance(page, bytes)
    assert page.decode() == (ROOT / "README.md").read_text()
    sources = {
        str(path.relative_to(ROOT / "service"))
        for path in (ROOT / "service/hxp_enterprise_llm").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    # All of the library, with its data and its types, and nothing else.
    assert {name for name in names if not name.startswith(info)} == sources
    assert "hxp_enterprise_llm/py.typed" in sources


def test_a_source_distribution_has_what_it_is_built_from(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    # pyproject.toml does the work of setup.py, and .gitignore that of MANIFEST.in.
    assert {"pyproject.toml", "README.md", ".gitignore", "uv.lock"} <= names
    assert not {"setup.py", "MANIFEST.in"} & names
    ignored = ("build/", ".venv/", ".citadel/", "dist/")
    assert not [name for name in names if name.startswith(ignored) or "__pycache__" in name]


def test_requirements_are_exported_for_those_who_need_a_file() -> None:
    run("make", "--no-print-directory", "requirements", cwd=ROOT)
    text = (ROOT / "build/requirements.txt").read_text()
    for line in ("pydantic==", "pyyaml==", "typer==", "fastapi=="):
        assert f"\n{line}" in f"\n{text}"
    assert text.count("--hash=sha256:") > text.count("==")
    assert "pytest==" not in text


def test_the_wheel_works_in_an_environment_with_nothing_but_its_dependencies(
    built: Path, tmp_path: Path
) -> None:
    programs = installed(built, tmp_path / "bare")
    said = json.loads(run(programs / "python", "-c", IMPORTS, cwd=tmp_path))
    assert said["home"].startswith(str(tmp_path))
    found = set(said["found"])
    for name in ("core", "schemas.environment", "configuration.loader", "utilities.logging"):
        assert f"hxp_enterprise_llm.{name}" in found
    # What the core and the schemas need is there; other parts have extras, and listening has one.
    without = {".".join(name.split(".")[1:]) for name in said["missing"]}
    parts = {name.partition(".")[0] for name in without if name != "utilities.listener"}
    assert parts == {"cli", "configuration", "gateway", "orchestration", "testing"}
    script = "from hxp_enterprise_llm.core import CitadelError; raise SystemExit(CitadelError('x'))"
    assert run(programs / "python", "-c", script, cwd=tmp_path, expect=1) == "x\n"
    told = run(programs / "citadel", "--version", cwd=tmp_path, expect=3)
    assert told == (
        "citadel needs typer, which is not installed\n"
        "  Install hxp-enterprise-llm[controller], or run in a checkout: make bootstrap\n"
    )


def test_with_its_extras_everything_imports_and_the_entry_point_works(
    built: Path, tmp_path: Path
) -> None:
    extras = ("controller", "gateway", "aws", "kubernetes")
    programs = installed(built, tmp_path / "whole", *extras)
    said = json.loads(run(programs / "python", "-c", IMPORTS, cwd=tmp_path))
    assert said["missing"] == {}
    assert len(said["found"]) > 300
    assert run(programs / "citadel", "--version", cwd=tmp_path) == "citadel 3.0.0\n"
    file = tmp_path / "lab.yaml"
    file.write_text("schema: 1\nprovider: {kind: nothing}\nhosts: {}\n")
    told = run(programs / "citadel", "config", "validate", file, cwd=tmp_path, expect=3)
    assert told.startswith((f"{file}:2  provider.kind\n", "lab.yaml:2  provider.kind\n"))
