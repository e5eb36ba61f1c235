"""What happens to an error: fail open or closed by a visible decorator, told safely, counted."""

from __future__ import annotations

import copy
import functools
import inspect
import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import Any, ParamSpec, Protocol, TypeVar, cast, runtime_checkable

from hxp_enterprise_llm.core.exceptions import CitadelError, UnexpectedError
from hxp_enterprise_llm.utilities.logging import Logger, get_logger
from hxp_enterprise_llm.utilities.redaction import Redactor

P = ParamSpec("P")
T = TypeVar("T")


class Handling(StrEnum):
    """What was done about an error."""

    OPEN = "failed-open"
    CLOSED = "failed-closed"
    REPORTED = "reported"


class Faults:
    """Logs and counts the errors of one service.

    Args:
        service: Its name.
        logger: Where errors are logged; the service's own logger when not given.
        count: Told the code of each error and what was done; for a metric.
        redactor: Takes secrets out of what people get to see.
        incident: Returns a new id for an error whose details only the log may hold.
    """

    def __init__(
        self,
        service: str,
        *,
        logger: Logger | None = None,
        count: Callable[[str, Handling], None] = lambda _, __: None,
        redactor: Redactor | None = None,
        incident: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        self._service, self._logger, self._count = service, logger, count
        self._redactor, self._incident = redactor or Redactor(), incident

    def report(
        self, error: Exception, name: str, *, handling: Handling = Handling.REPORTED
    ) -> CitadelError:
        """Log and count an error, and return it in a form that outsiders may see.

        Args:
            error: What happened.
            name: What was being done, such as `cache read`.
            handling: What is done about it.
        """
        shown = self.safe(error, name)
        log = (self._logger or get_logger(self._service)).bind(doing=name, handling=handling.value)
        if isinstance(error, CitadelError):
            log.warning("fault", **error.as_data())
        else:
            log.error("fault", **shown.as_data(), exc_info=error)
        self._count(shown.code, handling)
        return shown

    def safe(self, error: Exception, name: str) -> CitadelError:
        """Return an error that outsiders may see.

        Our own errors are written for people; only secrets are taken out. Of any other error the
        text may hold anything: an incident id stands for it.
        """
        if not isinstance(error, CitadelError):
            return UnexpectedError(self._incident(), name)
        clean = copy.copy(error)
        for field, value in vars(error).items():
            if isinstance(value, str):
                setattr(clean, field, self._redactor.text(value))
        clean.args = (clean.message, clean.next_step)
        return clean


@runtime_checkable
class HasFaults(Protocol):
    """What has its own `Faults`, as every service does."""

    faults: Faults


def fail_open(
    *, on: tuple[type[Exception], ...], returning: Any, name: str, faults: Faults | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function, async or not, whose failure must not stop its caller.

    Args:
        on: The errors that count as "away"; any other goes through.
        returning: What the caller gets in place of an answer.
        name: What is being done, for the log.
        faults: Who logs and counts; the `faults` of the method's object when not given.
    """

    def handle(error: Exception, arguments: tuple[Any, ...]) -> Any:
        _reporter(faults, arguments).report(error, name, handling=Handling.OPEN)
        return returning

    return _wrapped(on, handle)


def fail_closed(
    *, name: str, faults: Faults | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function, async or not, whose errors outsiders see: only safe ones get out.

    Args:
        name: What is being done, for the log and the message.
        faults: Who logs and counts; the `faults` of the method's object when not given.

    Raises:
        CitadelError: In place of any error of the function.
    """

    def handle(error: Exception, arguments: tuple[Any, ...]) -> Any:
        shown = _reporter(faults, arguments).report(error, name, handling=Handling.CLOSED)
        # The cause stays in the log: a renderer of errors may follow `__cause__`.
        raise shown from None

    return _wrapped((Exception,), handle)


def _wrapped(
    on: tuple[type[Exception], ...], handle: Callable[[Exception, tuple[Any, ...]], Any]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                try:
                    return await function(*args, **kwargs)
                except on as error:
                    return handle(error, args)

            return cast("Callable[P, T]", awaited)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except on as error:
                return cast("T", handle(error, args))

        return called

    return decorate


def _reporter(given: Faults | None, arguments: tuple[Any, ...]) -> Faults:
    if given is not None:
        return given
    if arguments and isinstance(arguments[0], HasFaults):
        return arguments[0].faults
    return Faults("faults")
