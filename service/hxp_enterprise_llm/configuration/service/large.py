"""The refusal of a body that is too large, which the library gives as plain text."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hxp_enterprise_llm.configuration.service.answers import answer
from hxp_enterprise_llm.configuration.service.errors import BodyTooLargeError, document
from hxp_enterprise_llm.schemas.problem import MEDIA_TYPE

_TOO_LARGE = 413


class LargeBodies:
    """Passes everything through, and a refusal for size as a problem document.

    Args:
        app: The application; it limits bodies.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        replaced = False

        async def told(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_plain(message):
                replaced = True
                text = "the request's body is too large"
                error = BodyTooLargeError(text, next_step="Send less, or raise limits.max_body.")
                await answer(document(error))(scope, receive, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, told)


def _is_plain(message: Message) -> bool:
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return message["status"] == _TOO_LARGE and kinds != [MEDIA_TYPE.encode()]
