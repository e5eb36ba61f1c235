"""A Pulumi provider plugin: the engine's gRPC on one side, typed resources on the other.

Protocol: `pulumi.proto` of the Pulumi SDK. A plugin of our own instead of a dynamic provider keeps
code out of the state and the state apart from the version of Python.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2
from pulumi.runtime.proto import provider_pb2_grpc as rpc
from pydantic import ValidationError

from hxp_enterprise_llm import __version__
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import environment_state
from hxp_enterprise_llm.schemas.base import CitadelModel

Report = Callable[[str], None]
Properties = dict[str, Any]
Inputs = TypeVar("Inputs", bound=CitadelModel)

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_THREADS = 32
_WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Found(Generic[Inputs]):
    """An object as it is now: what its inputs would have to be, its outputs, a warning."""

    inputs: Inputs
    outputs: Properties
    warning: str = ""


class Resource(ABC, Generic[Inputs]):
    """One kind of object, replaced by a new one when an input changes."""

    inputs: type[Inputs]
    # Names and addresses are fixed, so the old one has to go first.
    delete_first: bool = True

    def check(self, inputs: Inputs) -> None:
        """Refuse inputs that cannot work on this machine.

        Raises:
            CitadelError: What is wrong and what to do.
        """

    def replaces(self, name: str) -> bool:
        """Return whether another value of an input takes another object."""
        return name in self.inputs.model_fields

    @abstractmethod
    def create(self, inputs: Inputs, report: Report) -> tuple[str, Properties]:
        """Make the object, or adopt what an interrupted run left; return its id and outputs."""

    @abstractmethod
    def read(self, identity: str, inputs: Inputs, known: Properties) -> Found[Inputs] | None:
        """Return the object as it is, or None when it is gone; `known` are its last outputs."""

    @abstractmethod
    def delete(self, identity: str, inputs: Inputs) -> str | None:
        """Remove the object; one that is gone already is fine. Return what people must know."""


class MutableResource(Resource[Inputs]):
    """One kind of object that can change and stay the same object."""

    replace_on: frozenset[str]

    def replaces(self, name: str) -> bool:
        """Return whether another value of an input takes another object."""
        return name in self.replace_on

    @abstractmethod
    def update(self, identity: str, inputs: Inputs, report: Report) -> Properties:
        """Bring an object to its inputs without replacing it; return its outputs."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of inputs that are not the same, sorted."""
    return tuple(
        sorted(key for key in {*old, *new} if old.get(key) != new.get(key) and key[:2] != "__")
    )


