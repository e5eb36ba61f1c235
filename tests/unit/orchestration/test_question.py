"""The question that verify and `make up` ask, against answers of every kind."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.orchestration import question
from hxp_enterprise_llm.orchestration.endpoints import Endpoint


@contextmanager
def answering(
    status: int, body: str, *, promised: int | None = None
) -> Iterator[tuple[Endpoint, list[tuple[str, str, bytes]]]]:
    """Serve one fixed answer on loopback and keep what was asked; `promised` bytes may be more."""
    asked: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked.append((self.path, self.headers["Authorization"], self.rfile.read(length)))
            self.send_response(status)
            if promised is not None:
                self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Endpoint("edge-1", "gateway", "127.0.0.1", server.server_port), asked
        finally:
            server.shutdown()
            thread.join()


def stream(*events: object) -> str:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events)


def delta(text: str) -> object:
    return {"choices": [{"delta": {"content": text}}]}


def test_a_plain_answer_is_read_and_the_key_is_sent() -> None:
    body = json.dumps({"choices": [{"message": {"content": " It spreads load. "}}]})
    with answering(200, body) as (gateway, asked):
        answer = question.ask(gateway, "ck_1", "smollm2")
    path, key, sent = asked[0]
    assert answer.text == "It spreads load."
    assert (path, key) == ("/v1/chat/completions", "Bearer ck_1")
    assert json.loads(sent)["model"] == "smollm2"


def test_a_stream_is_put_together_and_its_first_token_timed() -> None:
    body = stream({"choices": [{"delta": {"role": "assistant"}}]}, delta("It "), delta("spreads"))
    with answering(200, body + "data: [DONE]\n\n") as (gateway, _):
        answer = question.ask(gateway, "ck_1", "smollm2", stream=True)
    assert (answer.text, answer.events) == ("It spreads", 2)
    assert answer.first_token_seconds is not None


@pytest.mark.parametrize(
    ("status", "body", "streamed", "message"),
    [
        (503, '{"error": {"message": "engine down"}}', False, "answered 503.*engine down"),
        (200, '{"choices": [{"message": {"content": ""}}]}', False, "empty answer"),
        (200, stream(delta("half")), True, "without .DONE."),
        (200, stream({"error": {"message": "broke"}}), True, "stream broke"),
        (200, "<html>", False, "not of OpenAI's form: JSONDecodeError"),
        (200, '{"choices": []}', False, "not of OpenAI's form: IndexError"),
        (200, stream({"choices": [{}]}), True, "not of OpenAI's form: KeyError"),
    ],
)
def test_every_bad_answer_is_an_error_that_says_which(
    status: int, body: str, streamed: bool, message: str
) -> None:
    with answering(status, body) as (gateway, _), pytest.raises(CitadelError, match=message):
        question.ask(gateway, "ck_1", "smollm2", stream=streamed)


def test_a_gateway_that_is_away_is_unreachable() -> None:
    with answering(200, "") as (gateway, _):
        pass
    with pytest.raises(UnreachableError, match="does not answer"):
        question.ask(gateway, "ck_1", "smollm2")


def test_an_answer_that_is_cut_off_is_unreachable() -> None:
    with (
        answering(200, "half", promised=100) as (gateway, _),
        pytest.raises(UnreachableError, match="IncompleteRead"),
    ):
        question.ask(gateway, "ck_1", "smollm2")


def test_an_embedding_is_returned_as_numbers() -> None:
    with answering(200, '{"data": [{"embedding": [0.5, -1.0]}]}') as (gateway, asked):
        assert question.embed(gateway, "ck_1", "minilm", "text") == [0.5, -1.0]
    assert asked[0][0] == "/v1/embeddings"
