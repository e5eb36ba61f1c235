"""The base of every service: lifecycle, health, metrics, reload, logs, retry and breaker, given."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypedDict, TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.core.condition import Condition
from hxp_enterprise_llm.core.exceptions import CitadelError, LifecycleError, StartTimeoutError
from hxp_enterprise_llm.core.health import Checks, Health, overall
from hxp_enterprise_llm.core.lifecycle import Lifecycle, State
from hxp_enterprise_llm.core.metrics import MetricsRegistry, ServiceMetrics
from hxp_enterprise_llm.core.policy import ServicePolicy
from hxp_enterprise_llm.core.reload import Prepared
from hxp_enterprise_llm.core.run import Run
from hxp_enterprise_llm.core.tasks import Background
from hxp_enterprise_llm.core.telling import Telling
from hxp_enterprise_llm.utilities.breaker import Breaker
from hxp_enterprise_llm.utilities.retry import Retrier

if TYPE_CHECKING:
    from hxp_enterprise_llm.utilities.faults import Faults
    from hxp_enterprise_llm.utilities.logging import Logger
    from hxp_enterprise_llm.utilities.redaction import Redactor

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class ServiceOptions(TypedDict, total=False):
    """What every service takes beside its configuration; see `BaseService`."""

    name: str
    policy: ServicePolicy | None
    logger: Logger | None
    metrics: MetricsRegistry | None
    redactor: Redactor | None
    clock: Callable[[], float]


STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class BaseService(ABC, Generic[ConfigT]):
    """One service: started, watched, reloaded and stopped the same way as all others.

    A subclass writes `on_start` and, where it has more to say, `on_drain`, `on_prepare`,
    `on_commit` and `on_abandon`. All of them run in one task of the service's own, so that what
    was entered there is left there. What a subclass needs comes through its constructor.

    Args:
        config: The service's configuration, frozen.
        name: Tells services of one class apart; the class's `kind` when not given.
        policy: Times, tries and breaker.
        logger: The service's logger; one of its own when not given.
        metrics: Registry that the process exposes; one of its own when not given.
        redactor: Takes secrets out of errors: the one of the process's logs, which learns values.
        clock: Seconds that never go backwards.

    Attributes:
        lifecycle: Where it stands; may be observed.
        checks: Its health checks.
        background: Its background work.
        retrier: Tries calls again, by the policy.
    """

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" not in cls.__dict__:
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__.removesuffix("Service"))
            cls.kind = words.lower()

    def __init__(
        self,
        config: ConfigT,
        *,
        name: str = "",
        policy: ServicePolicy | None = None,
        logger: Logger | None = None,
        metrics: MetricsRegistry | None = None,
        redactor: Redactor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self.name = config, name or self.kind
        self.policy, self.clock = policy or ServicePolicy(), clock
        self.metrics = metrics or MetricsRegistry()
        telling = self._telling = Telling(
            self.name, logger=logger, metrics=self.metrics, redactor=redactor
        )
        self.lifecycle = Lifecycle(
            self.name, clock=clock, on_observer_error=telling.observer_failed
        )
        self.lifecycle.observe(telling.moved)
        self.retrier = Retrier(self.policy.retry, on_retry=telling.retried, clock=clock)
        self.checks = Checks(explain=telling.check_failed, on_result=telling.checked, clock=clock)
        self.background = Background(
            retrier=self.retrier, on_failure=self._work_failed, on_return=self.recover, clock=clock
        )
        self._condition = Condition(self.lifecycle, self.checks)
        self._reloading = asyncio.Lock()
        self._run = Run()

    # What a subclass writes.

    @abstractmethod
    async def on_start(self, resources: AsyncExitStack) -> None:
        """Acquire what the service needs; return when it can take work.

        Args:
            resources: Enter or push each resource right after it was acquired. They are left in
                reverse order when the service stops, and also when starting fails or is cancelled.
        """

    async def on_drain(self) -> None:
        """Take no new work, and return when the work in progress is done."""

    async def on_prepare(self, config: ConfigT) -> Any:
        """Build and probe what a new configuration needs, beside what is in use.

        Returns:
            What `on_commit` or `on_abandon` gets.
        """

    def on_commit(self, built: Any) -> None:
        """Put what was built into use; it must neither wait nor fail."""

    async def on_abandon(self, built: Any) -> None:
        """Throw away what was built: the new configuration does not come into force."""

    # What it is.

    @property
    def config(self) -> ConfigT:
        """Return the configuration in force."""
        return self._config

    @property
    def state(self) -> State:
        """Return where the lifecycle stands."""
        return self.lifecycle.state

    @property
    def causes(self) -> Mapping[str, str]:
        """Return why the service is degraded: cause and reason."""
        return self._condition.causes

    @property
    def log(self) -> Logger:
        """Return the service's logger."""
        return self._telling.log

    @property
    def series(self) -> ServiceMetrics:
        """Return the series that every service has."""
        return self._telling.series

    @property
    def faults(self) -> Faults:
        """Return what logs and counts the service's errors."""
        return self._telling.faults

    # What is done with it.

    async def start(self) -> None:
        """Start, and return when the service is ready or degraded.

        When this fails or is cancelled, everything that was started is stopped again first; what
        does not end within the stop timeout is cut short, then given up, which is logged.

        Raises:
            LifecycleError: The service runs already, or was stopped meanwhile.
            StartTimeoutError: It was not ready in time.
            CitadelError: What it depends on is missing or wrong.
        """
        self.lifecycle.move(State.STARTING)
        self._condition.begin()
        run = self._run = Run()
        run.task = asyncio.create_task(self._main(run), name=f"service {self.name}")
        run.task.add_done_callback(lambda _: self._ended(run))
        self._bound(run, self.policy.start_timeout + self.policy.stop_timeout)
        try:
            await self.lifecycle.wait_for(State.READY, State.DEGRADED, State.STOPPED)
        except asyncio.CancelledError:
            run.task.cancel()
            self._bound(run, self.policy.stop_timeout)
            await run.ended()
            raise
        if run.error is not None:
            raise run.error
        if not self.lifecycle.serving:
            raise LifecycleError(
                f"service {self.name} was stopped while it started", next_step="Start it again."
            )

    async def drain(self) -> None:
        """Take no new work; return when the work in progress is done, or its time is over.

        Raises:
            LifecycleError: The service does not run.
        """
        if not self.lifecycle.serving and self.state is not State.DRAINING:
            raise LifecycleError(
                f"service {self.name} is {self.state}: there is nothing to drain",
                next_step="Start it first.",
            )
        self._run.drain_asked.set()
        await self._run.drained.wait()

    async def stop(self) -> None:
        """Drain and stop; does nothing to a service that does not run.

        Returns only when everything is stopped, also when the caller is cancelled meanwhile. What
        does not end in time is cut short, then given up, which is logged.

        Raises:
            LifecycleError: Called from the service's own work, which would wait for itself.
        """
        run, caller = self._run, asyncio.current_task()
        if caller is run.task or self.background.owns(caller):
            raise LifecycleError(
                f"service {self.name} cannot wait for its own end",
                next_step="Call ask_stop() from within the service.",
            )
        if run.task is None:
            if self.state is State.CREATED:
                self.lifecycle.move(State.STOPPED)
            return
        if not run.over:
            # Of a start, nothing is to be drained.
            drain = 0.0 if self.state is State.STARTING else self.policy.drain_timeout
            self._bound(run, drain + self.policy.stop_timeout)
        self._ask(run)
        await run.ended()

    def ask_stop(self) -> None:
        """Begin to stop without waiting; when it drains already, cut that short."""
        run = self._run
        draining = self.state is State.DRAINING and not run.drained.is_set()
        hurried = draining and run.stop_asked.is_set()
        self._ask(run)
        if hurried and run.task is not None:
            run.task.cancel()

    async def run_until_signal(self, signals: Collection[signal.Signals] = STOP_SIGNALS) -> None:
        """Start, serve until a signal or `ask_stop`, and stop; a second signal cuts draining short.

        Raises:
            CitadelError: The service could not start.
        """
        loop = asyncio.get_running_loop()
        for one in signals:
            loop.add_signal_handler(one, self.ask_stop)
        try:
            await self._serve()
        finally:
            try:
                await self.stop()
            finally:
                for one in signals:
                    loop.remove_signal_handler(one)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def health(self) -> Health:
        """Run all health checks and return what they and the state come to."""
        results = await self.checks.run()
        return Health(self.name, self.state, overall(self.state, results), results)

    def degrade(self, cause: str, reason: str) -> None:
        """Say that the service works, but not fully; the same cause may say so again."""
        self._condition.degrade(cause, reason)

    def recover(self, cause: str) -> None:
        """Say that a cause of degradation is gone; with the last one the service is ready."""
        self._condition.recover(cause)

    def rely_on(self, other: BaseService[Any]) -> None:
        """Be degraded as long as another service is not ready; its health is a check of this."""
        self._condition.rely_on(other.lifecycle)

    def breaker(self, dependency: str, *, counts: Callable[[Exception], bool]) -> Breaker:
        """Return a new circuit breaker for a dependency; its state is a metric.

        Args:
            dependency: Its name; a metric's label.
            counts: Tells whether an error is the dependency's failure.
        """
        return Breaker(
            dependency,
            self.policy.breaker,
            counts=counts,
            on_change=lambda state: self.series.breaker(dependency, state),
            clock=self.clock,
        )

    # Reload, in two phases: nothing of a refused configuration is ever in force.

    async def prepare(self, config: ConfigT) -> Prepared[ConfigT]:
        """Build what a new configuration needs; the old one stays in force.

        While the service starts, this waits until it is up, or is not: what starts has read the
        old configuration already.

        Raises:
            LifecycleError: The service drains.
            CitadelError: The service cannot work with it.
        """
        try:
            await self._started()
            if not self.lifecycle.serving:
                return Prepared(config)
            run = self._run
            return Prepared(config, await self.on_prepare(config), run)
        except Exception:
            self.series.reloaded("refused")
            raise

    def commit(self, prepared: Prepared[ConfigT]) -> None:
        """Put a prepared configuration in force.

        Raises:
            LifecycleError: The service was started since, or drains: what was built is thrown
                away; prepare the configuration again.
        """
        ours = prepared.run is self._run
        if prepared.live and not (ours and self.lifecycle.serving):
            self.background.once("abandon", lambda: self.on_abandon(prepared.built))
        if self.lifecycle.serving and not ours:
            raise LifecycleError(
                f"service {self.name} was started after its configuration was prepared",
                next_step="Reload it again.",
            )
        if self.state in {State.STARTING, State.DRAINING}:
            raise self._moving("Reload it when it is ready, or start it again.")
        if self.lifecycle.serving:
            self.on_commit(prepared.built)
        self._config = prepared.config
        self.series.reloaded("applied")
        self.log.info("reloaded")

    async def abandon(self, prepared: Prepared[ConfigT]) -> None:
        """Throw a prepared configuration away."""
        self.series.reloaded("refused")
        if prepared.live:
            await self.on_abandon(prepared.built)

    async def reload(self, config: ConfigT) -> None:
        """Replace the configuration of the running service, or leave everything as it is.

        Raises:
            CitadelError: The service cannot work with it; the old one stays in force.
        """
        async with self._reloading:
            self.commit(await self.prepare(config))

    # How it works.

    async def _started(self) -> None:
        if self.state is State.STARTING:
            await self.lifecycle.wait_for(State.READY, State.DEGRADED, State.STOPPED)
        if self.state is State.DRAINING:
            raise self._moving("Start it again: it reads its configuration then.")

    def _moving(self, next_step: str) -> LifecycleError:
        return LifecycleError(
            f"service {self.name} is {self.state}: it takes no configuration now",
            next_step=next_step,
        )

    async def _main(self, run: Run) -> None:
        try:
            async with AsyncExitStack() as resources:
                resources.push_async_callback(self._close_work, run)
                await self._begin(run, resources)
                run.unbound()
                self.lifecycle.move(
                    State.DEGRADED if self.causes else State.READY, "; ".join(self.causes)
                )
                self.log.info("started", state=self.state.value)
                await run.drain_asked.wait()
                self.lifecycle.move(State.DRAINING)
                await self._drain()
                run.drained.set()
                await run.stop_asked.wait()
        except Exception as error:
            if error is not run.error:
                self.faults.report(error, "stop")

    async def _begin(self, run: Run, resources: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(self.policy.start_timeout) as limit:
                await self.on_start(resources)
            if run.over:
                # It was given up; whoever swallowed the cancellation has acquired for nobody.
                raise asyncio.CancelledError  # noqa: TRY301
        except Exception as error:
            if not run.over:
                self._bound(run, self.policy.stop_timeout)
            # Kept here: a resource that fails to close would take its place.
            run.error = self._late() if limit.expired() else error
            run.reason = self.faults.report(run.error, "start").message
            raise run.error from error.__cause__

    async def _close_work(self, run: Run) -> None:
        # A run that was given up may close long after the next one began.
        if not run.over:
            await self.background.close()

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self.policy.drain_timeout):
                await self.on_drain()
        except TimeoutError:
            self.log.warning("drain-cut-short", after=self.policy.drain_timeout)
        except Exception as error:
            self.faults.report(error, "drain")

    async def _serve(self) -> None:
        try:
            await self.start()
        except LifecycleError:
            # A signal came while it started: that is no failure.
            if not self._run.stop_asked.is_set():
                raise
        await self._run.stop_asked.wait()

    def _ask(self, run: Run) -> None:
        run.ask_stop()
        if self.state is State.STARTING and run.task is not None:
            run.task.cancel()

    def _ended(self, run: Run) -> None:
        """Come to rest, however the service's task ended; it may never have begun."""
        if run.over:
            return
        if self.lifecycle.serving:
            self.lifecycle.move(State.DRAINING, "cut short")
        self.lifecycle.move(State.STOPPED, run.reason)
        self._condition.end()
        run.release()
        self.log.info("stopped")

    def _bound(self, run: Run, patience: float) -> None:
        run.bound(
            patience,
            grace=self.policy.stop_timeout,
            on_forced=lambda after: self.log.error("stop-forced", after=after),
            on_given_up=lambda: self._end_without(run),
        )

    def _end_without(self, run: Run) -> None:
        """Come to rest without what neither ends nor lets itself be cancelled."""
        self.log.error("stop-given-up", state=self.state.value)
        if self.state is State.STARTING and run.error is None and not run.stop_asked.is_set():
            run.error = self._late()
            run.reason = run.error.message
        self.background.cancel()
        self._ended(run)

    def _late(self) -> CitadelError:
        waited = "".join(f"; {cause}: {reason}" for cause, reason in self.causes.items())
        return StartTimeoutError(
            f"service {self.name} was not ready within {self.policy.start_timeout:g} s{waited}",
            next_step="See its log for what it waited for.",
        )

    def _work_failed(self, name: str, error: Exception, again: bool) -> None:  # noqa: FBT001
        reason = self.faults.report(error, name).message
        if again:
            self.degrade(name, reason)
