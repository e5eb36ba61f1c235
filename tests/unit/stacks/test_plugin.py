"""The provider plugin over real gRPC messages, with a resource that lives in a dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.schemas.base import CitadelModel
from providers.plugin import (
    Found,
    MutableResource,
    Plugin,
    Properties,
    Report,
    Resource,
    differences,
)

URN = "urn:pulumi:s::citadel::citadel-fake:index:Box::one"


class BoxInputs(CitadelModel):
    name: str
    size: int


class Box(MutableResource[BoxInputs]):
    inputs = BoxInputs
    replace_on = frozenset({"name"})

    def __init__(self) -> None:
        self.made: dict[str, int] = {}

    def check(self, inputs: BoxInputs) -> None:
        if inputs.size > 10:
            raise CitadelError("too big", next_step="Ask for less.")

    def create(self, inputs: BoxInputs, report: Report) -> tuple[str, Properties]:
        if inputs.size == 0:
            raise CitadelError("nothing to make")
        self.made[inputs.name] = inputs.size
        return inputs.name, {"secret_of_life": 42}

    def read(self, identity: str, inputs: BoxInputs, known: Properties) -> Found[BoxInputs] | None:
        if identity not in self.made:
            return None
        return Found(inputs.model_copy(update={"size": self.made[identity]}), known)

    def update(self, identity: str, inputs: BoxInputs, report: Report) -> Properties:
        self.made[identity] = inputs.size
        return {}

    def delete(self, identity: str, inputs: BoxInputs) -> None:
        self.made.pop(identity, None)


class Stone(Resource[BoxInputs]):
    """Cannot change: another input takes another stone."""

    inputs = BoxInputs

    def create(self, inputs: BoxInputs, report: Report) -> tuple[str, Properties]:
        return inputs.name, {}

    def read(self, identity: str, inputs: BoxInputs, known: Properties) -> Found[BoxInputs] | None:
        return Found(inputs, known)

    def delete(self, identity: str, inputs: BoxInputs) -> None:
        pass


class Context:
    def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise grpc.RpcError(details)


def struct(**values: Any) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    json_format.ParseDict(values, made)
    return made


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def plugin(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugin:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path)
    return Plugin("citadel-fake", {"Box": box, "Stone": Stone()}, "")


def test_every_wrong_input_is_named(plugin: Plugin) -> None:
    answer = plugin.Check(provider_pb2.CheckRequest(urn=URN, news=struct(size="x")), Context())
    assert {failure.property for failure in answer.failures} == {"name", "size"}


def test_a_resource_may_refuse_with_its_own_words(plugin: Plugin) -> None:
    request = provider_pb2.CheckRequest(urn=URN, news=struct(name="a", size=11))
    failures = plugin.Check(request, Context()).failures
    assert [failure.reason for failure in failures] == ["too big\n  Ask for less."]


def test_an_unknown_value_in_a_preview_is_not_checked(plugin: Plugin) -> None:
    news = struct(name="04da6b54-80e4-46f7-96ec-b56ff0331ba9", size=1)
    assert not plugin.Check(provider_pb2.CheckRequest(urn=URN, news=news), Context()).failures


@pytest.mark.parametrize(
    ("new", "changed", "replaced"),
    [
        ({"name": "a", "size": 1}, [], []),
        ({"name": "a", "size": 2}, ["size"], []),
        ({"name": "b", "size": 2}, ["name", "size"], ["name"]),
        ({"name": "a"}, ["size"], []),
    ],
)
def test_a_difference_is_an_update_or_a_replacement(
    plugin: Plugin, new: dict[str, Any], changed: list[str], replaced: list[str]
) -> None:
    request = provider_pb2.DiffRequest(
        urn=URN, old_inputs=struct(name="a", size=1), news=struct(**new)
    )
    answer = plugin.Diff(request, Context())
    assert list(answer.diffs) == changed
    assert list(answer.replaces) == replaced
    assert answer.deleteBeforeReplace
    assert (answer.changes == provider_pb2.DiffResponse.DIFF_SOME) == bool(changed)


def test_an_object_that_cannot_change_is_replaced_for_every_input_it_has(plugin: Plugin) -> None:
    urn = URN.replace("Box", "Stone")
    old, news = struct(name="a", size=1, colour="red"), struct(name="b", size=2)
    request = provider_pb2.DiffRequest(urn=urn, old_inputs=old, news=news)
    assert list(plugin.Diff(request, Context()).replaces) == ["name", "size"]
    # An input that another version had is forgotten, without another object.
    answer = plugin.Update(provider_pb2.UpdateRequest(urn=urn, id="b", news=news), Context())
    assert dict(answer.properties) == {"name": "b", "size": 2}


@pytest.mark.parametrize(
    ("kind", "missing"),
    [(Resource, {"create", "read", "delete"}), (MutableResource, {"update"})],
)
def test_a_kind_of_object_that_lacks_a_method_cannot_be_served(
    kind: type[Any], missing: set[str]
) -> None:
    assert missing <= kind.__abstractmethods__
    for name in missing:
        given = {each: None for each in kind.__abstractmethods__ if each != name}
        with pytest.raises(TypeError, match=f"abstract class Half.*{name}"):
            type("Half", (kind,), given)()


def test_create_returns_inputs_and_outputs(plugin: Plugin, box: Box) -> None:
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(name="a", size=3))
    answer = plugin.Create(request, Context())
    assert answer.id == "a"
    assert dict(answer.properties) == {"name": "a", "size": 3, "secret_of_life": 42}
    assert box.made == {"a": 3}


def test_a_preview_makes_nothing(plugin: Plugin, box: Box) -> None:
    properties = struct(name="a", size=3)
    plugin.Create(
        provider_pb2.CreateRequest(urn=URN, properties=properties, preview=True), Context()
    )
    plugin.Update(
        provider_pb2.UpdateRequest(urn=URN, id="a", news=properties, preview=True), Context()
    )
    assert box.made == {}


def test_an_expected_error_reaches_the_engine_as_its_text(plugin: Plugin) -> None:
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(name="a", size=0))
    with pytest.raises(grpc.RpcError, match=r"^nothing to make$"):
        plugin.Create(request, Context())


def test_read_shows_what_changed_and_what_is_gone(plugin: Plugin, box: Box) -> None:
    request = provider_pb2.ReadRequest(urn=URN, id="a", inputs=struct(name="a", size=3))
    assert plugin.Read(request, Context()).id == ""
    box.made["a"] = 5
    assert dict(plugin.Read(request, Context()).inputs) == {"name": "a", "size": 5}


def test_state_of_another_version_is_read_as_it_is_and_can_be_removed(
    plugin: Plugin, box: Box
) -> None:
    box.made["a"] = 5
    old = struct(name="a", colour="red")
    answer = plugin.Read(provider_pb2.ReadRequest(urn=URN, id="a", inputs=old), Context())
    assert dict(answer.inputs) == {"name": "a", "colour": "red"}
    plugin.Delete(provider_pb2.DeleteRequest(urn=URN, id="a", old_inputs=old), Context())
    assert box.made == {}


def test_whole_numbers_keep_their_type() -> None:
    assert differences({"a": 1, "__defaults": []}, {"a": 1.0}) == ()
