"""The gateway as an ASGI application: an allow-list of paths, a key, a model, a relay."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain
from typing import NamedTuple

import msgspec

from hxp_enterprise_llm.core.health import Health, Verdict
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.gateway import errors, metrics
from hxp_enterprise_llm.gateway.errors import ApiError, ClientGoneError
from hxp_enterprise_llm.gateway.exchange import Exchange, Receive, Scope, Send
from hxp_enterprise_llm.gateway.keys import Key
from hxp_enterprise_llm.gateway.metrics import Metrics
from hxp_enterprise_llm.gateway.serving import Serving
from hxp_enterprise_llm.schemas.gateway import Task
from hxp_enterprise_llm.utilities.correlation import bound
from hxp_enterprise_llm.utilities.faults import Faults
from hxp_enterprise_llm.utilities.logging import Logger

_CLIENT_GONE = 499
_LIST = "/v1/models"
_PATHS: Mapping[Task, tuple[str, ...]] = {
    "generate": ("/v1/chat/completions", "/v1/completions"),
    "embed": ("/v1/embeddings",),
}
_WORDS: Mapping[Verdict, str] = {
    Verdict.HEALTHY: "ready",
    Verdict.DEGRADED: "degraded",
    Verdict.UNHEALTHY: "unavailable",
}


class _Request(msgspec.Struct):
    """The only field of a request that the gateway looks at."""

    model: str


class Route(NamedTuple):
    """What answers a path."""

    name: str
    method: str
    handler: Callable[[Exchange], Awaitable[None]]
    open: bool = False


class Gateway:
    """One worker's application.

    Args:
        key: Who may come in.
        serving: What serves.
        measures: Where requests are counted.
        health: What the worker says of itself.
        faults: Who reports errors that nobody foresaw.
        log: Where requests are logged.

    Attributes:
        serving: The same; a request keeps the one that it began with.
    """

    def __init__(
        self,
        key: Key,
        serving: Serving,
        measures: Metrics,
        *,
        health: Callable[[], Awaitable[Health]],
        faults: Faults,
        log: Logger,
    ) -> None:
        self._key, self.serving, self._metrics = key, serving, measures
        self._health, self._faults, self._log = health, faults, log
        self._created = int(time.time())
        paths = chain.from_iterable(_PATHS.values())
        self._routes = {path: Route(path, "POST", self._forward) for path in paths} | {
            _LIST: Route(_LIST, "GET", self._list),
            "/health/live": Route("/health/live", "GET", self._live, open=True),
            "/health/ready": Route("/health/ready", "GET", self._ready, open=True),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request on the users' listener."""
        if scope["type"] == "http":
            exchange = Exchange(scope, receive, send)
            with bound(exchange.correlation):
                await self._answer(exchange)

    async def operations(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request on the operators' listener: /metrics and this worker's health."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        if exchange.path == "/metrics" and exchange.method == "GET":
            await exchange.respond(200, self._metrics.expose(), kind=metrics.CONTENT_TYPE)
        elif exchange.path == "/health/ready":
            await self._ready(exchange)
        elif exchange.path == "/health/live":
            await self._live(exchange)
        else:
            await exchange.fail(errors.unknown_path())

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._route(exchange)
        except ApiError as error:
            await exchange.fail(error)
        except ClientGoneError:
            exchange.status, exchange.error = _CLIENT_GONE, "client_left"
        except Exception as error:  # the last line of defence: the client gets an answer
            self._faults.report(error, "request")
            await exchange.fail(errors.internal())
        finally:
            self._record(exchange)

    async def _route(self, exchange: Exchange) -> None:
        if sum(name == b"host" for name, _ in exchange.headers) != 1:
            raise errors.bad_request("Exactly one Host header is required.")
        route = self._routes.get(exchange.path) or self._one_model(exchange.path)
        if route is None:
            raise errors.unknown_path()
        exchange.route = route.name
        if exchange.method != route.method:
            raise errors.wrong_method(route.method)
        if not route.open:
            if exchange.turned_away:
                raise errors.overloaded()
            if not self._key.opens(exchange.headers):
                raise errors.unauthorized()
        await route.handler(exchange)

    def _one_model(self, path: str) -> Route | None:
        if not path.startswith(_LIST + "/"):
            return None
        return Route(_LIST + "/{model}", "GET", self._show)

    async def _forward(self, exchange: Exchange) -> None:
        serving = self.serving
        # From the first byte on: what it began with is not closed before its end.
        with serving.link.used():
            body = await exchange.read(serving.config.limits.max_body)
            name = _model_of(body)
            pool = serving.pools.get(name)
            if pool is None:
                raise errors.unknown_model()
            exchange.model = name
            if pool.task and exchange.path not in _PATHS[pool.task]:
                raise errors.wrong_endpoint(_PATHS[pool.task])
            await serving.link.connection.carry(exchange, pool, body)

    async def _list(self, exchange: Exchange) -> None:
        data = [self._describe(name) for name in self.serving.pools]
        await exchange.respond(200, msgspec.json.encode({"object": "list", "data": data}))

    async def _show(self, exchange: Exchange) -> None:
        name = exchange.path.removeprefix(_LIST + "/")
        if name not in self.serving.pools:
            raise errors.unknown_model()
        await exchange.respond(200, msgspec.json.encode(self._describe(name)))

    def _describe(self, name: str) -> dict[str, object]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "citadel"}

    async def _live(self, exchange: Exchange) -> None:
        await exchange.respond(200, b'{"status":"live"}')

    async def _ready(self, exchange: Exchange) -> None:
        health = await self._health()
        faults = {name: pool.fault for name, pool in self.serving.pools.items()}
        document = {
            "status": _status(health),
            "models": {
                name: {"ready": not fault} | ({"fault": fault} if fault else {})
                for name, fault in faults.items()
            },
        }
        # One model that loads must not take the others out of a load balancer.
        usable = health.verdict is not Verdict.UNHEALTHY
        await exchange.respond(200 if usable else 503, msgspec.json.encode(document))

    def _record(self, exchange: Exchange) -> None:
        seconds = time.monotonic() - exchange.started
        self._metrics.answered(
            exchange.model,
            exchange.route,
            exchange.status,
            seconds=seconds,
            first_byte=exchange.first_byte,
        )
        self._log.info(
            "request",
            client=exchange.client,
            method=exchange.method,
            route=exchange.route,
            model=exchange.model,
            upstream=exchange.upstream,
            status=exchange.status,
            error=exchange.error,
            bytes=exchange.sent,
            first_byte_ms=None if exchange.first_byte is None else _ms(exchange.first_byte),
            ms=_ms(seconds),
        )


def _status(health: Health) -> str:
    if health.state is State.DRAINING:
        return "draining"
    return _WORDS[health.verdict]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _model_of(body: bytes) -> str:
    """Return the model that a request names.

    Raises:
        ApiError: The body is no JSON object, or names none.
    """
    try:
        return msgspec.json.decode(body, type=_Request).model
    except msgspec.ValidationError:
        raise errors.bad_request(
            "The body must be a JSON object whose field `model` is a string.", param="model"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise errors.bad_request("The body is not valid JSON.", code="invalid_json") from None
