"""What verify reads of Prometheus, from a server that speaks its API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.orchestration.endpoints import Endpoint
from hxp_enterprise_llm.orchestration.metrics import Prometheus
from hxp_enterprise_llm.testing.daemons import running_daemons


@contextmanager
def prometheus(*answers: dict[str, object]) -> Iterator[tuple[Prometheus, list[str]]]:
    """Serve answers in turn, the last one for ever."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers[min(len(asked), len(answers)) - 1]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Prometheus(Endpoint("m", "prometheus", "127.0.0.1", server.server_port)), asked
        finally:
            server.shutdown()
            thread.join()


def targets(*health: str) -> dict[str, object]:
    rows = [
        {"labels": {"job": "redis", "instance": f"h:{n}"}, "health": state, "lastError": ""}
        for n, state in enumerate(health)
    ]
    return {"status": "success", "data": {"activeTargets": rows}}


def counted(**instances: str) -> dict[str, object]:
    rows = [{"metric": {"instance": i}, "value": [0, v]} for i, v in instances.items()]
    return {"status": "success", "data": {"result": rows}}


def test_targets_that_are_not_scraped_yet_are_waited_for() -> None:
    with prometheus(targets("up", "unknown"), targets("up", "up")) as (server, asked):
        assert [target.health for target in server.settled(set(), wait=30)] == ["up", "up"]
    assert len(asked) == 2


def test_targets_that_prometheus_does_not_know_yet_are_waited_for() -> None:
    with prometheus(targets("up"), targets("up", "up")) as (server, asked):
        assert len(server.settled({("redis", "h:1")}, wait=30)) == 2
    assert len(asked) == 2


def test_a_target_that_stays_down_is_returned_as_it_is_when_the_wait_is_over() -> None:
    with prometheus(targets("down")) as (server, _):
        assert [target.health for target in server.settled(set(), wait=0)] == ["down"]


def test_the_series_of_a_name_are_counted_by_instance_until_each_has_one() -> None:
    with prometheus(counted(a="3"), counted(a="3", b="1")) as (server, asked):
        assert server.instances("redis_up", {"a", "b"}, wait=30) == {"a": 3, "b": 1}
    assert len(asked) == 2
    query = parse_qs(urlsplit(asked[0]).query)["query"]
    assert query == ['count by (instance) ({__name__="redis_up"})']


def test_a_series_that_an_instance_does_not_make_is_missing_when_the_wait_is_over() -> None:
    with prometheus(counted(a="3")) as (server, _):
        assert server.instances("redis_up", {"a", "b"}, wait=0) == {"a": 3}


def test_a_refused_query_and_a_server_that_is_away_are_errors() -> None:
    refusal: dict[str, object] = {"status": "error", "error": "bad query"}
    with (
        prometheus(refusal) as (server, _),
        pytest.raises(CitadelError, match="bad query"),
    ):
        server.instances("none", set(), wait=0)
    with pytest.raises(UnreachableError, match="does not answer"):
        server.targets()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [(400, "bad_data", "answered 400: bad_data"), (200, "<html>", "is not JSON")],
)
def test_a_server_that_answers_something_else_is_an_error_and_not_away(
    status: int, body: str, message: str
) -> None:
    with running_daemons() as daemons:
        daemons.statuses["/api/v1/query"] = status
        daemons.bodies["/api/v1/query"] = body
        server = Prometheus(Endpoint("m", "prometheus", "127.0.0.1", daemons.port))
        with pytest.raises(CitadelError, match=message) as caught:
            server.instances("up", set(), wait=0)
    assert not isinstance(caught.value, UnreachableError)


def test_a_query_gives_labels_and_value_of_each_series() -> None:
    rows = [{"metric": {"host": "a"}, "value": [0, "0.5"]}, {"metric": {}, "value": [0, "NaN"]}]
    answer: dict[str, object] = {"status": "success", "data": {"result": rows}}
    with prometheus(answer) as (server, asked):
        (first, (labels, value)) = server.query('max(up{a="b"}[1h])')
    assert first == ({"host": "a"}, 0.5)
    assert labels == {}
    assert value != value  # NaN
    assert parse_qs(urlsplit(asked[0]).query) == {"query": ['max(up{a="b"}[1h])']}
