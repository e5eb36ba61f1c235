"""What stands around every route of the API: a key, a decision, a record, an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from hxp_enterprise_llm.configuration.security.errors import ForbiddenError
from hxp_enterprise_llm.configuration.service.answers import problem_of
from hxp_enterprise_llm.configuration.service.bodies import Handler, JsonRoute
from hxp_enterprise_llm.configuration.service.door import Call
from hxp_enterprise_llm.configuration.service.errors import UnauthenticatedError
from hxp_enterprise_llm.configuration.service.stream import EventStream
from hxp_enterprise_llm.utilities.correlation import REQUEST_ID, accept, bound, current

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.service.parts import Parts


def parts_of(request: Request) -> Parts:
    """Return the parts of the running service."""
    parts: Parts = request.app.state.parts
    return parts


def call_of(request: Request) -> Call:
    """Return the call of a request that came in."""
    call: Call = request.state.call
    return call


Within = Annotated["Parts", Depends(parts_of)]
Caller = Annotated[Call, Depends(call_of)]


class GuardedRoute(JsonRoute):
    """A route that lets nothing out unless a permission was asked for, and given."""

    def get_route_handler(self) -> Handler:
        """Return the handler with the guard around it."""
        inner, name, path = super().get_route_handler(), self.name, self.path

        async def guarded(request: Request) -> Response:
            parts, began = parts_of(request), time.perf_counter()
            with bound(accept(dict(request.headers))) as correlation:
                response = await _guarded(parts, request, inner, name)
                response.headers[REQUEST_ID] = correlation.request_id
            seconds = time.perf_counter() - began
            parts.requests.answered(path, request.method, response.status_code, seconds)
            return response

        return guarded


async def _guarded(parts: Parts, request: Request, inner: Handler, name: str) -> Response:
    call: Call | None = None
    error: Exception | None = None
    try:
        call = await parts.door.enter(request.headers.getlist("authorization"))
        request.state.call = call
        response = await inner(request)
        if not call.decided:
            raise ForbiddenError(  # noqa: TRY301 # told like any other refusal
                f"{name} let nobody decide", next_step="Report it: it is a fault of the service."
            )
    except Exception as caught:
        error, response = caught, problem_of(caught, parts.faults, name)
    try:
        await parts.door.record(call, name, _outcome(error, response), _detail(request, response))
    except BaseException as caught:
        if isinstance(response, EventStream):
            response.leave()
        if not isinstance(caught, Exception):
            raise
        # Nothing is answered that is not on record.
        response = problem_of(caught, parts.faults, "audit")
    parts.log.info(
        "request",
        route=name,
        actor=call.principal.id if call is not None else "anonymous",
        status=response.status_code,
    )
    return response


def _outcome(error: Exception | None, response: Response) -> str:
    if error is None:
        return "ok"
    if isinstance(error, (ForbiddenError, UnauthenticatedError)):
        return "denied"
    return "missing" if response.status_code == 404 else "failed"


def _detail(request: Request, response: Response) -> dict[str, str]:
    correlation = current()
    return {
        "path": request.url.path[:200],
        "status": str(response.status_code),
        "from": request.client.host if request.client is not None else "",
        "request": correlation.request_id if correlation is not None else "",
    }
