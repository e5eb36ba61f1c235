"""The foundation that the documents ask for by name: packages, bases, schemas, utilities, gates."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "service/hxp_enterprise_llm"
TOOLS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
MAKEFILE = (ROOT / "Makefile").read_text()
SOURCES = sorted(PACKAGE.rglob("*.py"))
WITH_EXAMPLES = [path for path in SOURCES if re.search(r"^\s+>>> ", path.read_text(), re.MULTILINE)]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def recipe(target: str) -> str:
    """Return what `make TARGET` runs."""
    match = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    assert match is not None
    parts = re.search(r"\(MAKE\).*--jobs (.*)", match[1])
    return match[1] + "".join(recipe(part) for part in (parts[1].split() if parts else ()))


@pytest.mark.feature("KT-05", "CO-01")
def test_create_directories_initialize_packages_and_setup_init_files() -> None:
    folders = {path.parent for path in SOURCES}
    assert {"core", "schemas", "utilities", "configuration", "orchestration", "testing"} <= {
        folder.name for folder in folders
    }
    for folder in folders:
        init = folder / "__init__.py"
        assert init.is_file()
        name = ".".join(folder.relative_to(PACKAGE.parent).parts)
        assert (importlib.import_module(name).__doc__ or "").strip(), name


@pytest.mark.feature("KT-05")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("base_classes.service_base_classes", "core.service:BaseService"),
        ("base_classes.configuration_base_classes", "schemas.base:CitadelModel"),
        ("base_classes.testing_base_classes", "testing.service_contract:ServiceContract"),
        ("base_classes.orchestration_base_classes", "orchestration.bundle.action:CitadelAction"),
        ("schemas.common_schemas", "schemas.common:BaseModel"),
        ("schemas.api_schemas", "schemas.api:APIRequest"),
        ("schemas.configuration_schemas", "configuration.schemas:ServiceConfigSchema"),
        ("schemas.health_schemas", "schemas.health:HealthStatus"),
        ("utilities.logging_framework", "utilities.logging:configure"),
        ("utilities.configuration_utilities", "configuration.manager:ConfigurationManager"),
        ("utilities.validation_utilities", "utilities.validation:model"),
        ("utilities.testing_utilities", "testing.factories:environment"),
    ],
)
def test_each_part_of_the_foundation_is_there(asked: str, found: str) -> None:
    module, _, name = found.partition(":")
    part = getattr(importlib.import_module(f"hxp_enterprise_llm.{module}"), name)
    assert callable(part), asked


@pytest.mark.feature("QB-02", "KT-05")
def test_black_formatter_is_ruff_format_at_one_width() -> None:
    assert TOOLS["ruff"]["line-length"] == 100
    assert "ruff format --check" in recipe("check")


@pytest.mark.feature("QB-02", "KT-05")
def test_flake8_linter_is_ruff_check_with_pep_8_and_names() -> None:
    rules = set(TOOLS["ruff"]["lint"]["select"])
    # E and W are pycodestyle (PEP 8), F pyflakes, C90 mccabe: what flake8 is made of; N is PEP 8's
    # naming.
    assert {"E", "W", "F", "C90", "N"} <= rules
    assert not {"E", "W", "F", "C90", "N"} & set(TOOLS["ruff"]["lint"]["ignore"])
    assert "ruff check" in recipe("check")


@pytest.mark.feature("QB-02", "KT-05")
def test_mypy_type_checker_is_strict_over_everything() -> None:
    assert TOOLS["mypy"]["strict"] is True
    assert {"service", "stacks", "tests"} <= set(TOOLS["mypy"]["files"])
    assert "mypy" in recipe("check")


@pytest.mark.feature("QB-02", "KT-05")
def test_isort_import_sorter_is_a_rule_of_the_linter() -> None:
    assert "I" in TOOLS["ruff"]["lint"]["select"]


@pytest.mark.feature("QB-03", "KT-05")
def test_docstring_format_is_google_and_a_gate() -> None:
    lint = TOOLS["ruff"]["lint"]
    assert lint["pydocstyle"]["convention"] == "google"
    assert "D" in lint["select"]
    # Only these: magic methods, and constructors, which the class's docstring describes.
    assert {rule for rule in lint["ignore"] if rule.startswith("D")} == {"D105", "D107"}


def untyped(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of functions without a type for an argument or the answer."""
    for function in ast.walk(tree):
        if not isinstance(function, Function):
            continue
        arguments = function.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        given += filter(None, (arguments.vararg, arguments.kwarg))
        answers = function.returns or function.name == "__init__"
        bound = {"self", "cls"}
        if not answers or not all(item.annotation or item.arg in bound for item in given):
            yield function.lineno


