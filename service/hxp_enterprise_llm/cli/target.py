"""What most commands start from: an environment, its fleet, and ways to reach it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.core.exceptions import UnreachableError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
    from hxp_enterprise_llm.orchestration.remote import Remote
    from hxp_enterprise_llm.orchestration.stack import Stack
    from hxp_enterprise_llm.schemas.outputs import FleetOutputs

EnvironmentArgument = Annotated[
    str, typer.Argument(help="Name in stacks/environments/, or a path to a .yaml file.")
]


@dataclass(frozen=True)
class Target:
    """An environment that a command works on; the engine is asked only when it is needed."""

    loaded: LoadedEnvironment

    @property
    def name(self) -> str:
        """Return the environment's name."""
        return self.loaded.name

    @cached_property
    def state(self) -> Path:
        """Return the environment's state folder.

        Raises:
            RefusedError: The environment belongs to another file of the same name.
        """
        from hxp_enterprise_llm.orchestration.ownership import refuse_other
        from hxp_enterprise_llm.orchestration.paths import environment_state

        refuse_other(self.loaded)
        return environment_state(self.name)

    @cached_property
    def stack(self) -> Stack:
        """Return the stack, with whichever engine the toolchain finds."""
        from hxp_enterprise_llm.orchestration.stack import Stack
        from hxp_enterprise_llm.orchestration.toolchain import ensure

        return Stack(self.loaded, ensure(lambda _: None))

    @cached_property
    def fleet(self) -> FleetOutputs:
        """Return the stack's outputs.

        Raises:
            UnreachableError: The stack was never brought up.
        """
        outputs = self.stack.outputs()
        if outputs is None:
            raise UnreachableError(
                f"environment {self.name} has no stack yet",
                next_step=f"run: citadel up {self.name}",
            )
        return outputs

    @contextmanager
    def alone(self, verb: str) -> Iterator[None]:
        """Hold the environment's lock.

        Args:
            verb: The command that holds it, such as `up`.

        Raises:
            RefusedError: The environment belongs to another file of the same name.
            CitadelError: Somebody else holds it; the text names who, since when and for what.
        """
        from hxp_enterprise_llm.orchestration.lock import exclusive
        from hxp_enterprise_llm.orchestration.ownership import refuse_other

        refuse_other(self.loaded)
        with exclusive(
            self.name, f"citadel {verb} {self.name}", lambda text: typer.echo(text, err=True)
        ):
            yield

    def refuse_unresolved(self) -> None:
        """Refuse references to secrets that have no value here.

        Raises:
            RefusedError: All of them, with the places of their keys.
        """
        from hxp_enterprise_llm.configuration.secrets import refuse_unresolved

        refuse_unresolved(self.loaded, self.state)

    def remote(self) -> Remote:
        """Return SSH access to the hosts."""
        from hxp_enterprise_llm.orchestration.remote import Remote

        return Remote(self.fleet, self.state)

    def key(self) -> str:
        """Return the first virtual key of the gateway.

        Raises:
            RefusedError: It has no value here; names the place of its key.
        """
        from hxp_enterprise_llm.configuration.secrets import Secrets, refuse_unresolved

        path = ("infrastructure_services", "api_gateway", "key")
        refuse_unresolved(self.loaded, self.state, path)
        reference = self.loaded.environment.infrastructure_services.api_gateway.key
        return Secrets(self.state).resolve(reference).reveal()


def open_target(environment: str) -> Target:
    """Load and validate an environment.

    Raises:
        RefusedError: Its file has errors; all of them are named.
    """
    from hxp_enterprise_llm.configuration.loader import load

    return Target(load(environment))
