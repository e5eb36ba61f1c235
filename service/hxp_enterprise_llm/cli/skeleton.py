"""Skeletons of services, roles and environments: files from templates, and what names them."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

import yaml
from pydantic import BaseModel

from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.utilities.files import write_atomic

_TEMPLATES = Path(__file__).parent / "skeletons"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TEXT = "tag:yaml.org,2002:str"
_LONGEST = 22
"""`citadel-` and the name are a user's name on a host: 32 characters at most."""
_TAGS = frozenset({"always", "never", "tagged", "untagged"})
_FIRST_PORT, _PORTS = 18_000, 2_000


@dataclass(frozen=True)
class Skeleton:
    """What `citadel new` writes.

    Attributes:
        files: Path in the checkout → content of new files.
        edits: Path in the checkout → whole new content of files that are there.
    """

    files: dict[str, str]
    edits: dict[str, str]


@dataclass(frozen=True)
class _Place:
    """Where a file names all roles: between the two groups of a pattern."""

    path: str
    what: str
    pattern: str
    line: str


_PLACES = (
    _Place(
        "service/hxp_enterprise_llm/schemas/hosts.py",
        "RoleName",
        r'(RoleName = Literal\[[^\]]*?"),?(\s*\])',
        ', "$module"',
    ),
    _Place(
        "service/hxp_enterprise_llm/schemas/listeners.py",
        "validator after the listeners",
        r"(class Listeners[\s\S]*?\n)(\n    @model_validator)",
        "    $module: Listener = Field(\n"
        '        default=Listener(port=$port), description="Role $module."\n    )\n',
    ),
    _Place(
        "service/hxp_enterprise_llm/configuration/rules/ports.py",
        "ROLE_LISTENERS",
        r"(ROLE_LISTENERS = \{[^}]*\n)(\})",
        '    "$module": ("$module",),\n',
    ),
    _Place(
        # The last play cleans up.
        "playbooks/site.yml",
        "last play",
        r"([\s\S]*\n)(- name: )",
        "- name: $Class\n  hosts: role_$module\n  tags: [$module]\n  tasks:\n"
        "    - name: Role $module\n      ansible.builtin.import_role:\n        name: $module\n"
        "        rolespec_validate: false\n\n",
    ),
)
"""Every place that names all roles, and what a new one adds."""


def service(root: Path, name: str) -> Skeleton:
    """Return the files of a new service.

    Raises:
        RefusedError: The name is not fit, or taken.
    """
    words = _module(name)
    _refuse_taken(root / "service/hxp_enterprise_llm" / words["module"], name)
    return _free(root, Skeleton(dict(_rendered("service", words)), {}))


def role(root: Path, name: str) -> Skeleton:
    """Return the files of a new role, and the files that name all roles.

    Raises:
        RefusedError: The name is not fit, or taken.
    """
    words = _module(name)
    _refuse_taken(root / "roles" / words["module"], name)
    edits = {place.path: _edited(root / place.path, place, words) for place in _PLACES}
    return _free(root, Skeleton(dict(_rendered("role", words)), edits))


def environment(root: Path, name: str, template: str) -> Skeleton:
    """Return the file of a new environment; it extends base.yaml where there is one.

    Args:
        root: The checkout.
        name: The environment's name.
        template: `local` or `ssh`.

    Raises:
        RefusedError: The name is not fit, or taken.
    """
    base = root / "stacks/environments/base.yaml"
    words = _words(name) | {"extends": "extends: base\n" if base.is_file() else ""}
    return _free(root, Skeleton(dict(_rendered(f"environment-{template}", words)), {}))


def write(root: Path, skeleton: Skeleton) -> None:
    """Write all files, or none: what was written is taken back when one cannot be."""
    before = {path: (root / path).read_text("utf-8") for path in skeleton.edits}
    done: list[str] = []
    try:
        for path, content in (skeleton.files | skeleton.edits).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(root / path, content)
            done.append(path)
    except BaseException:
        for path in done:
            if path in before:
                write_atomic(root / path, before[path])
            else:
                (root / path).unlink()
        raise


def _words(name: str) -> dict[str, str]:
    if _NAME.fullmatch(name) is None or len(name) > _LONGEST:
        raise RefusedError(
            f"{name!r} is no name for it",
            next_step=f"Write at most {_LONGEST} of a-z, 0-9 and `-`, such as vector-index.",
        )
    tag = yaml.resolver.Resolver().resolve(yaml.ScalarNode, name, (True, False))  # type: ignore[no-untyped-call] # theirs
    if tag != _TEXT:
        raise _unfit(name, "YAML reads it as another value than a text")
    return {
        "name": name,
        "module": name.replace("-", "_"),
        "Class": "".join(word.capitalize() for word in name.split("-")),
        "port": str(_FIRST_PORT + sum(name.encode()) % _PORTS),
    }


def _module(name: str) -> dict[str, str]:
    """Return the words of what gets a Python module, classes and fields of this name."""
    words = _words(name)
    module, name_of_class = words["module"], words["Class"]
    if keyword.iskeyword(module) or keyword.issoftkeyword(module):
        raise _unfit(name, "it is a word of Python's own")
    if module in sys.stdlib_module_names or hasattr(builtins, module):
        raise _unfit(name, "Python's standard library has this name")
    if hasattr(BaseModel, module) or module.startswith(("model_dump", "model_validate")):
        raise _unfit(name, "every model has an attribute of this name")
    if module in _TAGS:
        raise _unfit(name, "Ansible's tags have this name")
    templates = "".join(file.read_text("utf-8") for file in _TEMPLATES.rglob("*.tmpl"))
    if re.search(rf"\b{name_of_class}(Service|Config)\b", templates):
        raise _unfit(name, f"a base class is named {name_of_class}Service")
    return words


def _unfit(name: str, why: str) -> RefusedError:
    other = f"site-{name}"[:_LONGEST].rstrip("-")
    return RefusedError(
        f"{name} is no name for it: {why}", next_step=f"Choose another, such as {other}."
    )


def _rendered(kind: str, words: dict[str, str]) -> Iterator[tuple[str, str]]:
    home = _TEMPLATES / kind
    for file in sorted(home.rglob("*.tmpl")):
        path = str(file.relative_to(home)).removesuffix(".tmpl")
        for word in ("name", "module"):
            path = path.replace(f"_{word}_", words[word])
        yield path, Template(file.read_text("utf-8")).substitute(words)


def _refuse_taken(folder: Path, name: str) -> None:
    if folder.exists():
        raise RefusedError(
            f"{name} is taken: {folder} is there", next_step="Choose another name, or remove it."
        )


def _free(root: Path, skeleton: Skeleton) -> Skeleton:
    if taken := [path for path in skeleton.files if (root / path).exists()]:
        raise RefusedError(
            f"these files are there already: {', '.join(taken)}",
            next_step="Choose another name, or move them away; nothing was written.",
        )
    return skeleton


def _edited(file: Path, place: _Place, words: dict[str, str]) -> str:
    line = Template(place.line).substitute(words)
    text, count = re.subn(
        place.pattern, lambda found: f"{found[1]}{line}{found[2]}", file.read_text("utf-8"), count=1
    )
    if not count:
        raise RefusedError(
            f"{file} has no {place.what} to add {words['name']} to",
            next_step=f"Bring it back: git log -p {place.path}",
        )
    return text