def undocumented(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of what is public and has no docstring."""
    if not ast.get_docstring(tree):
        yield 1
    classes = [item for item in tree.body if isinstance(item, ast.ClassDef)]
    shown = [item for item in classes if not item.name.startswith("_")]
    for body in [tree.body, *(item.body for item in shown)]:
        for item in body:
            if not isinstance(item, ast.ClassDef | Function) or item.name.startswith("_"):
                continue
            marks = getattr(item, "decorator_list", [])
            overload = any(ast.unparse(mark) == "overload" for mark in marks)
            if not ast.get_docstring(item) and not overload:
                yield item.lineno


@pytest.mark.feature("QB-03")
@pytest.mark.parametrize("faults", [untyped, undocumented])
def test_every_function_is_typed_and_everything_public_documented(
    faults: Callable[[ast.Module], Iterator[int]],
) -> None:
    found = [f"{path}:{line}" for path in SOURCES for line in faults(ast.parse(path.read_text()))]
    assert len(SOURCES) > 200
    assert found == []


def test_what_lacks_a_type_or_a_docstring_is_found() -> None:
    tree = ast.parse('class A:\n    """A."""\n    def b(self, c) -> None: ...\ndef d(): ...')
    assert sorted(untyped(tree)) == [3, 4]
    assert list(undocumented(tree)) == [1, 4, 3]


@pytest.mark.feature("QB-03", "KT-05")
@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_usage_examples_of_docstrings_work(path: Path) -> None:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    ran = doctest.testmod(importlib.import_module(name), raise_on_error=True)
    assert ran.attempted > 0
    assert ran.failed == 0


@pytest.mark.feature("QB-03", "KT-05")
def test_every_part_of_the_library_has_usage_examples_in_docstrings_and_on_pages() -> None:
    parts = {"core", "schemas", "utilities", "configuration"}
    assert parts <= {path.relative_to(PACKAGE).parts[0] for path in WITH_EXAMPLES}
    pages = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    shown = "".join(re.findall(r"```python\n(.*?)```", pages, re.DOTALL))
    found = re.findall(r"^from hxp_enterprise_llm\.(\w+)", shown, re.MULTILINE)
    assert parts | {"testing"} <= set(found)


@pytest.mark.feature("QB-03", "KT-05")
def test_usage_examples_of_the_page_on_services_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs/reference/services.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "services.md", "exec"), {})
    assert f"# {capsys.readouterr().out.strip()}" in example


@pytest.mark.feature("QB-03", "KT-05", "SC-02", "SC-05", "SC-07")
def test_usage_examples_of_the_page_on_schemas_print_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs/concepts/schemas.md").read_text()
    examples = re.findall(r"```python\n(.*?)```\n\nprints `(.*?)`\.", page, re.DOTALL)
    assert len(examples) == page.count("```python") == 3
    for example, printed in examples:
        exec(compile(example, "schemas.md", "exec"), {})
        assert capsys.readouterr().out == f"{printed}\n"


@pytest.mark.feature("KT-05")
def test_api_documentation_is_of_the_library_the_commands_and_the_service() -> None:
    pages = {path.stem for path in (ROOT / "docs/reference").glob("*.md")}
    assert {"environment", "services", "rules", "roles", "command-line"} <= pages
    api = json.loads((ROOT / "docs/reference/configuration-api.json").read_text())
    assert api["openapi"].startswith("3.1")
    assert len(api["paths"]) > 10


@pytest.mark.feature("KT-05")
def test_architectural_diagrams_show_parts_that_are_there() -> None:
    page = (ROOT / "docs/concepts/README.md").read_text()
    (diagram,) = re.findall(r"```mermaid\n(flowchart LR\n.*?)```", page, re.DOTALL)
    named = set(re.findall(r"\[([a-z_/.]+/[a-z_.]+)\]", diagram))
    assert len(named) >= 5
    for part in named:
        assert (ROOT / part).exists() or (PACKAGE / part).exists(), part
    # What goes along an arrow is a word of the table beside it, or a known type.
    arrows = set(re.findall(r"-->\|([^|]+)\|", diagram))
    assert {"Environment", "FleetOutputs", "data of roles", "bundle", "manifest"} <= arrows
    for name in ("core", "schemas", "configuration", "secrets", "security", "versions"):
        assert (ROOT / f"docs/concepts/{name}.md").is_file()


@pytest.mark.feature("QB-04", "KT-05")
def test_pytest_configuration_is_strict() -> None:
    options = TOOLS["pytest"]["ini_options"]
    assert options["filterwarnings"] == ["error"]
    assert {"--strict-markers", "--strict-config"} <= set(options["addopts"].split())


@pytest.mark.feature("QB-04", "KT-05")
def test_test_discovery_finds_every_file_of_tests(request: pytest.FixtureRequest) -> None:
    assert TOOLS["pytest"]["ini_options"]["testpaths"] == ["tests"]
    assert Path(request.config.rootpath) == ROOT
    for path in (ROOT / "tests/unit").rglob("*.py"):
        has_tests = re.search(r"^(async )?def test_", path.read_text(), re.MULTILINE)
        assert not has_tests or path.name.startswith("test_"), path


@pytest.mark.feature("QB-01", "QB-04", "KT-05")
def test_coverage_reporting_counts_branches() -> None:
    assert TOOLS["coverage"]["run"]["branch"] is True
    assert TOOLS["coverage"]["report"]["show_missing"] is True
    measured = {name.rpartition(".")[2] for name in TOOLS["coverage"]["run"]["source_pkgs"]}
    assert measured == {"configuration", "core", "schemas", "utilities"}
    # Unit tests and those with real daemons, added up.
    assert "tests/unit --cov " in recipe("coverage")
    assert "tests/configuration tests/secrets --cov --cov-append" in recipe("coverage")
    assert "tools/covered.py build/covered.json" in recipe("coverage")


@pytest.mark.feature("QB-04", "KT-05")
def test_performance_testing_and_automation_are_one_command_each() -> None:
    assert (ROOT / "tests/bench/run.py").is_file()
    assert "tests/bench/run.py" in recipe("bench")
    assert "pytest" in recipe("test")
    assert "pytest" in recipe("check")
