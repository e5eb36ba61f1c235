"""Asks a model through the gateway, the way a user's program does."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.orchestration.endpoints import Endpoint

QUESTION = "What does a load balancer do?"
_CONNECT = 10.0
_TIMEOUT = 120.0


@dataclass(frozen=True)
class Answer:
    """What the model said, and how long it took."""

    text: str
    seconds: float
    first_token_seconds: float | None = None
    events: int = 0


def ask(
    gateway: Endpoint, key: str, model: str, *, question: str = QUESTION, stream: bool = False
) -> Answer:
    """Send one chat question and return the answer.

    Raises:
        UnreachableError: The gateway does not answer.
        CitadelError: It answered with an error, or with nothing.
    """
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 48,
        "temperature": 0,
        "stream": stream,
    }
    started = time.monotonic()
    with _posted(gateway, "/v1/chat/completions", key, body) as response:
        answer = _read_stream(response, started) if stream else _read_plain(response, started)
    if not answer.text.strip():
        raise CitadelError(f"model {model} gave an empty answer")
    return answer


def embed(gateway: Endpoint, key: str, model: str, text: str) -> list[float]:
    """Return the embedding of a text.

    Raises:
        UnreachableError: The gateway does not answer.
        CitadelError: It answered with an error.
    """
    with _posted(gateway, "/v1/embeddings", key, {"model": model, "input": text}) as response:
        vector: list[float] = json.loads(response.read())["data"][0]["embedding"]
    return vector


@contextmanager
def _posted(
    gateway: Endpoint, path: str, key: str, body: dict[str, Any]
) -> Iterator[http.client.HTTPResponse]:
    """Send a request and lend its answer; what goes wrong while it is read counts too."""
    connection = http.client.HTTPConnection(gateway.address, gateway.port, timeout=_CONNECT)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        with closing(connection):
            connection.connect()
            connection.sock.settimeout(_TIMEOUT)
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                text = response.read(2000).decode(errors="replace")
                raise CitadelError(f"the gateway answered {response.status}: {text}")
            yield response
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"the gateway at {gateway.url} does not answer: {error}") from None
    except (ValueError, LookupError, TypeError) as error:
        text = f"{type(error).__name__}: {error}"
        raise CitadelError(f"the gateway's answer is not of OpenAI's form: {text}") from None


def _read_plain(response: http.client.HTTPResponse, started: float) -> Answer:
    document = json.loads(response.read())
    text = document["choices"][0]["message"]["content"] or ""
    return Answer(text.strip(), time.monotonic() - started)


def _read_stream(response: http.client.HTTPResponse, started: float) -> Answer:
    parts: list[str] = []
    first: float | None = None
    done = False
    while line := response.readline():
        data = line.decode().strip().removeprefix("data: ")
        if data == "[DONE]":
            done = True
        elif data:
            event = json.loads(data)
            if "error" in event:
                raise CitadelError(f"the stream broke: {event['error']}")
            delta = event["choices"][0]["delta"].get("content") if event["choices"] else None
            if delta:
                first = first if first is not None else time.monotonic() - started
                parts.append(delta)
    if not done:
        raise CitadelError("the stream ended without [DONE]")
    return Answer("".join(parts).strip(), time.monotonic() - started, first, len(parts))
