"""What the gateway relies on of an engine; holds for vLLM itself and for its double.

Run it against a real engine with `await check_engine("http://127.0.0.1:8101", "smollm2")`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp

from hxp_enterprise_llm.testing.waiting import until

_CHAT = "/v1/chat/completions"
_LONG = 1000  # tokens; the model's length must allow them


class ContractError(AssertionError):
    """An engine does not do what the gateway relies on."""


async def check_engine(url: str, model: str) -> None:
    """Check a chat engine.

    Args:
        url: `http://address:port` of the engine.
        model: Its served name.

    Raises:
        ContractError: It behaves in a way that the gateway does not know.
    """
    async with aiohttp.ClientSession(url) as session:
        await _lists(session, model)
        await _answers(session, model)
        await _streams(session, model)
        await _refuses(session, model)
        await _notices_that_the_client_left(session, model)


def _expect(condition: object, what: str) -> None:
    if not condition:
        raise ContractError(what)


def _chat(model: str, **more: object) -> dict[str, object]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 8,
    } | more


async def _lists(session: aiohttp.ClientSession, model: str) -> None:
    async with session.get("/health") as response:
        _expect(response.status == 200, "/health answers 200")
    async with session.get("/v1/models") as response:
        names = [entry["id"] for entry in (await response.json())["data"]]
        _expect(model in names, "/v1/models has the served name")


async def _answers(session: aiohttp.ClientSession, model: str) -> None:
    async with session.post(_CHAT, json=_chat(model)) as response:
        document = await response.json()
        _expect(response.status == 200, "a chat answers 200")
        _expect(response.content_type == "application/json", "a plain answer is JSON")
        _expect(document["object"] == "chat.completion", "a plain answer says what it is")
        _expect(isinstance(document["choices"][0]["message"]["content"], str), "an answer has text")
        _expect(document["usage"]["total_tokens"] > 0, "an answer has its usage")
    body = {"model": model, "prompt": "Hello", "max_tokens": 4}
    async with session.post("/v1/completions", json=body) as response:
        document = await response.json()
        _expect(isinstance(document["choices"][0]["text"], str), "a completion has text")


async def _streams(session: aiohttp.ClientSession, model: str) -> None:
    async with session.post(_CHAT, json=_chat(model, stream=True)) as response:
        _expect(response.content_type == "text/event-stream", "a stream is an event stream")
        text = (await response.read()).decode()
    events = text.split("\n\n")
    _expect(events.pop() == "", "a stream ends at an event's border")
    _expect(events.pop() == "data: [DONE]", "a stream ends with [DONE]")
    for event in events:
        _expect(event.startswith("data: {"), "every event is one line of data")
        chunk: dict[str, Any] = json.loads(event.removeprefix("data: "))
        _expect(chunk["object"] == "chat.completion.chunk", "every event is a chunk")


async def _refuses(session: aiohttp.ClientSession, model: str) -> None:
    headers = {"Content-Type": "application/json"}
    async with session.post(_CHAT, json=_chat(f"not-{model}")) as response:
        _expect(response.status == 404, "an unknown model gets 404")
        _expect("message" in (await response.json())["error"], "a refusal has OpenAI's shape")
    async with session.post(_CHAT, data=b"{", headers=headers) as response:
        _expect(response.status in (400, 422), "a body that is not JSON gets 400")


async def _notices_that_the_client_left(session: aiohttp.ClientSession, model: str) -> None:
    before = await _metric(session, "vllm:generation_tokens_total")
    body = _chat(model, stream=True, max_tokens=_LONG, ignore_eos=True)
    response = await session.post(_CHAT, json=body)
    _expect(response.status == 200, "a long answer is allowed")
    await response.content.readany()
    response.close()

    async def idle() -> bool:
        return await _metric(session, "vllm:num_requests_running") == 0

    try:
        await until(idle, seconds=15)
    except TimeoutError:
        raise ContractError("an engine stops when its client has left") from None
    made = await _metric(session, "vllm:generation_tokens_total") - before
    _expect(0 < made < _LONG, "an engine stops before the end when its client has left")


async def _metric(session: aiohttp.ClientSession, name: str) -> float:
    """Return a metric, summed over its labels."""
    async with session.get("/metrics") as response:
        text = await response.text()
    found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", text, re.MULTILINE)
    _expect(found, f"an engine has the metric {name}")
    return sum(map(float, found))
