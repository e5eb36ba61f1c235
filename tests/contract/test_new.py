"""`citadel new`: what it writes is lint-free, typed, generated from and passes its own tests."""

from __future__ import annotations

import ast
import json
import keyword
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hxp_enterprise_llm.cli import main, skeleton
from hxp_enterprise_llm.cli.skeleton import Skeleton
from hxp_enterprise_llm.core.exceptions import ExitCode, RefusedError

pytestmark = pytest.mark.feature("CO-13")

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    *("service", "roles", "playbooks", "stacks", "templates", "locks", ".config"),
    *("docs", "pyproject.toml", "Pulumi.yaml", "ansible.cfg"),
)
CITADEL = "from hxp_enterprise_llm.cli.main import main; main()"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the checkout's sources."""
    hidden = shutil.ignore_patterns("__pycache__", "node_modules")
    for part in PARTS:
        source, target = ROOT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=hidden, symlinks=True)
        else:
            shutil.copy2(source, target)
    (tmp_path / "tests/unit").mkdir(parents=True)
    shutil.copy2(ROOT / "tests/unit/conftest.py", tmp_path / "tests/unit/conftest.py")
    return tmp_path


def run(copy: Path, *words: str, expect: int = 0) -> str:
    environment = dict(os.environ, PYTHONPATH=str(copy / "service"), PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(
        [sys.executable, *words],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def files(copy: Path) -> dict[str, str]:
    return {
        str(path.relative_to(copy)): path.read_text(errors="replace")
        for path in copy.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def generated(path: str) -> bool:
    return path.startswith("roles/") and path.split("/")[2] in ("defaults", "meta")


def test_what_it_writes_is_clean_and_passes_its_own_tests(copy: Path) -> None:
    # Whether the checkout's generated files are fresh is another test's business.
    run(copy, "-m", "hxp_enterprise_llm.configuration.generate")
    before = files(copy)
    said = run(copy, "-c", CITADEL, "new", "service", "vector-index")
    said += run(copy, "-c", CITADEL, "new", "role", "object-store")
    after = files(copy)
    new = sorted(set(after) - set(before))
    edited = {path for path in before if after[path] != before[path]}
    assert not [path for path in new if f"wrote  {path}" not in said and not generated(path)]
    assert said.count("Next: .venv/bin/python -m pytest tests/unit/") == 2
    assert {"docs/concepts/vector-index.md", "roles/object_store/defaults/main.yml"} < set(new)
    assert edited == {
        "docs/reference/environment.md",
        "docs/reference/roles.md",
        "playbooks/site.yml",
        "service/hxp_enterprise_llm/configuration/rules/ports.py",
        "service/hxp_enterprise_llm/schemas/hosts.py",
        "service/hxp_enterprise_llm/schemas/listeners.py",
        "stacks/environment.schema.json",
    }
    run(copy, "-m", "hxp_enterprise_llm.configuration.generate", "--check")
    python = [path for path in (*new, *edited) if path.endswith(".py")]
    run(copy, "-m", "ruff", "check", "--no-cache", *python)
    run(copy, "-m", "ruff", "format", "--no-cache", "--check", *python)
    tests = [path for path in new if path.startswith("tests/")]
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    run(copy, "-m", "mypy", *[path for path in python if not path.startswith("roles/")])


def test_a_dry_run_says_all_and_writes_nothing(copy: Path) -> None:
    before = files(copy)
    for kind in ("service", "role"):
        said = run(copy, "-c", CITADEL, "new", kind, "demo", "--dry-run")
        assert "would write  " in said
        document = json.loads(
            run(copy, "-c", CITADEL, "new", kind, "demo", "--dry-run", "--output", "json")
        )
        assert document["written"] is False
        assert len(document["files"]) >= 6
    assert "would edit  playbooks/site.yml" in said
    assert files(copy) == before


def test_nothing_is_overwritten(copy: Path) -> None:
    there = copy / "docs/concepts/demo.md"
    there.parent.mkdir(exist_ok=True)
    there.write_text("mine")
    before = files(copy)
    with pytest.raises(RefusedError, match=r"there already: docs/concepts/demo\.md"):
        skeleton.service(copy, "demo")
    for make, name in ((skeleton.service, "core"), (skeleton.role, "redis")):
        with pytest.raises(RefusedError, match=f"{name} is taken"):
            make(copy, name)
    assert run(copy, "-c", CITADEL, "new", "role", "redis", expect=ExitCode.REFUSED)
    assert files(copy) == before


@pytest.mark.parametrize("name", ["Demo", "2nd", "a_b", "a--b", "-a", "", "../x", "x" * 23])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="is no name"):
        skeleton.service(ROOT, name)


@pytest.mark.parametrize("make", [skeleton.service, skeleton.role])
@pytest.mark.parametrize(
    "name",
    [
        *keyword.kwlist[3:],
        *(word for word in keyword.softkwlist if word != "_"),
        *("json", "asyncio", "string", "print", "list", "copy", "schema", "validate"),
        *("model-dump", "model-validate-x", "base-infrastructure", "always", "untagged"),
        *("yes", "no", "on", "off", "null", "true"),
    ],
)
def test_a_name_that_python_or_ansible_has_is_refused_with_another(
    make: Callable[[Path, str], Skeleton], name: str
) -> None:
    with pytest.raises(RefusedError, match=f"{name} is no name for it: ") as refused:
        make(ROOT, name)
    found = re.search(r"such as (site-\S+)\.$", refused.value.next_step)
    assert found is not None
    _compiles(make(ROOT, found[1]))


FREE = ("model-index", "vector-index", "a-if")


@given(name=st.from_regex(r"[a-z][a-z0-9]{0,9}(-[a-z0-9]{1,10})?", fullmatch=True))
@example(FREE[0])
@example(FREE[1])
@example(FREE[2])
def test_what_any_other_name_gives_is_python(name: str) -> None:
    for make in (skeleton.service, skeleton.role):
        try:
            made = make(ROOT, name)
        except RefusedError:
            assert name not in FREE
            continue
        _compiles(made)


def _compiles(made: Skeleton) -> None:
    for path, content in (made.files | made.edits).items():
        if path.endswith(".py"):
            tree = ast.parse(content, path)
            compile(tree, path, "exec")
            named = [
                alias.asname or alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            ]
            classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
            assert not set(named) & set(classes), path
            assert all(part.isidentifier() for part in Path(path).with_suffix("").parts), path


def test_what_cannot_be_written_whole_is_not_written_at_all(copy: Path) -> None:
    before = files(copy)
    made = skeleton.role(copy, "demo")
    (copy / "tests/unit/roles").write_text("in the way")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        skeleton.write(copy, made)
    (copy / "tests/unit/roles").unlink()
    assert files(copy) == before
    broken = skeleton.Skeleton({}, {"playbooks/site.yml": "x", "roles": "y"})
    with pytest.raises(IsADirectoryError):
        skeleton.write(copy, broken)
    assert files(copy) == before


def test_a_checkout_without_a_list_of_roles_is_named(copy: Path) -> None:
    (copy / "service/hxp_enterprise_llm/schemas/hosts.py").write_text("")
    with pytest.raises(RefusedError, match=r"hosts\.py has no RoleName"):
        skeleton.role(copy, "demo")


def test_it_speaks_to_people_and_programs_in_this_process(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(copy)
    assert main.run(["new", "service", "demo"]) == ExitCode.OK
    assert "wrote  service/hxp_enterprise_llm/demo/service.py" in capsys.readouterr().out
    assert main.run(["new", "role", "demo", "--dry-run", "--output", "json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["edited"] == [
        "service/hxp_enterprise_llm/schemas/hosts.py",
        "service/hxp_enterprise_llm/schemas/listeners.py",
        "service/hxp_enterprise_llm/configuration/rules/ports.py",
        "playbooks/site.yml",
    ]
