"""The controller's way to an environment's configuration service: its API, as its administrator."""

from __future__ import annotations

import base64
import http
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError, UnreachableError

_TIMEOUT = 30.0
_MOST = 2**20


@dataclass(frozen=True)
class ConfigurationDoor:
    """One server's API.

    Args:
        url: `http://ADDRESS:PORT`.
        principal: Who asks.
        key: The key of that principal.
    """

    url: str
    principal: str
    key: str = field(repr=False)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what it answers; nothing in it for 204.

        Raises:
            UnreachableError: It does not answer.
            RefusedError: It says no; with its reason and next step.
            CitadelError: It answers something else than the service would.
        """
        shown = base64.b64encode(f"{self.principal}:{self.key}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 # an address of our own fleet
            self.url + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"authorization": f"Basic {shown}", "content-type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_TIMEOUT) as response:
                if response.status == http.HTTPStatus.NO_CONTENT:
                    return {}
                content = response.read(_MOST)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code, error.read(_MOST)) from None
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"the configuration service at {self.url} does not answer: {error}",
                next_step="Look: citadel status, citadel logs ENVIRONMENT configuration.",
            ) from None
        return _parsed(content)


def _refused(status: int, content: bytes) -> CitadelError:
    said = _parsed(content)
    text = f"the configuration service said {status}: {said.get('detail', 'without a reason')}"
    kind = CitadelError if status >= 500 else RefusedError
    return kind(text, next_step=str(said.get("next_step", "")))


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CitadelError(
            "what answers is not the configuration service: it sent no JSON object",
            next_step="See which program listens there.",
        )
    return found
