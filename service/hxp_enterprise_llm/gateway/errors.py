"""What callers get when something is wrong, in the shape of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hxp_enterprise_llm.schemas.problem import openai_body

RETRY_AFTER = {"retry-after": "1"}


class ClientGoneError(Exception):
    """The client closed its connection; nobody is left to answer."""


class ApiError(Exception):
    """An answer that is not the model's.

    Args:
        status: HTTP status.
        message: What a person reads; holds nothing of the request.
        kind: OpenAI's `type`.
        code: OpenAI's `code`, for programs.
        param: The field of the request that is wrong.
        headers: Further response headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind
        self.code, self.param, self.headers = code, param, dict(headers or {})

    def body(self) -> bytes:
        """Return the JSON document."""
        body = openai_body(
            self.status, self.message, kind=self.kind, code=self.code, param=self.param
        )
        return body.model_dump_json().encode()

    def event(self) -> bytes:
        """Return the server-sent event that ends a broken stream."""
        return b"data: " + self.body() + b"\n\n"


def bad_request(message: str, *, code: str | None = None, param: str | None = None) -> ApiError:
    """Return a 400."""
    return ApiError(400, message, code=code, param=param)


def unauthorized() -> ApiError:
    """Return a 401, the same for a missing and for a wrong key."""
    return ApiError(
        401,
        "A valid API key is required: send `Authorization: Bearer KEY`.",
        code="invalid_api_key",
        headers={"www-authenticate": "Bearer"},
    )


def unknown_path() -> ApiError:
    """Return a 404 for a path that is not on the allow-list."""
    return ApiError(404, "There is no such path here.", code="unknown_url")


def unknown_model() -> ApiError:
    """Return a 404 for a model that is not served."""
    return ApiError(
        404,
        "The model does not exist here; GET /v1/models lists those that do.",
        code="model_not_found",
        param="model",
    )


def wrong_method(allowed: str) -> ApiError:
    """Return a 405."""
    return ApiError(405, f"Use {allowed}.", code="method_not_allowed", headers={"allow": allowed})


def too_large(limit: int) -> ApiError:
    """Return a 413."""
    return ApiError(
        413, f"The request body is larger than {limit} bytes.", code="request_too_large"
    )


def unavailable(message: str, code: str) -> ApiError:
    """Return a 503 that may be tried again."""
    return ApiError(503, message, kind="server_error", code=code, headers=RETRY_AFTER)


def overloaded() -> ApiError:
    """Return a 503 that ends its connection, one of too many with a key."""
    error = unavailable("Too many open connections.", "overloaded")
    error.headers["connection"] = "close"
    return error


def wrong_endpoint(paths: Sequence[str]) -> ApiError:
    """Return a 400 for a model that does something else than the path is for."""
    use = " or ".join(f"POST {path}" for path in paths)
    return bad_request(
        f"This model does not do that; use {use}.", code="wrong_endpoint", param="model"
    )


def from_engine(status: int, error: Mapping[str, object]) -> ApiError:
    """Return an engine's refusal: its words, but `type` and `code` as OpenAI has them."""
    message, param, code = error.get("message"), error.get("param"), error.get("code")
    return ApiError(
        status,
        message if isinstance(message, str) else f"The engine answered {status}.",
        kind="invalid_request_error" if status < 500 else "server_error",
        # Engines put the status there, as a number or in digits.
        code=code if isinstance(code, str) and not code.isdigit() else None,
        param=param if isinstance(param, str) else None,
    )


def broken_stream() -> ApiError:
    """Return what ends a stream whose engine went away."""
    return ApiError(
        502, "The engine broke off its answer.", kind="server_error", code="upstream_broken"
    )


def timed_out() -> ApiError:
    """Return a 504."""
    return ApiError(
        504,
        "The engine did not answer in time.",
        kind="server_error",
        code="upstream_timeout",
        headers=RETRY_AFTER,
    )


def internal() -> ApiError:
    """Return a 500; what happened is in the log, under the request's id."""
    return ApiError(500, "The gateway failed.", kind="server_error", code="internal_error")
