"""Render a role's bundle on the controller. Whatever is wrong is found before a host is touched."""

from __future__ import annotations

import functools
import hashlib
import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml
from pydantic import ValidationError

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.bundle.spec import (
    BundleSpec,
    FileSpec,
    Link,
    RenderedBundle,
    RenderedFile,
    TreeFile,
)
from hxp_enterprise_llm.orchestration.paths import checkout

_SPEC = "bundle.yml.j2"
_FIX = "Correct it and converge again; no host was touched."
_UNITS = "/etc/systemd/system"


class RenderError(CitadelError):
    """A role's templates or its bundle.yml.j2 are wrong; names file and line."""

    code = "bundle.wrong"


def render(
    role: str,
    data: Mapping[str, Any],
    host: str,
    environment: str,
    *,
    root: Path | None = None,
) -> RenderedBundle:
    """Render everything that a role puts on one host.

    Args:
        role: Name of the folder below `roles/`.
        data: The role's resolved data; its keys are the templates' top-level names.
        host: Inventory name of the host, `host` in templates.
        environment: Name of the environment, `environment` in templates.
        root: The checkout; found when not given.

    Raises:
        RenderError: A template, the YAML or the declaration is wrong.
    """
    engine = _engine(root or checkout(), role)
    names = {**data, "host": host, "environment": environment, "role": role}
    spec = _parse(_render_text(engine, _SPEC, names), f"roles/{role}/templates/{_SPEC}")
    files = tuple(_file(engine, item, names, root or checkout()) for item in spec_files(spec))
    masks = tuple(Link(path=f"{_UNITS}/{name}", target="/dev/null") for name in spec.mask)
    content: dict[str, Any] = {
        "service": spec.service,
        "role": role,
        "environment": environment,
        "users": spec.users,
        "directories": spec.directories,
        "files": files,
        "links": (*spec.links, *masks),
        "mask": spec.mask,
        "validators": spec.validate_,
        "units": spec.units,
        "credentials": spec.credentials,
    }
    bundle = RenderedBundle(digest="", **content)
    return bundle.model_copy(update={"digest": _digest(bundle)})


def spec_files(spec: BundleSpec) -> tuple[FileSpec, ...]:
    """Return all files of a bundle, the tree's first."""
    return (*spec.tree, *spec.files)


def _digest(bundle: RenderedBundle) -> str:
    document = bundle.model_dump(mode="json")
    for file in document["files"]:
        del file["content"]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


@functools.lru_cache(maxsize=32)
def _engine(root: Path, role: str) -> jinja2.Environment:
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader([root / "roles" / role / "templates", root / "templates"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
    )
    engine.filters["to_json"] = lambda value: json.dumps(value, ensure_ascii=False)
    engine.filters["to_yaml"] = _to_yaml
    return engine


def _to_yaml(value: Any, indent: int = 0) -> str:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True).removesuffix("...\n")
    return text.rstrip("\n").replace("\n", "\n" + " " * indent)


def _render_text(engine: jinja2.Environment, name: str, names: Mapping[str, Any]) -> str:
    try:
        return engine.get_template(name).render(names)
    except jinja2.TemplateNotFound as error:
        raise RenderError(
            f"template {error.name} is neither in the role's templates nor in templates/",
            next_step=_FIX,
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise RenderError(
            f"{error.filename}:{error.lineno}: {error.message}", next_step=_FIX
        ) from None
    except Exception as error:
        # A template can raise anything; its own frame says where.
        raise RenderError(f"{_place(error, name)}: {error}", next_step=_FIX) from error


def _place(error: Exception, name: str) -> str:
    frames = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "/templates/" in frame.filename
    ]
    return frames[-1] if frames else name


def _parse(text: str, place: str) -> BundleSpec:
    try:
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 - safe
        if isinstance(document, dict):  # a section whose loop yielded nothing is null
            document = {key: value for key, value in document.items() if value is not None}
        return BundleSpec.model_validate(document)
    except yaml.YAMLError as error:
        raise RenderError(f"{place} (rendered): {error}", next_step=_FIX) from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
            for found in error.errors(include_input=False, include_url=False)
        )
        raise RenderError(f"{place}: {problems}", next_step=_FIX) from None


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _file(
    engine: jinja2.Environment, item: FileSpec, names: Mapping[str, Any], root: Path
) -> RenderedFile:
    source = _source(engine, item.src)
    if item.src.endswith(".j2"):
        content = _render_text(engine, item.src, {**names, **item.values})
    else:
        content = source.read_text(encoding="utf-8")
    place = {"tree": item.dest} if isinstance(item, TreeFile) else {"path": item.dest}
    return RenderedFile(
        **place,
        content=content,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        owner=item.owner,
        group=item.group,
        mode=item.mode,
        on_change=item.on_change,
        source=str(source.relative_to(root)),
    )


def _source(engine: jinja2.Environment, name: str) -> Path:
    assert isinstance(engine.loader, jinja2.FileSystemLoader)  # noqa: S101 - made by _engine
    for folder in engine.loader.searchpath:
        path = Path(folder) / name
        if path.is_file():
            return path
    raise RenderError(
        f"source {name} is neither in the role's templates nor in templates/", next_step=_FIX
    )
