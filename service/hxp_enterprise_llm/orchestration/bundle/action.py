"""What every action plugin does alike: its variables, its call of the host, its errors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from hxp_enterprise_llm.core.exceptions import CitadelError

Variables = Mapping[str, Any]
Result = dict[str, Any]


class CitadelAction(ActionBase):  # type: ignore[misc] # Ansible is not typed
    """An action whose expected errors are the task's failure, with their next step."""

    def run(self, tmp: None = None, task_vars: Variables | None = None) -> Result:
        """Return what `act` does, or why it failed."""
        variables = task_vars or {}
        result: Result = super().run(tmp, variables)
        try:
            return {**result, **self.act(variables)}
        except CitadelError as error:
            return {**result, "failed": True, "msg": error.message, "next_step": error.next_step}

    @abstractmethod
    def act(self, variables: Variables) -> Result:
        """Do the task on the host whose variables these are, and return its result.

        Raises:
            CitadelError: What is wrong and what to do.
        """

    def call(self, module: str, arguments: Result, variables: Variables) -> Result:
        """Run a module on the host and return its result."""
        done: Result = self._execute_module(module, arguments, task_vars=variables)
        return done
