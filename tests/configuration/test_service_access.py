"""Every route asks who it is, what they may do, and puts it on record; errors tell no secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.configuration.test_service_api import GATEWAY, MAIN, MIXTRAL, with_body

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.service.app import OPEN, build_app
from hxp_enterprise_llm.core.exceptions import InvalidConfigurationError
from hxp_enterprise_llm.schemas.access import Permission, Role
from hxp_enterprise_llm.testing.configuration_service import (
    ADMINISTRATOR,
    ServiceUnderTest,
    known,
)

CANARY = "canary-7f3a91-canary"
BODIES: dict[str, Any] = {
    "apply": {"document": GATEWAY, "reason": "x"},
    "plan": {"document": GATEWAY},
    "approve": {"document": GATEWAY},
    "rollback": {"number": 1, "reason": "x"},
    "report": {"running": []},
    "set_password": {"password": "a long password of hers"},
}
NARROW = Role(
    name="limits-reader",
    permissions=(
        Permission(actions=("read",), resources=("gateway.main", "gateway.main.limits.*")),
    ),
)


def routes() -> list[tuple[str, str, str]]:
    """Return method, path with names filled in, and operation of every route that needs a key."""
    found = []
    for path, operations in build_app().openapi()["paths"].items():
        filled = path.format(kind="gateway", name="main", number="1", replica="gw-1")
        found += [
            (method.upper(), filled, str(one["operationId"]).partition("_v1_")[0])
            for method, one in operations.items()
            if path not in OPEN
        ]
    return found


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceUnderTest]:
    settings = known(eve=(), ada=("reader",), nan=("limits-reader",)) | {
        "roles": (NARROW,),
        "limits": {"max_body": 16384},
    }
    async with ServiceUnderTest(tmp_path, settings=settings) as running:
        await running.apply(GATEWAY)
        yield running


def records(service: ServiceUnderTest) -> list[tuple[str, str, str, str]]:
    log = AuditLog(service.state / "audit.jsonl", key=own_key(service.state))
    return [
        (one.event.actor, one.event.action, one.event.resource, one.event.outcome)
        for one in log.records()
        if one.event.action.startswith("configuration.")
    ]


def own_key(state: Path) -> bytes:
    """Return the key that the service made for its audit log, as none was given."""
    return bytes.fromhex((state / "audit.key").read_text())


def test_the_walk_finds_all_routes() -> None:
    assert len(routes()) == 18
    assert {method for method, _, _ in routes()} == {"GET", "PUT", "POST", "DELETE"}


@pytest.mark.parametrize(("method", "path", "operation"), routes())
async def test_every_route_denies_whoever_has_no_key_or_no_role(
    service: ServiceUnderTest, method: str, path: str, operation: str
) -> None:
    body = BODIES.get(operation)
    wrong = base64.b64encode(b"citadel:wrong").decode()
    twice = base64.b64encode(b"ada:wrong").decode()
    for headers in (
        {},
        {"Authorization": f"Basic {wrong}"},
        {"Authorization": f"Basic {twice}"},
        {"Authorization": "Basic \xff"},
        {"Authorization": "Bearer cts_unknown"},
        {"Authorization": "Digest x"},
    ):
        nobody = await service.ask(method, path, body, by=None, headers=headers)
        assert nobody.status == 401
        assert nobody.headers["www-authenticate"].startswith("Basic ")
        assert nobody.body["code"] == "service.unauthenticated"
    match = {"If-Match": '"1"'}
    eve = await service.ask(method, path, body, by="eve", headers=match)
    assert (eve.status, eve.body["code"]) == (403, "security.forbidden")
    actor, action, _, outcome = records(service)[-1]
    assert (actor, action, outcome) == ("eve", f"configuration.{operation}", "denied")
    assert (await service.ask("GET", MAIN)).headers["etag"] == '"1"'


async def test_a_thousand_anonymous_requests_are_two_records(tmp_path: Path) -> None:
    async with ServiceUnderTest(tmp_path) as service:
        for number in range(200):
            path = f"/v1/documents/gateway/guess-{number}"
            assert (await service.ask("GET", path, by=None)).status == 401
        assert len(records(service)) == 1
        login = {"name": "nobody", "password": "guess"}
        assert (await service.ask("POST", "/v1/sessions", login, by=None)).status == 401
    log = AuditLog(tmp_path / "audit.jsonl", key=own_key(tmp_path))
    denied = [one.event for one in log.records() if one.event.outcome == "denied"]
    assert [(one.action, one.detail.get("count", "1")) for one in denied] == [
        ("configuration.read_document", "1"),
        ("session.open", "1"),
        ("configuration.read_document", "199"),
    ]
    assert denied[2].detail["from"] == "127.0.0.1"


async def test_an_actor_in_another_spelling_is_not_somebody_else(tmp_path: Path) -> None:
    settings = known(ann=("operator", "approver"), Ann=("approver",), bob=("approver",))
    wanted = GATEWAY | {"credential": "other"}
    async with ServiceUnderTest(tmp_path, settings=settings) as service:
        assert (await service.apply(GATEWAY)).status == 200
        for by, status in (("Ann", 403), ("bob", 200)):
            given = await service.ask("POST", MAIN + "/approvals", {"document": wanted}, by=by)
            assert given.status == 200
            approval = given.body["approval"]
            applied = await service.apply(wanted, 1, by="ann", approval=approval)
            assert applied.status == status, by


async def test_a_reader_looks_and_changes_nothing(service: ServiceUnderTest) -> None:
    assert (await service.ask("GET", MAIN, by="ada")).status == 200
    assert (await service.apply(with_body(5000), 1, by="ada")).status == 403


async def test_keys_that_somebody_may_not_read_are_left_out(service: ServiceUnderTest) -> None:
    read = (await service.ask("GET", MAIN, by="nan")).body
    assert set(read["document"]) == {"limits"}
    assert read["complete"] is False
    hidden = await service.ask("GET", MAIN + "/value?path=listen.port", by="nan")
    assert hidden.status == 403
    assert "8000" not in json.dumps(hidden.body)


@pytest.mark.feature("CC-02")
async def test_access_to_part_of_a_document_is_access_to_that_part(tmp_path: Path) -> None:
    path = "/v1/documents/ai-model/mixtral-service"
    look = ("read", "explain")
    part = Permission(actions=look, resources=("ai-model.mixtral-service.resources.*",))
    whole = Permission(actions=look, resources=("gateway.main", "gateway.main.*"))
    settings = known(pat=("part",), wes=("whole",), eve=()) | {
        "roles": (Role(name="part", permissions=(part,)), Role(name="whole", permissions=(whole,)))
    }
    async with ServiceUnderTest(tmp_path, settings=settings) as service:
        assert (await service.apply(MIXTRAL, path=path)).status == 200
        assert (await service.apply(GATEWAY)).status == 200
        read = await service.ask("GET", path, by="pat")
        assert read.status == 200
        assert read.body["document"]["resources"]["memory_mb"] == 65536
        assert set(read.body["document"]) == {"resources"}
        assert (read.body["complete"], read.body["source"]) == (False, "")
        older = await service.ask("GET", path + "/revisions/1", by="pat")
        assert older.body["document"] == read.body["document"]
        for asked, status in (
            ("/value?path=resources", 200),
            ("/value?path=resources.memory_mb", 200),
            ("/value?path=model", 403),
            ("/value", 200),
            ("/history", 200),
            ("/explain?path=resources", 200),
            ("/explain?path=model", 403),
        ):
            answer = await service.ask("GET", path + asked, by="pat")
            assert answer.status == status, asked
            assert "7.6" not in json.dumps(answer.body)
        every = (await service.ask("GET", path + "/explain", by="pat")).body["items"]
        assert every
        assert all(one["path"].startswith("resources.") for one in every)
        for by, seen in (("pat", ["ai-model"]), ("wes", ["gateway"])):
            listed = await service.ask("GET", "/v1/documents", by=by)
            assert (listed.status, [one["kind"] for one in listed.body["items"]]) == (200, seen)
        assert (await service.ask("GET", MAIN, by="wes")).body["complete"] is True
        for nothing in (path, "/v1/documents"):
            assert (await service.ask("GET", nothing, by="eve")).status == 403
        # What somebody may not see, and what is not there, are one answer.
        for unseen in (MAIN, "/v1/documents/gateway/none"):
            assert (await service.ask("GET", unseen, by="pat")).status == 403


async def test_every_call_stands_in_the_audit_log(service: ServiceUnderTest) -> None:
    await service.ask("GET", MAIN, by="ada")
    await service.ask("GET", MAIN, by=None)
    await service.apply(with_body(5000), 1)
    await service.apply(with_body(6000), 1)
    await service.ask("GET", "/v1/documents/gateway/other")
    assert records(service)[2:] == [
        ("ada", "configuration.read_document", "configuration:gateway.main", "ok"),
        ("anonymous", "configuration.read_document", "configuration", "denied"),
        (ADMINISTRATOR, "configuration.apply", "configuration:gateway.main", "begun"),
        (ADMINISTRATOR, "configuration.apply", "configuration:gateway.main.limits.max_body", "ok"),
        (ADMINISTRATOR, "configuration.apply", "configuration:gateway.main", "begun"),
        (ADMINISTRATOR, "configuration.apply", "configuration:gateway.main", "failed"),
        (ADMINISTRATOR, "configuration.read_document", "configuration:gateway.other", "missing"),
    ]


async def test_what_cannot_be_recorded_is_neither_answered_nor_done(
    service: ServiceUnderTest,
) -> None:
    log = service.state / "audit.jsonl"
    log.unlink()
    log.mkdir()
    read = await service.ask("GET", MAIN)
    assert (read.status, read.body["code"]) == (500, "audit.broken")
    assert "document" not in read.body
    applied = await service.apply(with_body(5000), 1)
    assert applied.status == 500
    log.rmdir()
    assert (await service.ask("GET", MAIN)).headers["etag"] == '"1"'


async def test_errors_are_problems_and_hold_nothing_that_was_sent(
    service: ServiceUnderTest,
) -> None:
    wrong = await service.ask("PUT", MAIN, {"document": CANARY, "reason": 5})
    assert wrong.status == 422
    assert wrong.body["errors"][0]["path"] == "body.document"
    broken = await service.ask("PUT", MAIN, b'{"document": ' + CANARY.encode())
    assert (broken.status, broken.body["detail"]) == (400, "the request's body is not valid JSON")
    large = await service.ask("PUT", MAIN, b'"' + CANARY.encode() * 1000 + b'"')
    assert (large.status, large.body["code"]) == (413, "service.body-too-large")
    kind = {"content-type": "text/plain"}
    odd = await service.ask("PUT", MAIN, CANARY.encode(), headers=kind)
    assert (odd.status, odd.body["code"]) == (415, "service.wrong-media-type")
    nowhere = await service.ask("GET", "/v1/nowhere")
    assert (nowhere.status, nowhere.body["code"]) == (404, "service.no-such-route")
    method = await service.ask("DELETE", MAIN)
    assert (method.status, method.body["code"]) == (405, "service.wrong-method")
    path = await service.ask("GET", f"/v1/documents/gateway/{CANARY.upper()}")
    assert path.status == 422
    for answer in (wrong, broken, large, odd, nowhere, method, path):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        assert CANARY not in json.dumps(answer.body)
        assert {"type", "title", "status", "detail"} <= set(answer.body)
        assert answer.body["status"] == answer.status


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"reason": "a", "reason": "b", "document": {}}', 'C002: the key "reason" stands twice'),
        (b'{"reason": "x", "document": {"a": {"b": 1, "b": 2}}}', 'C002: the key "b" stands twice'),
        ('{"reason": "ä"}'.encode("latin-1"), "not valid JSON"),
        (b"[" * 16000, "not valid JSON"),
        (b'{"document": {"n": ' + b"1" * 5000 + b"}}", "not valid JSON"),
        (b'{"document": {"n": NaN}}', "not valid JSON"),
    ],
)
async def test_a_body_that_is_not_strict_json_is_refused_as_that(
    service: ServiceUnderTest, body: bytes, said: str
) -> None:
    for method, path in (("PUT", MAIN), ("POST", MAIN + "/plan"), ("POST", "/v1/sessions")):
        answer = await service.ask(method, path, body, headers={"If-Match": '"1"'})
        assert (answer.status, answer.body["code"]) == (400, "input.invalid")
        assert said in answer.body["detail"]
    assert (await service.ask("GET", MAIN)).headers["etag"] == '"1"'


async def test_pages_of_documentation_are_not_served(service: ServiceUnderTest) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await service.ask("GET", path)).status == 404


async def test_a_request_keeps_its_correlation_id(service: ServiceUnderTest) -> None:
    asked = await service.ask("GET", MAIN, headers={"x-request-id": "abc-1"})
    assert asked.headers["x-request-id"] == "abc-1"


async def test_too_many_headers_are_refused(service: ServiceUnderTest) -> None:
    many = {f"x-{number}": "y" for number in range(70)}
    assert (await service.ask("GET", MAIN, headers=many)).status == 400


async def test_roles_and_keys_are_taken_while_it_runs_and_a_port_is_not(
    service: ServiceUnderTest,
) -> None:
    assert (await service.ask("GET", MAIN, by="eve")).status == 403
    more = known(eve=("reader",), new=("reader",))
    await service.service.reload(service.config.model_copy(update=more))
    assert (await service.ask("GET", MAIN, by="eve")).status == 200
    assert (await service.ask("GET", MAIN, by="new")).status == 200
    assert (await service.ask("GET", MAIN, by="ada")).status == 401
    with pytest.raises(InvalidConfigurationError, match=r"state: .* needs a restart"):
        await service.service.reload(service.config.model_copy(update={"state": "/elsewhere"}))
    assert (await service.ask("GET", MAIN, by="eve")).status == 200


async def test_a_pattern_does_not_reach_a_key_with_a_dot(tmp_path: Path) -> None:
    narrow = Role(
        name="one-model",
        permissions=(
            Permission(actions=("read", "explain"), resources=("gateway.main.models.qwen2.*",)),
        ),
    )
    model = {"upstreams": ["10.0.0.5:8000"]}
    models = {"qwen2": model, "qwen2.5": model}
    settings = known(nan=("one-model",)) | {"roles": (narrow,)}
    async with ServiceUnderTest(tmp_path, settings=settings) as service:
        assert (await service.apply({**GATEWAY, "models": models})).status == 200
        for what in ("explain", "value"):
            paths = {"models.qwen2.upstreams": 200, "models.qwen2.5.upstreams": 403}
            for path, status in (paths | {"models.qwen2.5": 403, "models.qwen2.5x.y": 404}).items():
                said = await service.ask("GET", f"{MAIN}/{what}?path={path}", by="nan")
                assert said.status == status, (what, path)


@pytest.mark.parametrize("event", ["9" * 5_000, "x"])
async def test_numbers_without_measure_are_refused(service: ServiceUnderTest, event: str) -> None:
    given = {"Last-Event-ID": event}
    watched = await service.ask("GET", MAIN + "/watch", headers=given)
    assert (watched.status, "Last-Event-ID" in watched.body["detail"]) == (400, True)
    wanted = {"document": GATEWAY, "reason": "x"}
    match = {"If-Match": f'"{"9" * 5_000}"'}
    assert (await service.ask("PUT", MAIN, wanted, headers=match)).status == 412


async def test_changes_of_keys_that_somebody_may_not_read_are_only_counted(tmp_path: Path) -> None:
    narrow = Role(
        name="limits-planner",
        permissions=(
            Permission(actions=("plan", "apply", "rollback"), resources=("gateway.*",)),
            Permission(actions=("read",), resources=("gateway.main.limits.*",)),
        ),
    )
    settings = known(nan=("limits-planner",)) | {"roles": (narrow,)}
    wanted = with_body(5000) | {"models": {"m": {"upstreams": ["10.0.0.5:8000"]}}}
    async with ServiceUnderTest(tmp_path, settings=settings) as service:
        await service.apply(GATEWAY)
        planned = await service.ask("POST", MAIN + "/plan", {"document": wanted}, by="nan")
        applied = await service.apply(wanted, 1, by="nan")
        body = {"number": 1, "reason": "back"}
        match = {"If-Match": '"2"'}
        back = await service.ask("POST", MAIN + "/rollback", body, by="nan", headers=match)
        for said in (planned, applied, back):
            assert said.status == 200
            assert [one["path"] for one in said.body["changes"]] == ["limits.max_body"]
            assert said.body["hidden"] == 1
            assert "10.0.0.5" not in json.dumps(said.body)
        whole = (await service.ask("POST", MAIN + "/plan", {"document": wanted})).body
        assert (len(whole["changes"]), whole["hidden"]) == (2, 0)
