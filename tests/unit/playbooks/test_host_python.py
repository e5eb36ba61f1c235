"""What runs on hosts is Python 3.9: the operator's is newer and would not notice."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HOST_SIDE = sorted(
    [
        *(ROOT / "playbooks/plugins/module_utils").rglob("*.py"),
        *(ROOT / "playbooks/plugins/modules").rglob("*.py"),
        *ROOT.glob("roles/*/templates/*.py"),
        *ROOT.glob("templates/*.py"),
    ]
)
NEW_MODULES = {"tomllib"}
NEW_NAMES = {"UTC", "StrEnum", "pairwise", "batched", "bit_count", "ExceptionGroup"}
NEW_ARGUMENTS = {"zip": {"strict"}, "dataclass": {"slots", "kw_only"}, "extractall": {"filter"}}


def newer(tree: ast.AST) -> list[str]:
    """Return what Python 3.9 parses but does not have."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [item.name for item in node.names if item.name in NEW_MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [item.name for item in node.names if item.name in NEW_NAMES]
        elif isinstance(node, ast.Attribute) and node.attr in NEW_NAMES:
            found.append(node.attr)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = {keyword.arg for keyword in node.keywords}
            found += sorted(f"{name}({one}=)" for one in NEW_ARGUMENTS.get(name, set()) & given)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            found += ["parents[:]"] if getattr(node.value, "attr", "") == "parents" else []
    return found


def test_there_is_code_for_hosts() -> None:
    assert len(HOST_SIDE) > 20


@pytest.mark.parametrize("path", HOST_SIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_host_code_is_python_3_9(path: Path) -> None:
    assert newer(ast.parse(path.read_text(), feature_version=(3, 9))) == []


@pytest.mark.parametrize(
    "text",
    [
        "zip(a, b, strict=False)",
        "import tomllib",
        "from datetime import UTC",
        "@dataclass(slots=True)\nclass A: ...",
        "itertools.pairwise(a)",
        "path.parents[:-1]",
    ],
)
def test_a_newer_call_is_noticed(text: str) -> None:
    assert newer(ast.parse(text))
