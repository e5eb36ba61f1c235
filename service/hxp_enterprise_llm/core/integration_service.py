"""The base of services that stand for something outside: a database, a cache, Prometheus."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import ClassVar, Generic, TypeVar, Unpack

from pydantic import Field

from hxp_enterprise_llm.core.exceptions import BreakerOpenError, DependencyError, UnreachableError
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.core.link import Link
from hxp_enterprise_llm.core.service import BaseService, ConfigT, ServiceOptions
from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds

ConnectionT = TypeVar("ConnectionT")
T = TypeVar("T")
_CAUSE = "connection"


class ConnectionPolicy(CitadelModel):
    """How a connection is made and watched."""

    connect_timeout: Seconds = Field(default=10.0, gt=0, description="One try may take so long.")
    ping_interval: Seconds = Field(default=15.0, gt=0, description="Pause between two pings.")
    ping_timeout: Seconds = Field(default=5.0, gt=0, description="A ping may take so long.")
    required: bool = Field(
        default=True, description="Starting fails without it; otherwise the service is degraded."
    )


class BaseIntegrationService(BaseService[ConfigT], ABC, Generic[ConfigT, ConnectionT]):
    """A service outside, with its connection managed.

    A subclass writes `connect`, `ping` and `disconnect`, names its `failures`, and does its work
    through `call`. The connection is tried again at the start, watched, and made anew when it is
    lost; meanwhile the service is degraded and calls fail at once.

    Args:
        config: The service's configuration, frozen.
        connection: How the connection is made and watched.
        options: As `BaseService` takes them.
    """

    failures: ClassVar[tuple[type[Exception], ...]] = (OSError, TimeoutError, UnreachableError)
    """Errors that mean: it is away. Others mean: it answered, and we asked wrongly."""

    def __init__(
        self,
        config: ConfigT,
        *,
        connection: ConnectionPolicy | None = None,
        **options: Unpack[ServiceOptions],
    ) -> None:
        super().__init__(config, **options)
        self._connecting = connection or ConnectionPolicy()
        self._link: Link[ConnectionT] | None = None
        self._doubt = asyncio.Event()
        self._guard = self.breaker(self.name, counts=self._is_failure)

    @abstractmethod
    async def connect(self, config: ConfigT) -> ConnectionT:
        """Return a new connection."""

    @abstractmethod
    async def ping(self, connection: ConnectionT) -> None:
        """Return when the connection works; raise when it does not."""

    @abstractmethod
    async def disconnect(self, connection: ConnectionT) -> None:
        """Close a connection, also a broken one."""

    def validate(self, config: ConfigT) -> None:
        """Refuse a configuration that the model accepts but this service cannot work with.

        Raises:
            InvalidConfigurationError: Says which value, and what to write.
        """

    async def call(
        self,
        operation: Callable[[ConnectionT], Awaitable[T]],
        *,
        name: str = "call",
        repeat: bool = False,
    ) -> T:
        """Run one operation on the connection, under the breaker.

        Args:
            operation: Gets the connection.
            name: Its name in logs and metrics; few different ones.
            repeat: Try again as the policy says; only for what is safe to repeat.

        Raises:
            DependencyError: It is away, or the breaker holds calls back.
            Exception: Whatever else the operation raises.
        """
        try:
            if not repeat:
                return await self._once(operation)
            return await self.retrier.call(name, lambda: self._once(operation), on=self._worth)
        except self.failures as error:
            if isinstance(error, DependencyError):
                raise
            raise self._away(error) from error

    async def on_start(self, resources: AsyncExitStack) -> None:
        """Connect and begin to watch the connection."""
        self.validate(self.config)
        resources.push_async_callback(self._close)
        try:
            self._link = await self.retrier.call(
                "connect", lambda: self._open(self.config), on=self._worth
            )
        except self.failures as error:
            if self._connecting.required:
                raise self._away(error) from error
            self._lost(error)
        self.checks.add(Check(_CAUSE, self._probe, timeout=self._connecting.ping_timeout))
        self.background.keep("watch of the connection", self._watch)

    async def on_drain(self) -> None:
        """Wait until no operation uses the connection."""
        if self._link is not None:
            await self._link.idle()

    async def on_prepare(self, config: ConfigT) -> Link[ConnectionT]:
        """Connect by the new configuration, beside the connection in use."""
        self.validate(config)
        try:
            return await self._open(config)
        except self.failures as error:
            raise self._away(error) from error

    def on_commit(self, built: Link[ConnectionT]) -> None:
        """Use the new connection; the old one is closed when its operations are done."""
        old = self._link
        self._up(built)
        if old is not None:
            self.background.once("disconnect", lambda: self._retire(old))

    async def on_abandon(self, built: Link[ConnectionT]) -> None:
        """Close the connection that is not needed."""
        await self.disconnect(built.connection)

    async def _once(self, operation: Callable[[ConnectionT], Awaitable[T]]) -> T:
        link = self._link
        if link is None:
            raise DependencyError(
                f"{self.name} is not connected: {self.causes.get(_CAUSE, self.state.value)}",
                next_step=f"Look at {self.name}; the connection is tried again by itself.",
            )
        try:
            with self._guard.permit(), link.used():
                return await operation(link.connection)
        except self.failures as error:
            if not isinstance(error, BreakerOpenError):
                self._doubt.set()
            raise

    async def _open(self, config: ConfigT) -> Link[ConnectionT]:
        connection: ConnectionT | None = None
        try:
            async with asyncio.timeout(self._connecting.connect_timeout):
                connection = await self.connect(config)
                await self.ping(connection)
        except BaseException:
            if connection is not None:
                await self.disconnect(connection)
            raise
        return Link(connection)

    async def _watch(self) -> None:
        while True:
            if self._link is None:
                await self._reconnect()
            await self._wait()
            try:
                await self._probe()
            except Exception as error:
                await self._give_up(error)

    async def _wait(self) -> None:
        """Wait for the next ping: its time, or a call that failed."""
        try:
            async with asyncio.timeout(self._connecting.ping_interval):
                await self._doubt.wait()
        except TimeoutError:
            return
        self._doubt.clear()

    async def _probe(self) -> None:
        if self._link is None:
            raise DependencyError(f"not connected: {self.causes.get(_CAUSE, 'not yet')}")
        async with asyncio.timeout(self._connecting.ping_timeout):
            await self.ping(self._link.connection)

    async def _give_up(self, error: Exception) -> None:
        link, self._link = self._link, None
        self._lost(error)
        if link is not None:
            await self._discard(link)

    async def _reconnect(self) -> None:
        failed = 0
        while self._link is None:
            try:
                link = await self._open(self.config)
            except Exception as error:
                failed += 1
                self._lost(error)
                await asyncio.sleep(self.retrier.pause(failed))
                continue
            if self._link is None:
                self._up(link)
            else:
                # A reload was faster.
                await self._discard(link)
        self.log.info("connected")

    def _up(self, link: Link[ConnectionT]) -> None:
        self._link = link
        self._guard.reset()
        self._doubt.clear()
        self.recover(_CAUSE)

    def _lost(self, error: Exception) -> None:
        reason = self.faults.safe(self._known(error), "connection").message
        self.log.warning("not-connected", reason=reason)
        self.degrade(_CAUSE, reason)

    async def _retire(self, link: Link[ConnectionT]) -> None:
        try:
            async with asyncio.timeout(self.policy.drain_timeout):
                await link.idle()
        finally:
            await self._discard(link)

    async def _discard(self, link: Link[ConnectionT]) -> None:
        try:
            async with asyncio.timeout(self._connecting.connect_timeout):
                await self.disconnect(link.connection)
        except Exception as error:
            self.faults.report(error, "disconnect")

    async def _close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await self._discard(link)

    def _is_failure(self, error: Exception) -> bool:
        return isinstance(error, self.failures)

    def _worth(self, error: Exception) -> bool:
        # While the breaker is open, another try only adds to the wait.
        return self._is_failure(error) and not isinstance(error, BreakerOpenError)

    def _known(self, error: Exception) -> Exception:
        return self._away(error) if self._is_failure(error) else error

    def _away(self, error: Exception) -> DependencyError:
        if isinstance(error, DependencyError):
            return error
        text = str(error) or "no answer in time"
        return DependencyError(
            f"{self.name} is away: {type(error).__name__}: {text}",
            next_step=f"Look at {self.name} and the way to it; it is tried again by itself.",
        )
