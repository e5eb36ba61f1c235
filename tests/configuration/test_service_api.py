"""The API of the configuration service: read, explain, plan, apply, rollback, history, fleet."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.revisions import Revisions
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.signing import Signer, Verifier
from hxp_enterprise_llm.configuration.service.backend import FileBackend
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey, kinds
from hxp_enterprise_llm.configuration.service.server import ConfigurationService
from hxp_enterprise_llm.core.infrastructure_service import BaseInfrastructureService
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.testing.configuration_service import KEY, ServiceUnderTest, known
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.service_contract import ServiceContract

GATEWAY: dict[str, Any] = {"listen": {"port": 8000}, "metrics": {"port": 9101}}
MIXTRAL: dict[str, Any] = {
    "service_name": "mixtral-service",
    "service_version": "1.0.0",
    "service_type": "ai_model",
    "environment": "production",
    "resources": {"memory_mb": 65536, "cpu_cores": 8},
    "model": {"parameters_billion": 7.6},
}
MAIN = "/v1/documents/gateway/main"


class AnySigner:
    """Signs with one key and asks for none: somebody who writes into the store."""

    def __init__(self, signer: Signer) -> None:
        self.sign = signer.sign

    def verify(self, digest: str, signature: str, number: int) -> bool:
        return True


def with_body(size: int) -> dict[str, Any]:
    return {**GATEWAY, "limits": {"max_body": size}}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceUnderTest]:
    settings = known(
        ann=("operator",), bob=("approver",), eve=(), gateway=("replica",), ada=("reader",)
    )
    async with ServiceUnderTest(tmp_path, settings=settings) as running:
        yield running


class TestContract(ServiceContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> ConfigurationService:
        config = ConfigurationServiceConfig.model_validate(
            {"environment": "test", "state": str(self.folder), "listen": {"port": free_port()}}
        )
        backend = FileBackend(self.folder / "revisions")
        return ConfigurationService(config, key=KEY, backend=backend)


@pytest.mark.feature("CL-01", "A3", "A4", "A26")
async def test_the_service_is_one_of_ours_on_port_8080_and_uses_the_manager(
    service: ServiceUnderTest,
) -> None:
    assert issubclass(ConfigurationService, BaseInfrastructureService)
    assert not issubclass(ConfigurationManager, BaseInfrastructureService)
    assert ConfigurationServiceConfig(environment="production").listen.port == 8080
    assert (await service.apply(GATEWAY)).status == 200
    metrics = (await service.ask("GET", "/metrics", by=None)).body
    assert 'citadel_configuration_newest_serves{name="gateway/main"} 1.0' in metrics
    assert 'citadel_service_state{service="configuration",state="ready"} 1.0' in metrics


@pytest.mark.feature("CL-01")
async def test_every_type_of_service_is_served(service: ServiceUnderTest) -> None:
    of_all = {
        "ai-model": MIXTRAL,
        "infrastructure": {"service_type": "infrastructure"},
        "integration": {
            "service_type": "integration",
            "connection": {"host": "10.0.0.5", "port": 5432},
        },
        "monitoring": {"service_type": "monitoring"},
    }
    assert {*of_all, "deployment", "gateway"} == set(kinds())
    for kind, more in of_all.items():
        document = {**MIXTRAL, **more, "service_name": f"my-{kind}"}
        if kind != "ai-model":
            del document["model"]
        path = f"/v1/documents/{kind}/my-{kind}"
        assert (await service.apply(document, path=path)).body["revision"]["number"] == 1
    listed = (await service.ask("GET", "/v1/documents")).body["items"]
    assert [one["kind"] for one in listed] == sorted(of_all)


async def test_a_document_is_read_with_its_revision_and_by_path(service: ServiceUnderTest) -> None:
    applied = await service.apply(GATEWAY)
    assert applied.headers["etag"] == '"1"'
    read = await service.ask("GET", MAIN)
    assert read.headers["etag"] == '"1"'
    assert read.body["revision"] == applied.body["revision"]
    assert read.body["complete"]
    assert read.body["document"]["listen"] == {"host": "127.0.0.1", "port": 8000}
    value = await service.ask("GET", MAIN + "/value?path=listen.port")
    assert value.body == {"path": "listen.port", "number": 1, "value": 8000}
    missing = await service.ask("GET", MAIN + "/value?path=listen.prot")
    assert missing.status == 404
    assert missing.body["code"] == "configuration.key-not-found"
    assert "port" in missing.body["next_step"]


@pytest.mark.feature("CH-02")
async def test_plan_says_what_would_change_and_changes_nothing(service: ServiceUnderTest) -> None:
    await service.apply(GATEWAY)
    plan = await service.ask("POST", MAIN + "/plan", {"document": with_body(5000)}, by="ada")
    assert plan.body["changes"] == [
        {
            "path": "limits.max_body",
            "old": 16777216,
            "new": 5000,
            "effect": "live",
            "secret": False,
        }
    ]
    assert (plan.body["number"], plan.body["effect"]) == (1, "live")
    assert not plan.body["approval_needed"]
    assert (await service.ask("GET", MAIN)).headers["etag"] == '"1"'


@pytest.mark.feature("CH-02")
async def test_apply_needs_the_revision_that_it_is_meant_for(service: ServiceUnderTest) -> None:
    await service.apply(GATEWAY)
    body = {"document": with_body(5000), "reason": "bigger"}
    unsaid = await service.ask("PUT", MAIN, body)
    assert (unsaid.status, unsaid.body["code"]) == (428, "configuration.precondition-required")
    assert (await service.apply(with_body(5000), 1)).status == 200
    late = await service.apply(with_body(6000), 1)
    assert (late.status, late.body["code"]) == (412, "configuration.precondition-failed")
    assert "revision 2 serves" in late.body["detail"]
    again = await service.apply(GATEWAY)
    assert again.status == 412
    odd = await service.ask("PUT", MAIN, body, headers={"If-Match": "*"})
    assert odd.status == 412


async def test_the_same_document_again_is_no_new_revision(service: ServiceUnderTest) -> None:
    await service.apply(GATEWAY)
    again = await service.apply(GATEWAY, 1)
    assert again.body["changed"] is False
    assert again.body["revision"]["number"] == 1


async def test_a_document_with_faults_is_refused_whole(service: ServiceUnderTest) -> None:
    await service.apply(GATEWAY)
    canary = "canary-7f3a91-canary"
    wrong = await service.apply({**GATEWAY, "listne": canary, "limits": {"max_body": canary}}, 1)
    assert wrong.status == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    assert wrong.body["type"] == "urn:citadel:problem:configuration.document"
    assert {one["path"] for one in wrong.body["errors"]} == {"listne", "limits.max_body"}
    assert "`errors`" in wrong.body["next_step"]
    assert canary not in json.dumps(wrong.body)
    assert (await service.ask("GET", MAIN)).headers["etag"] == '"1"'
    # A proposal that was refused says nothing of the service.
    ready = await service.ask("GET", "/health/ready", by=None)
    assert (ready.status, ready.body["status"]) == (200, "healthy")
    metrics = (await service.ask("GET", "/metrics", by=None)).body
    assert 'citadel_configuration_newest_serves{name="gateway/main"} 1.0' in metrics


async def test_rules_and_names_are_judged(service: ServiceUnderTest) -> None:
    path = "/v1/documents/ai-model/mixtral-service"
    waits = {**MIXTRAL, "depends_on": ["mixtral-service"]}
    refused = await service.apply(waits, path=path)
    assert [one["code"] for one in refused.body["errors"]] == ["C407"]
    other = await service.apply(MIXTRAL, path="/v1/documents/ai-model/other")
    assert (other.status, other.body["code"]) == (400, "configuration.wrong-name")
    nothing = await service.apply(MIXTRAL, path="/v1/documents/environment/production")
    assert (nothing.status, nothing.body["code"]) == (404, "configuration.document-not-found")
    assert (await service.ask("GET", "/v1/documents")).body == {"items": []}


async def test_warnings_reach_whoever_plans_and_applies(service: ServiceUnderTest) -> None:
    path = "/v1/documents/ai-model/mixtral-service"
    wanted = {**MIXTRAL, "resources": {"memory_mb": 1024, "cpu_cores": 8}}
    plan = (await service.ask("POST", path + "/plan", {"document": wanted})).body
    told = {(one["code"], one["severity"], one["path"]) for one in plan["findings"]}
    assert told == {
        ("C403", "warning", "resources.memory_mb"),
        ("S002", "warning", "environment"),
    }
    # Nothing runs from a new document, so nobody need approve it.
    assert (plan["number"], plan["approval_needed"]) == (0, False)
    applied = (await service.apply(wanted, path=path)).body
    assert applied["findings"] == plan["findings"]
    fits = {**MIXTRAL, "service_name": "fits", "environment": "test"}
    path = "/v1/documents/ai-model/fits"
    assert (await service.apply(fits, path=path)).body["findings"] == []


async def test_a_dangerous_change_needs_somebody_elses_approval(
    service: ServiceUnderTest,
) -> None:
    path = "/v1/documents/ai-model/mixtral-service"
    assert (await service.apply(MIXTRAL, path=path)).status == 200
    wanted = {**MIXTRAL, "environment": "staging"}
    plan = await service.ask("POST", path + "/plan", {"document": wanted}, by="ann")
    assert plan.body["approval_needed"]
    alone = await service.apply(wanted, 1, path=path, by="ann")
    assert (alone.status, alone.body["code"]) == (403, "configuration.approval-needed")
    assert "`approvals`" in alone.body["next_step"]
    not_hers = await service.ask("POST", path + "/approvals", {"document": wanted}, by="ann")
    assert not_hers.status == 403
    given = await service.ask("POST", path + "/approvals", {"document": wanted}, by="bob")
    approval = given.body["approval"]
    other = {**wanted, "log_level": "debug"}
    for document in (other, {**MIXTRAL, "environment": "test"}):
        misused = await service.apply(document, 1, path=path, by="ann", approval=approval)
        assert (misused.status, misused.body["code"]) == (403, "configuration.approval-refused")
    done = await service.apply(wanted, 1, path=path, by="ann", approval=approval)
    assert done.status == 200
    assert (done.body["revision"]["actor"], done.body["revision"]["approver"]) == ("ann", "bob")
    replayed = await service.apply(MIXTRAL, 2, path=path, by="ann", approval=approval)
    assert replayed.status == 403


async def test_nobody_approves_their_own_change(service: ServiceUnderTest) -> None:
    path = "/v1/documents/ai-model/mixtral-service"
    await service.apply(MIXTRAL, path=path)
    wanted = {**MIXTRAL, "environment": "staging"}
    given = await service.ask("POST", path + "/approvals", {"document": wanted})
    own = await service.apply(wanted, 1, path=path, approval=given.body["approval"])
    assert (own.status, own.body["code"]) == (403, "configuration.approval-needed")
    assert "somebody else" in own.body["detail"]


async def test_explain_says_which_revision_set_a_key_and_over_what(
    service: ServiceUnderTest,
) -> None:
    await service.apply(GATEWAY)
    await service.apply(with_body(5000), 1, by="ann", reason="smaller bodies")
    await service.apply({**with_body(5000), "credential": "other"}, 2)
    found = await service.ask("GET", MAIN + "/explain?path=limits.max_body", by="ada")
    (one,) = found.body["items"]
    assert one["value"] == 5000
    assert one["effect"] == "live"
    assert one["description"] == "Request body; more gets 413."
    assert {name: one["set_by"][name] for name in ("number", "actor", "reason", "before")} == {
        "number": 2,
        "actor": "ann",
        "reason": "smaller bodies",
        "before": 16777216,
    }
    every = (await service.ask("GET", MAIN + "/explain")).body["items"]
    by_path = {one["path"]: one for one in every}
    assert by_path["health.interval"]["source"] == "default"
    assert by_path["listen.port"]["set_by"]["number"] == 1


async def test_history_rollback_and_older_revisions(service: ServiceUnderTest) -> None:
    await service.apply(GATEWAY)
    await service.apply(with_body(5000), 1)
    await service.apply(with_body(6000), 2)
    first = await service.ask("GET", MAIN + "/history?limit=2")
    assert [one["number"] for one in first.body["items"]] == [3, 2]
    rest = await service.ask("GET", MAIN + f"/history?before={first.body['next_before']}")
    assert [one["number"] for one in rest.body["items"]] == [1]
    assert rest.body["next_before"] is None
    older = await service.ask("GET", MAIN + "/revisions/2")
    assert older.body["document"]["limits"]["max_body"] == 5000
    back = await service.ask(
        "POST",
        MAIN + "/rollback",
        {"number": 1, "reason": "too big"},
        headers={"If-Match": '"3"'},
    )
    assert back.body["revision"]["number"] == 4
    now = (await service.ask("GET", MAIN)).body
    assert now["document"]["limits"]["max_body"] == 16777216
    assert now["revision"]["id"] == rest.body["items"][0]["id"]
    body = {"number": 9, "reason": "x"}
    unknown = await service.ask("POST", MAIN + "/rollback", body, headers={"If-Match": '"4"'})
    assert (unknown.status, unknown.body["code"]) == (404, "revision.unknown")
    after = await service.apply(with_body(7000), 4)
    assert after.body["revision"]["number"] == 5


@pytest.mark.parametrize("number", [2**63, 2**64 + 1, 10**23])
async def test_a_number_that_no_revision_has_is_refused_before_the_store_is_asked(
    service: ServiceUnderTest, number: int
) -> None:
    await service.apply(GATEWAY)
    for asked in (f"/revisions/{number}", f"/history?before={number}"):
        answer = await service.ask("GET", MAIN + asked)
        assert (answer.status, answer.body["code"]) == (422, "input.invalid")
    body = {"number": number, "reason": "x"}
    back = await service.ask("POST", MAIN + "/rollback", body, headers={"If-Match": '"1"'})
    assert (back.status, back.body["code"]) == (422, "input.invalid")


async def test_the_fleet_shows_which_replica_runs_which_revision(
    service: ServiceUnderTest,
) -> None:
    first = (await service.apply(GATEWAY)).body["revision"]
    running = {"kind": "gateway", "name": "main", "number": 1, "id": first["id"]}
    said = await service.ask("PUT", "/v1/fleet/gw-1", {"running": [running]}, by="gateway")
    assert said.body["behind"] == []
    await service.apply(with_body(5000), 1)
    (one,) = (await service.ask("GET", "/v1/fleet", by="ada")).body["items"]
    assert (one["replica"], one["principal"], one["silent"]) == ("gw-1", "gateway", False)
    assert one["running"] == [running]
    assert one["behind"] == ["gateway/main"]


async def test_revisions_are_signed_and_the_keys_are_public(tmp_path: Path) -> None:
    signer = Signer.new()
    async with ServiceUnderTest(tmp_path, signer=signer) as service:
        revision = (await service.apply(GATEWAY)).body["revision"]
        keys = (await service.ask("GET", "/v1/keys")).body
    assert Verifier.load(keys).verify(revision["hash"], revision["signature"])


async def test_a_new_signing_key_keeps_the_history_and_signs_what_follows(tmp_path: Path) -> None:
    old, new = Signer.new(), Signer.new()
    async with ServiceUnderTest(tmp_path, signer=old) as service:
        await service.apply(GATEWAY)
    async with ServiceUnderTest(tmp_path, signer=new) as service:
        assert (await service.ask("GET", MAIN)).body["revision"]["number"] == 1
        assert (await service.apply(with_body(5000), 1)).status == 200
    async with ServiceUnderTest(tmp_path, signer=new) as service:
        history = (await service.ask("GET", MAIN + "/history")).body["items"]
        keys = Verifier.load((await service.ask("GET", "/v1/keys")).body)
    assert [one["signature"].split(":")[1] for one in history] == [new.key_id, old.key_id]
    assert all(keys.verify(one["hash"], one["signature"]) for one in history)


async def test_the_replaced_key_and_an_unknown_one_sign_nothing_more(tmp_path: Path) -> None:
    old, new = Signer.new(), Signer.new()
    for signer in (old, new):
        async with ServiceUnderTest(tmp_path, signer=signer) as service:
            await service.apply(GATEWAY)  # the second finds it there
    shelf = FileBackend(tmp_path / "revisions").shelf(DocumentKey("gateway", "main"))
    for forger in (old, Signer.new()):
        forged = await Revisions(shelf, of="test/gateway/main", signer=AnySigner(forger)).append(
            with_body(6000), actor="eve", reason="forged"
        )
        async with ServiceUnderTest(tmp_path, signer=new) as service:
            refused = await service.apply(with_body(5000), forged.number)
            assert refused.body["code"] == "revision.tampered"


async def test_it_is_not_ready_when_no_document_can_be_verified(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ServiceUnderTest(tmp_path, signer=Signer.new()) as service:
        await service.apply(GATEWAY)
    (tmp_path / "trusted-keys.json").unlink()
    async with ServiceUnderTest(tmp_path, signer=Signer.new()) as service:
        ready = await service.ask("GET", "/health/ready", by=None)
        assert ready.status == 503
        assert "none bears a trusted signature" in str(ready.body)
    assert "nothing-verified" in caplog.text


async def test_a_restart_serves_what_was_applied(tmp_path: Path) -> None:
    async with ServiceUnderTest(tmp_path) as service:
        applied = await service.apply(GATEWAY)
    async with ServiceUnderTest(tmp_path) as service:
        read = await service.ask("GET", MAIN)
        assert read.body["revision"] == applied.body["revision"]
        assert (await service.apply(with_body(5000), 1)).body["revision"]["number"] == 2


async def test_people_log_in_with_a_password_and_out_again(service: ServiceUnderTest) -> None:
    door = service.service.door
    assert door is not None
    await door.security.set_password("ada", Secret("a long password of ada"), actor="citadel")
    wrong = await service.ask("POST", "/v1/sessions", {"name": "ada", "password": "x"}, by=None)
    assert (wrong.status, wrong.body["code"]) == (401, "security.login")
    body = {"name": "ada", "password": "a long password of ada"}
    opened = await service.ask("POST", "/v1/sessions", body, by=None)
    bearer = {"Authorization": f"Bearer {opened.body['token']}"}
    assert (await service.ask("GET", "/v1/documents", by=None, headers=bearer)).status == 200
    refused = await service.ask("GET", "/v1/nowhere", by=None, headers=bearer)
    assert refused.status == 404
    assert (await service.ask("DELETE", "/v1/sessions", by=None, headers=bearer)).status == 204
    over = await service.ask("GET", "/v1/documents", by=None, headers=bearer)
    assert (over.status, over.body["code"]) == (401, "service.unauthenticated")
    assert (await service.ask("DELETE", "/v1/sessions", by=None)).status == 401
