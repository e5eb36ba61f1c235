"""Every setting declares what its change does."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.diff import ABSENT, Change, between, changes, gravest
from hxp_enterprise_llm.configuration.effects import Effect, effect_of, leaves
from hxp_enterprise_llm.configuration.fields import fields_of
from hxp_enterprise_llm.configuration.snapshot import document_of
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.gateway import GatewayConfig

LISTEN = {"host": "10.0.0.1", "port": 1}


@pytest.mark.feature("KT-01", "KT-02", "KT-03", "KT-04")
@pytest.mark.parametrize(("model", "least"), [(Environment, 180), (GatewayConfig, 20)])
def test_every_leaf_has_a_declared_effect(model: type[BaseModel], least: int) -> None:
    found = list(leaves(model))
    assert len(found) >= least
    assert [path for path, effect in found if effect is None] == []


@pytest.mark.feature("KT-01", "KT-02", "KT-03", "KT-04")
def test_every_section_at_the_top_of_an_environment_declares_its_own() -> None:
    from hxp_enterprise_llm.configuration.effects import declared

    undeclared = [key for key, field in fields_of(Environment).items() if not declared(field)]
    assert undeclared == []


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        (("infrastructure_services", "api_gateway", "port"), Effect.RESTART),
        (("infrastructure_services", "api_gateway", "workers"), Effect.DRAIN),
        (("infrastructure_services", "api_gateway", "timeout"), Effect.DRAIN),
        (("infrastructure_services", "api_gateway", "rate_limit_rps"), Effect.LIVE),
        (("infrastructure_services", "configuration", "hot_reload"), Effect.RESTART),
        (("infrastructure_services", "configuration", "backup_enabled"), Effect.RESTART),
        (("infrastructure_services", "api_gateway", "key"), Effect.DANGEROUS),
        (("infrastructure_services", "storage", "data_storage_path"), Effect.DANGEROUS),
        (("infrastructure_services", "storage", "compression_enabled"), Effect.LIVE),
        (("hosts", "llm-1"), Effect.DANGEROUS),
        (("hosts", "llm-1", "memory"), Effect.RESTART),
        (("models", "tiny", "engine", "max_model_len"), Effect.DRAIN),
        (("listeners", "redis", "tls", "enabled"), Effect.DANGEROUS),
        (("performance_targets", "cache", "hit_rate"), Effect.LIVE),
        (("waivers", 0, "until"), Effect.LIVE),
        (("provider", "slot"), Effect.DANGEROUS),
        (("nothing", "of", "this"), Effect.RESTART),
    ],
)
def test_the_nearest_declaration_counts(path: tuple[Any, ...], effect: Effect) -> None:
    assert effect_of(Environment, path, {"provider": {"kind": "local"}}) is effect


def test_effects_have_an_order() -> None:
    assert [item.value for item in Effect] == ["live", "drain", "restart", "dangerous"]
    assert gravest(()) is None
    found = between({"level": 1, "data": "a"}, {"level": 2, "data": "b"}, Sample)
    assert gravest(found) is Effect.DANGEROUS


def test_a_diff_names_each_key_its_values_and_its_effect() -> None:
    old = GatewayConfig.model_validate({"listen": LISTEN, "metrics": LISTEN})
    new = GatewayConfig.model_validate(
        {
            "listen": {**LISTEN, "port": 2},
            "metrics": LISTEN,
            "models": {"tiny": {"upstreams": ["a:1"]}},
        }
    )
    entry = {"upstreams": ["a:1"], "task": None}
    assert changes(old, new) == (
        Change(("listen", "port"), 1, 2, Effect.RESTART),
        Change(("models", "tiny"), ABSENT, entry, Effect.LIVE),
    )
    (gone,) = (change for change in changes(new, old) if change.path[0] == "models")
    assert gone.new is ABSENT
    assert str(gone).endswith("→ (absent) (live)")


def test_a_diff_as_data_has_no_value_that_is_not_there() -> None:
    (change,) = between({}, {"level": None}, Sample)
    assert change.as_data() == {"path": "level", "new": None, "effect": "live", "secret": False}


def test_a_diff_shows_secrets_as_references_and_says_so() -> None:
    old = Sample()
    new = Sample.model_validate({"store": {"password": "vault:citadel/store#password"}})
    (change,) = changes(old, new)
    assert (change.secret, change.effect) == (True, Effect.DANGEROUS)
    assert (change.old, change.new) == ("generated:store", "vault:citadel/store#password")


def test_a_change_of_kind_has_the_graver_effect_of_both() -> None:
    from typing import Literal

    from pydantic import Field

    class Local(CitadelModel):
        kind: Literal["local"]
        size: Annotated[int, Effect.LIVE] = 1

    class Remote(CitadelModel):
        kind: Literal["remote"]
        size: Annotated[int, Effect.DANGEROUS] = 1

    class Either(CitadelModel):
        host: Annotated[Local | Remote, Field(discriminator="kind")]

    def document(kind: str, size: int) -> dict[str, Any]:
        return document_of(Either.model_validate({"host": {"kind": kind, "size": size}}))

    found = between(document("local", 1), document("remote", 2), Either)
    assert {change.path[-1]: change.effect for change in found} == {
        "kind": Effect.RESTART,
        "size": Effect.DANGEROUS,
    }
