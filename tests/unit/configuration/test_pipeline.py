"""Every parameter is checked, and what is wrong is said with its place and its cure."""

from __future__ import annotations

import subprocess
import sys
import time
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from tests.unit.configuration.conftest import DOCUMENT
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.diagnostics import (
    Diagnostic,
    InvalidDocumentError,
    KeyPath,
    Place,
)
from hxp_enterprise_llm.configuration.effects import leaves
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.configuration.pipeline import Outcome, assemble, compiled, validate
from hxp_enterprise_llm.configuration.sources.base import Layer, places_below
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.schemas.infrastructure_services import Configuration

SSH = {"kind": "ssh", "user": "root", "identity_file": "key"}
LISTEN = {"host": "10.0.0.1", "port": 1}
GATEWAY = {"listen": LISTEN, "metrics": LISTEN, "models": {"tiny": {"upstreams": ["a:1"]}}}
WAIVER = {"rule": "C210", "path": "hosts", "reason": "measured again", "until": "2099-01-01"}
# No type of ours takes this.
IMPOSSIBLE: Any = [[{"never": []}]]


def layer(name: str, data: dict[str, Any]) -> Layer:
    return Layer(name, data, places_below((), data, Place(Path(name), 1, 1)))


def cases() -> list[tuple[type[BaseModel], dict[str, Any], KeyPath]]:
    local = {**deepcopy(DOCUMENT), "waivers": [WAIVER]}
    remote = {**local, "provider": SSH}
    found: list[tuple[type[BaseModel], dict[str, Any], KeyPath]] = []
    for model, documents in ((Environment, (local, remote)), (GatewayConfig, (GATEWAY,))):
        for document in documents:
            for path, _ in leaves(model):
                entry = _entry(document, path)
                if path[0] != "provider" or _fits(document, str(path[1])):
                    found.append((model, document, entry))
    return found


def _fits(document: dict[str, Any], key: str) -> bool:
    ours = {"local": {"kind", "slot", "image", "internal"}}
    kind = document["provider"]["kind"]
    return key in ours.get(kind, {"kind", "user", "port", "identity_file", "bastion"})


def _entry(document: Any, path: KeyPath) -> KeyPath:
    """Return a path with `*` replaced by the first key of that map, or by the first index."""
    found: list[str | int] = []
    for part in path:
        key: str | int = part
        if part == "*":
            # What is not written is a list: maps are.
            key = 0 if isinstance(document, list | tuple) else next(iter(document), 0)
        found.append(key)
        if isinstance(document, dict):
            document = document.get(key, {})
        elif isinstance(document, list):
            document = document[int(key)] if document else {}
    return tuple(found)


def changed(document: dict[str, Any], path: KeyPath, value: Any) -> dict[str, Any]:
    result = deepcopy(document)
    section: Any = result
    for part, following in pairwise(path):
        if isinstance(section, list):
            section.extend([{}] if not section else [])
        else:
            section.setdefault(part, [] if following == 0 else {})
        section = section[part]
    section[path[-1]] = value
    return result


@pytest.mark.feature("CV-01")
def test_every_parameter_of_every_configuration_is_validated() -> None:
    assert Configuration().validation_enabled is True
    missed = []
    for model, document, path in cases():
        wrong = changed(document, path, IMPOSSIBLE)
        draft = assemble([layer("a.yaml", wrong)], model, Path("a.yaml"))
        _, problems = validate(draft, model)
        if path not in {problem.path[: len(path)] for problem in problems}:
            missed.append((model.__name__, path))
    assert len(cases()) > 300
    assert missed == []


@pytest.mark.feature("CV-01")
def test_what_the_cases_change_is_valid_before() -> None:
    for model, document in ((Environment, DOCUMENT), (GatewayConfig, GATEWAY)):
        draft = assemble([layer("a.yaml", document)], model, Path("a.yaml"))
        assert validate(draft, model)[1] == ()


@pytest.mark.feature("CV-01")
def test_validating_an_environment_takes_less_than_half_a_second() -> None:
    load("local")
    began = time.perf_counter()
    load("local")
    assert time.perf_counter() - began < 0.5


def test_loading_an_environment_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from hxp_enterprise_llm.configuration.loader import load\n"
        "load('local')\n"
        "heavy = {'asyncio', 'prometheus_client', 'structlog', 'watchfiles', 'asyncpg'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"


def test_a_wrong_key_names_the_layer_that_wrote_it() -> None:
    layers = [layer("low", {"level": "x", "debug": True}), layer("high", {"debug": "maybe"})]
    with pytest.raises(InvalidDocumentError) as caught:
        compiled(assemble(layers, Sample, Path("sample")), Sample)
    places = {item.path: item.place.file.name for item in caught.value.diagnostics}
    assert places == {("level",): "low", ("debug",): "high"}


def test_what_no_layer_wrote_names_the_configuration() -> None:
    draft = assemble([layer("low", {})], GatewayConfig, "gateway")
    _, problems = validate(draft, GatewayConfig)
    assert {str(item.place) for item in problems} == {"gateway"}


def test_rules_run_on_any_model_and_stop_it_or_warn() -> None:
    place = Place(Path("a"), 1, 1)

    def judge(draft: Any, config: Sample | None, refused: set[KeyPath]) -> Outcome:
        level = config.level if config else 0
        severity: Any = "error" if level > 5 else "warning"
        found = Diagnostic("X001", place, ("level",), "a rule.", "Obey.", severity)
        return Outcome((found,), (found,))

    low = compiled(assemble([layer("a", {"level": 2})], Sample, Path("a")), Sample, judge=judge)
    assert [item.code for item in low.warnings] == ["X001"]
    assert len(low.waived) == 1
    with pytest.raises(InvalidDocumentError, match="error X001"):
        compiled(assemble([layer("a", {"level": 9})], Sample, Path("a")), Sample, judge=judge)


def test_a_finding_as_data_says_its_source() -> None:
    flag = Place(Path("flags"), 1, 1, "flag --set level")
    data = Diagnostic("C006", flag, ("level",), "no.", "Yes.").as_data()
    assert (data["source"], data["file"], data["line"]) == ("flag --set level", None, 1)
    line = Place(Path("/a/b.yaml"), 3, 1)
    data = Diagnostic("C006", line, ("level",), "no.", "Yes.").as_data()
    assert (data["source"], data["file"]) == ("/a/b.yaml:3", "/a/b.yaml")


@pytest.mark.feature("CL-03")
def test_samples_say_where_they_come_from(tmp_path: Path) -> None:
    base = {"schema": 1, "provider": {"kind": "local"}, "hosts": {}}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    own = {key: value for key, value in DOCUMENT.items() if key != "provider"}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"extends": "base", **own}))
    origins = load(str(path)).origins
    assert origins[("provider", "kind")].place.file.name == "base.yaml"
    assert origins[("schema",)].place.file.name == "own.yaml"
    assert origins[("schema",)].place.revision
    assert origins[("schema",)].place.actor == path.owner()
    assert ("extends",) not in origins
