"""Doubles of the programs that the controller starts, at the one place that starts them.

`tests/e2e` runs the same commands with the real pulumi, ansible-playbook and ssh.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hxp_enterprise_llm.schemas.outputs import FleetOutputs

PROCESS_BORDER = "hxp_enterprise_llm.utilities.process.subprocess"
"""What a test replaces by `Programs`."""


@dataclass(frozen=True)
class Reply:
    """What a program prints, and its exit code; an exception among the lines is raised there."""

    lines: Iterable[str | BaseException] = ()
    code: int = 0
    error: str = ""


Program = Callable[[Sequence[str], str], Reply]


class Programs:
    """Stands in for module `subprocess`: programs by their names.

    Attributes:
        calls: Every command line, in order.
    """

    PIPE, STDOUT, DEVNULL = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL
    TimeoutExpired, CompletedProcess = subprocess.TimeoutExpired, subprocess.CompletedProcess

    def __init__(self, **programs: Program) -> None:
        self.calls: list[list[str]] = []
        self._programs = {name.replace("_", "-"): program for name, program in programs.items()}

    def run(
        self,
        command: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002
        **_: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        reply = self._reply(command, input or "")
        text = "".join(f"{line}\n" for line in _lines(reply))
        return subprocess.CompletedProcess(command, reply.code, text, reply.error)

    def Popen(self, command: Sequence[str], **_: Any) -> Child:  # noqa: N802
        """Start a program whose lines are read as they come."""
        reply = self._reply(command, "")
        return Child(f"{line}\n" for line in _lines(reply)).ending_with(reply.code)

    def _reply(self, command: Sequence[str], stdin: str) -> Reply:
        self.calls.append(list(command))
        name = Path(command[0]).name
        if name not in self._programs:
            raise FileNotFoundError(name)
        return self._programs[name](command, stdin)


def _lines(reply: Reply) -> Iterator[str]:
    for line in reply.lines:
        if isinstance(line, BaseException):
            raise line
        yield line


class Child:
    """A started program.

    Attributes:
        terminated: Whether it was asked to end.
    """

    def __init__(self, stdout: Iterable[str]) -> None:
        self.stdout, self.returncode, self.terminated = stdout, 0, False

    def ending_with(self, code: int) -> Self:
        """Set the exit code."""
        self.returncode = code
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def terminate(self) -> None:
        """Note that it was asked to end."""
        self.terminated = True

    def wait(self, _timeout: float) -> int:
        """Return the exit code."""
        return self.returncode


@dataclass
class Engine:
    """Pulumi, for one stack.

    Attributes:
        fleet: What `up` makes.
        made: Whether there is a stack with hosts.
        steps: What `preview` finds to do.
        pending: Operations that an interrupted run left.
        fails: Verb → what goes wrong in it.
        interrupted: Ctrl-C comes while `up` runs.
    """

    fleet: FleetOutputs
    made: bool = False
    steps: tuple[str, ...] = ()
    pending: list[Any] = field(default_factory=list)
    fails: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def __call__(self, words: Sequence[str], _stdin: str) -> Reply:
        """Answer one command line."""
        verb = " ".join(words[1:3]) if words[1] == "stack" else words[1]
        if verb in self.fails:
            event = {"diagnosticEvent": {"severity": "error", "message": self.fails[verb]}}
            return Reply([json.dumps(event)], 255, self.fails[verb])
        return {
            "version": lambda: Reply(["v3.250.0"]),
            "stack export": self._export,
            "stack init": Reply,
            "stack import": self._import,
            "preview": self._preview,
            "up": self._up,
            "destroy": self._destroy,
        }[verb]()

    def urn(self, host: str) -> str:
        """Return the URN of a host."""
        kind = "citadel:index:Fleet$citadel-local:index:Host"
        return f"urn:pulumi:{self.fleet.environment}::citadel::{kind}::{host}"

    def _export(self) -> Reply:
        if not self.made:
            return Reply(code=255, error="error: no stack named 'x' found")
        stack = {"type": "pulumi:pulumi:Stack", "urn": "urn", "outputs": {"fleet": self._outputs()}}
        hosts = [
            {"type": "citadel-local:index:Host", "urn": self.urn(host), "custom": True}
            for host in self.fleet.hosts
        ]
        deployment = {"resources": [stack, *hosts], "pending_operations": self.pending}
        return Reply([json.dumps({"deployment": deployment})])

    def _import(self) -> Reply:
        self.pending = []
        return Reply()

    def _outputs(self) -> dict[str, Any]:
        return self.fleet.model_dump(mode="json")

    def _preview(self) -> Reply:
        steps = [
            {
                "op": "create",
                "urn": self.urn(host),
                "newState": {"custom": True, "type": "citadel-local:index:Host"},
            }
            for host in self.steps
        ]
        return Reply([json.dumps({"steps": steps, "changeSummary": {"create": len(steps)}})])

    def _up(self) -> Reply:
        made = "same" if self.made else "create"
        events: list[dict[str, Any]] = [
            {
                "resourcePreEvent": {
                    "metadata": {
                        "op": made,
                        "urn": self.urn(host),
                        "type": "citadel-local:index:Host",
                    }
                }
            }
            for host in self.fleet.hosts
        ]
        events.append({"summaryEvent": {"resourceChanges": {made: len(self.fleet.hosts)}}})
        self.made = not self.interrupted
        stop = [KeyboardInterrupt()] if self.interrupted else []
        return Reply([*(json.dumps(event) for event in events[:1]), *stop,
                      *(json.dumps(event) for event in events[1:])])  # fmt: skip

    def _destroy(self) -> Reply:
        self.made = False
        return Reply()


@dataclass
class Playbook:
    """ansible-playbook, for one site.

    Attributes:
        hosts: Names of the hosts.
        changes: What it changes, or would: host → lines.
        failure: What its task on the first host fails with.
        away: Hosts that do not answer.
    """

    hosts: Sequence[str]
    changes: dict[str, list[str]] = field(default_factory=dict)
    failure: str = ""
    away: Sequence[str] = ()

    def __call__(self, _words: Sequence[str], _stdin: str) -> Reply:
        """Answer one command line."""
        common = {"role": "base", "task": "base : Apply the bundle", "message": "", "summary": []}
        events: list[dict[str, Any]] = [{"event": "start", **common}]
        for host in self.hosts:
            kind = "unreachable" if host in self.away else "ok"
            lines = self.changes.get(host, [])
            result = {"event": kind, "host": host, "changed": bool(lines), "summary": lines}
            events.append(common | result)
        if self.failure:
            told = {"event": "failed", "host": self.hosts[0], "message": self.failure}
            events.append(common | told | {"changed": False})
        events.append({"event": "recap", "hosts": {host: {} for host in self.hosts}})
        code = 2 if self.failure or self.away else 0
        return Reply([json.dumps(event) for event in events], code)


@dataclass
class Shells:
    """ssh: hosts by the ports of their SSH endpoints.

    Attributes:
        fleet: The hosts.
        units: Host → rows that its probe prints.
        journal: Lines that journalctl prints.
        away: Hosts that do not answer.
        broken: Host → what its commands fail with.
        noise: Host → what its commands print in place of what was asked for.
    """

    fleet: FleetOutputs
    units: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    broken: dict[str, str] = field(default_factory=dict)
    noise: dict[str, str] = field(default_factory=dict)

    def __call__(self, words: Sequence[str], _stdin: str) -> Reply:
        """Answer one command line."""
        host = self.host(words)
        if host in self.away:
            return Reply(code=255, error="Connection timed out")
        if host in self.broken:
            return Reply(code=1, error=self.broken[host])
        if host in self.noise:
            return Reply([self.noise[host]])
        if "journalctl" in words[-1]:
            return Reply(self.journal)
        return Reply([json.dumps(self.units[host])])

    def host(self, words: Sequence[str]) -> str:
        """Return the host that a command line goes to."""
        port = int(words[list(words).index("-p") + 1])
        return next(name for name, host in self.fleet.hosts.items() if host.ssh.port == port)


def unit(service: str, *, active: str = "active", health: str = "ok") -> dict[str, Any]:
    """Return one row of a probe."""
    return {
        "service": service,
        "unit": f"citadel-{service}.service",
        "active": active,
        "memory_bytes": 32 << 20,
        "restarts": 0,
        "health": health,
    }
