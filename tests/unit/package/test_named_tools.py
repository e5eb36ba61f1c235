"""What the tools that the documents name do is done, by the ones that we took instead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from cryptography.fernet import Fernet
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hxp_enterprise_llm.configuration.secrets.envelope import KEY_BYTES, seal, unseal
from hxp_enterprise_llm.configuration.secrets.fernet import read_fernet
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.passwords import PasswordPolicy, Passwords

ROOT = Path(__file__).parents[3]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PASSWORD = Secret("correct horse battery")


def ruff(*words: str, text: str) -> subprocess.CompletedProcess[str]:
    """Run the project's ruff, with the project's rules, on a text."""
    return subprocess.run(
        [Path(sys.executable).with_name("ruff"), *words, "--stdin-filename", "service/x.py", "-"],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def declared() -> set[str]:
    """Return the names of everything that is declared, for users and developers."""
    project = PYPROJECT["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
    ]
    return {canonicalize_name(Requirement(line).name) for lines in lists for line in lines}


@pytest.mark.feature("A43")
def test_black_formatting_is_done_by_ruff() -> None:
    done = ruff("format", text="x = {  'a':1 }\n")
    assert done.stdout == 'x = {"a": 1}\n'
    assert ruff("format", "--check", text="x = {  'a':1 }\n").returncode == 1
    assert ruff("format", "--check", text=done.stdout).returncode == 0


@pytest.mark.feature("A43")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        # pyflakes and pycodestyle, which flake8 is made of, and its complexity.
        ('"""A."""\n\nimport os\n', "F401"),
        ('"""A."""\n\nx = undefined\n', "F821"),
        (f'"""A."""\n\nx = "{"y" * 100}"\n', "E501"),
        ('"""A."""\n\nx = 1 \n', "W291"),
        # isort
        ('"""A."""\n\nimport sys\nimport os\n\nprint(os, sys)\n', "I001"),
    ],
)
def test_flake8_and_isort_checks_are_done_by_ruff(text: str, code: str) -> None:
    done = ruff("check", "--no-cache", "--output-format", "json", text=text)
    assert done.returncode == 1
    assert code in {item["code"] for item in json.loads(done.stdout)}


@pytest.mark.feature("A43")
def test_isort_sorting_is_done_by_ruff() -> None:
    text = '"""A."""\n\nimport sys\nimport os\n\nA = os, sys\n'
    done = ruff("check", "--no-cache", "--fix", "--select", "I", text=text)
    assert done.stdout == '"""A."""\n\nimport os\nimport sys\n\nA = os, sys\n'


@pytest.mark.feature("A43")
def test_these_checks_are_gates_of_make_check() -> None:
    recipe = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MAKEFLAGS": ""},
    ).stdout
    assert "ruff check" in recipe
    assert "ruff format --check" in recipe


@pytest.mark.feature("A43")
def test_setup_py_is_pyproject_with_a_backend() -> None:
    # What the built wheel holds is tested where it is built.
    assert PYPROJECT["build-system"]["build-backend"] == "hatchling.build"
    (command,) = entry_points(group="console_scripts", name="citadel")
    assert callable(command.load())
    assert not (ROOT / "setup.py").exists()


class OneKey:
    """A key-encryption key."""

    def current(self) -> tuple[str, bytes]:
        return "k1", b"k" * KEY_BYTES

    def find(self, key_id: str) -> bytes:
        assert key_id == "k1"
        return b"k" * KEY_BYTES


@pytest.mark.feature("A43")
def test_what_fernet_kept_is_kept_by_aes_256_gcm() -> None:
    sealed = seal(OneKey(), "db/password", b"value", environment="demo")
    assert unseal(OneKey(), "db/password", sealed, environment="demo") == b"value"
    assert KEY_BYTES * 8 == 256
    # Tokens of Fernet are read, for migration.
    key = Fernet.generate_key()
    token = Fernet(key).encrypt(b"old value").decode()
    assert read_fernet(token, [key.decode()]).reveal() == "old value"


@pytest.mark.feature("A43")
async def test_what_bcrypt_did_is_done_by_argon2_and_its_hashes_are_upgraded() -> None:
    passwords = Passwords(PasswordPolicy(memory_kib=64, passes=1, lanes=1))
    made = await passwords.hash(PASSWORD)
    assert made.startswith("$argon2id$")
    assert (await passwords.verify(made, PASSWORD)).fits
    old = bcrypt.hashpw(PASSWORD.reveal().encode(), bcrypt.gensalt(4)).decode()
    verdict = await passwords.verify(old, PASSWORD)
    assert verdict.fits
    assert verdict.upgraded is not None
    assert verdict.upgraded.startswith("$argon2id$")


@pytest.mark.feature("A43")
def test_only_what_is_used_is_declared() -> None:
    # That watchfiles notices files and joserfc makes tokens is tested where they are used.
    assert {"ruff", "watchfiles", "joserfc", "cryptography", "argon2-cffi"} <= declared()
    # bcrypt reads hashes of older systems and makes none.
    assert "bcrypt" in declared()
    assert not {"black", "flake8", "isort", "watchdog", "pyjwt"} & declared()
