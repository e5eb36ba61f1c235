"""Standard output as JSON lines, one an event: what `citadel up` reads while a play runs."""

from __future__ import annotations

import json
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: citadel_events
type: stdout
short_description: JSON lines for citadel
description: One JSON document a line for each task result; values of no_log tasks are left out.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Prints an event for each task that starts or ends on a host, and the recap."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "citadel_events"

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002, FBT001
        """Tell that a task starts."""
        self._started[task._uuid] = time.monotonic()
        self._print(event="start", task=task.get_name(), role=_role(task))

    def v2_runner_on_ok(self, result: Any) -> None:
        """Tell that a task ended well."""
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002
        """Tell that a task failed."""
        self._result("ok" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Tell that a host does not answer."""
        self._result("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Tell the recap."""
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._print(event="recap", hosts=hosts)

    def _result(self, event: str, result: Any) -> None:
        task, values = result._task, result._result
        hidden = bool(values.get("_ansible_no_log"))
        seconds = time.monotonic() - self._started.get(task._uuid, time.monotonic())
        self._print(
            event=event,
            host=result._host.get_name(),
            role=_role(task),
            task=task.get_name(),
            changed=bool(values.get("changed")),
            message="" if hidden else str(values.get("msg", "")),
            next_step="" if hidden else str(values.get("next_step", "")),
            summary=[] if hidden else _summary(values),
            seconds=round(seconds, 3),
        )

    def _print(self, **event: Any) -> None:
        self._display.display(json.dumps(event, default=str))


def _role(task: Any) -> str:
    return task._role.get_name() if task._role else ""


def _summary(values: dict[str, Any]) -> list[str]:
    """Return what a task did, a short text for each: `update /etc/…`, `restart citadel-…`."""
    changes = [f"{change['action']} {change['path']}" for change in values.get("changes", ())]
    units = [f"{action} {name}" for name, action in (values.get("units") or {}).items()]
    packages = [f"install {name}" for name in values.get("packages") or ()]
    removed = [f"remove {service['service']}" for service in values.get("services") or ()]
    return [*changes, *units, *packages, *removed] if values.get("changed") else []
