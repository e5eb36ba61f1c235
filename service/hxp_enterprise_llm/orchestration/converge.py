"""Make the hosts right: runs playbooks/site.yml and says what it did."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.utilities.process import CommandError, own, stream
from hxp_enterprise_llm.utilities.report import Report

_PREFLIGHT = "Validating arguments"


@dataclass(frozen=True)
class Change:
    """One task that changed something on a host."""

    host: str
    role: str
    task: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class ConvergeSummary:
    """What a converge did."""

    hosts: int
    roles: int
    changes: tuple[Change, ...]

    @property
    def changed(self) -> bool:
        """Return whether anything on any host was changed."""
        return bool(self.changes)

    @property
    def summary(self) -> str:
        """Return the one line that people see."""
        details = sum(max(len(change.details), 1) for change in self.changes)
        text = f"{self.roles} roles on {self.hosts} hosts"
        return f"{text}: {details} changes" if self.changes else text


@dataclass
class _Log:
    report: Report
    changes: list[Change] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    unreachable: list[dict[str, Any]] = field(default_factory=list)
    roles: set[tuple[str, str]] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    other: list[str] = field(default_factory=list)

    def line(self, line: str) -> None:
        """Take one line of ansible-playbook: an event, or text that is kept for errors."""
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, TypeError, KeyError):
            self.other.append(line)
            return
        if kind == "start":
            self._start(event["role"], event["task"].removeprefix(f"{event['role']} : "))
        elif kind == "recap":
            self.hosts |= set(event["hosts"])
        else:
            self._result(kind, event)

    def _start(self, role: str, task: str) -> None:
        if not task.startswith(_PREFLIGHT):
            self.report(f"{role}: {task[:1].lower()}{task[1:]}" if role else task)

    def _result(self, kind: str, event: dict[str, Any]) -> None:
        if event["role"]:
            self.roles.add((event["host"], event["role"]))
        if kind == "failed":
            self.failures.append(event)
        elif kind == "unreachable":
            self.unreachable.append(event)
        elif event["changed"]:
            details = tuple(str(detail) for detail in event["summary"])
            self.changes.append(Change(event["host"], event["role"], event["task"], details))


def converge(
    loaded: LoadedEnvironment,
    *,
    limit: str | None = None,
    tags: str | None = None,
    check: bool = False,
    report: Report,
) -> ConvergeSummary:
    """Run site.yml over the hosts of an environment.

    Args:
        loaded: The environment; its file is the inventory.
        limit: Ansible host pattern.
        tags: Roles, parted by commas.
        check: Only say what would change.
        report: Takes what is done now.

    Raises:
        UnreachableError: A host does not answer.
        CitadelError: A task failed; names host, role, reason and the next step.
    """
    log = _Log(report)
    flags = [
        *(("--limit", limit) if limit else ()),
        *(("--tags", tags) if tags else ()),
        *(("--check",) if check else ()),
    ]
    program = own("ansible-playbook")
    try:
        stream(
            [program, "playbooks/site.yml", "-i", str(loaded.path.resolve()), *flags],
            log.line,
            env=os.environ | {"ANSIBLE_STDOUT_CALLBACK": "citadel_events"},
            cwd=checkout(),
        )
    except CommandError as error:
        raise _error(loaded.name, log, error) from None
    return ConvergeSummary(len(log.hosts), len(log.roles), tuple(log.changes))


def _error(name: str, log: _Log, error: CommandError) -> CitadelError:
    if log.failures:
        texts = [_failure(event) for event in log.failures]
        host, role = log.failures[0]["host"], log.failures[0]["role"]
        logs = f"citadel logs {name} {role} --host {host}, mend that, and run: citadel up {name}"
        step = log.failures[0].get("next_step") or logs
        return CitadelError("\n".join(texts), next_step=step)
    if log.unreachable:
        texts = [f"{event['host']}: {event['message']}" for event in log.unreachable]
        return UnreachableError(
            "hosts do not answer:\n" + "\n".join(texts), next_step=f"run: citadel up {name}"
        )
    text = "\n".join(log.other[-20:]) or error.message
    return CitadelError(f"ansible-playbook failed:\n{text}", next_step=f"run: citadel up {name}")


def _failure(event: dict[str, Any]) -> str:
    task = event["task"].removeprefix(f"{event['role']} : ")
    return f"{event['host']}: role {event['role'] or 'site'}: {task} failed\n{event['message']}"
