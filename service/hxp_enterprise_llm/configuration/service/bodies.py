"""Bodies of requests: JSON in UTF-8, each key once, as files of configuration are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from hxp_enterprise_llm.configuration.service.errors import WrongMediaTypeError
from hxp_enterprise_llm.core.exceptions import InvalidInputError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_SHOWN = 64


class JsonRequest(Request):
    """A request whose body is read strictly."""

    async def json(self) -> Any:
        """Return the body.

        Raises:
            HTTPException: It is no JSON, or says a key twice; its cause is for `problem_of`.
        """
        body = await self.body()
        try:
            return parsed(body)
        except InvalidInputError as error:
            # The library lets nothing else through.
            raise HTTPException(400) from error


class JsonRoute(APIRoute):
    """A route that takes JSON, and nothing else."""

    def get_route_handler(self) -> Handler:
        """Return the handler, which reads bodies strictly."""
        inner, takes_body = super().get_route_handler(), self.body_field is not None

        async def read(request: Request) -> Response:
            if takes_body:
                _require_json(request.headers.get("content-type"))
            return await inner(JsonRequest(request.scope, request.receive))

        return read


def parsed(body: bytes) -> Any:
    """Return what a body says.

    Raises:
        InvalidInputError: It is no JSON in UTF-8, too deep, or says a key twice.
    """
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        # The library's text may quote the body.
        raise InvalidInputError(
            "the request's body is not valid JSON",
            next_step="Send JSON (RFC 8259) in UTF-8, not too deep, with numbers of usual length.",
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidInputError(
                f"C002: the key {json.dumps(key[:_SHOWN])} stands twice in the request's body",
                next_step="Keep one of them.",
            )
        found[key] = value
    return found


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _require_json(given: str | None) -> None:
    if given is None:
        return
    message = Message()
    message["content-type"] = given
    if message.get_content_type() != "application/json":
        raise WrongMediaTypeError(
            "the body must be application/json", next_step="Send `Content-Type: application/json`."
        )