class Plugin(rpc.ResourceProviderServicer):
    """Serves the resources of one provider.

    Args:
        package: The package's name in type tokens.
        resources: Type name → how it works.
        engine: Address of the engine, to show progress; empty for none.
    """

    def __init__(self, package: str, resources: Mapping[str, Resource[Any]], engine: str) -> None:
        self._package = package
        self._resources = dict(resources)
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine)) if engine else None

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=__version__)

    def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(
            schema=f'{{"name": "{self._package}", "version": "{__version__}"}}'
        )

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Check(self, request: Any, context: Any) -> Any:
        resource, news = self._resource(request.urn), _plain(request.news)
        response = provider_pb2.CheckResponse(inputs=request.news)
        if _UNKNOWN in str(news):
            return response
        try:
            resource.check(resource.inputs.model_validate(news))
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                name = ".".join(str(part) for part in problem["loc"])
                response.failures.add(property=name, reason=problem["msg"])
        except CitadelError as error:
            response.failures.add(reason=str(error))
        return response

    def Diff(self, request: Any, context: Any) -> Any:
        resource = self._resource(request.urn)
        changed = differences(_plain(request.old_inputs), _plain(request.news))
        kinds = provider_pb2.DiffResponse
        return kinds(
            changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE,
            diffs=changed,
            replaces=[name for name in changed if resource.replaces(name)],
            deleteBeforeReplace=resource.delete_first,
        )

    def Create(self, request: Any, context: Any) -> Any:
        resource, given = self._resource(request.urn), _plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        with _explained(context), _alone(request.urn):
            inputs = resource.inputs.model_validate(given)
            identity, outputs = resource.create(inputs, self._report(request.urn))
            return provider_pb2.CreateResponse(id=identity, properties=_struct(given | outputs))

    def Read(self, request: Any, context: Any) -> Any:
        resource, given = self._resource(request.urn), _plain(request.inputs)
        with _explained(context):
            try:
                inputs = resource.inputs.model_validate(given)
            except ValidationError:
                # Written by another version: Diff will see it, and Update or Delete will mend it.
                return provider_pb2.ReadResponse(
                    id=request.id, inputs=request.inputs, properties=request.properties
                )
            found = resource.read(request.id, inputs, _plain(request.properties))
            if found is None:
                return provider_pb2.ReadResponse()
            if found.warning:
                self._log(request.urn, found.warning, engine_pb2.WARNING)
            now = found.inputs.model_dump(mode="json")
            return provider_pb2.ReadResponse(
                id=request.id, inputs=_struct(now), properties=_struct(now | found.outputs)
            )

    def Update(self, request: Any, context: Any) -> Any:
        resource, given = self._resource(request.urn), _plain(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=request.news)
        with _explained(context), _alone(request.urn):
            inputs = resource.inputs.model_validate(given)
            if not isinstance(resource, MutableResource):
                # What differs is no input of this version: another one wrote it.
                return provider_pb2.UpdateResponse(properties=_struct(given))
            outputs = resource.update(request.id, inputs, self._report(request.urn))
            return provider_pb2.UpdateResponse(properties=_struct(given | outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        resource = self._resource(request.urn)
        with _explained(context), _alone(request.urn):
            given = _plain(request.old_inputs)
            # Not validated: another version may have written it, and it has to go all the same.
            left = resource.delete(request.id, resource.inputs.model_construct(**given))
            if left:
                self._log(request.urn, left, engine_pb2.WARNING)
        return empty_pb2.Empty()

    def _resource(self, urn: str) -> Resource[Any]:
        return self._resources[urn.split("::")[2].rpartition(":")[2]]

    def _report(self, urn: str) -> Report:
        return lambda text: self._log(urn, text, engine_pb2.INFO)

    def _log(self, urn: str, text: str, severity: Any) -> None:
        """Show a line at a resource; what is not a warning stands there until the next one."""
        if self._engine is not None:
            passing = severity == engine_pb2.INFO
            self._engine.Log(
                engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=passing)
            )


@contextmanager
def _explained(context: Any) -> Iterator[None]:
    """Hand expected errors to the engine as their own text, without a traceback."""
    try:
        yield
    except (CitadelError, ValidationError) as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))


@contextmanager
def _alone(urn: str) -> Iterator[None]:
    """Wait for the plugin of a killed engine that is still busy with the same resource."""
    folder = environment_state(urn.split("::", maxsplit=1)[0].removeprefix("urn:pulumi:")) / "locks"
    folder.mkdir(exist_ok=True)
    name = hashlib.sha256(urn.encode()).hexdigest()[:16]
    with (folder / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def serve(package: str, resources: Mapping[str, Resource[Any]]) -> None:
    """Serve a provider on a free port of loopback, printed as the engine expects, until killed."""
    engine = sys.argv[-1] if len(sys.argv) > 1 else ""
    server = grpc.server(ThreadPoolExecutor(max_workers=_THREADS))
    rpc.add_ResourceProviderServicer_to_server(Plugin(package, resources, engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    parent = os.getppid()
    while server.wait_for_termination(timeout=_WATCH_SECONDS) and os.getppid() == parent:
        pass
    # The engine was killed: what is under way ends well, nothing new begins.
    server.stop(grace=None)


def _plain(struct: Any) -> Properties:
    values: Properties = json_format.MessageToDict(struct)
    return {key: _number(value) for key, value in values.items() if key[:2] != "__"}


def _number(value: Any) -> Any:
    """Give integers back their type: JSON of the engine knows only floating point."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_number(item) for item in value]
    if isinstance(value, dict):
        return {key: _number(item) for key, item in value.items()}
    return value


def _struct(values: Properties) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    json_format.ParseDict(values, struct)
    return struct
