"""The role's files, rendered as the bundle renders them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.effects import effect_of
from hxp_enterprise_llm.gateway.config import load
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.orchestration.resolvers.gateway import resolve
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.gateway import GatewayConfig, ServedModel
from hxp_enterprise_llm.schemas.roles.gateway import GatewayRole
from hxp_enterprise_llm.testing.factories import context


@pytest.fixture
def role() -> GatewayRole:
    services = {"api_gateway": {"workers": 3, "timeout": "150ms"}}
    return resolve(context(infrastructure_services=services), "edge-1")


def render(name: str, role: GatewayRole) -> str:
    folders = [checkout() / "roles/gateway/templates", checkout() / "templates"]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    data = role.model_dump(mode="json")
    return environment.get_template(name).render(**data, host="edge-1", environment="test")


@pytest.mark.parametrize("models", [True, False], ids=["with models", "without"])
def test_the_file_that_is_written_is_the_configuration_that_was_resolved(
    tmp_path: Path, role: GatewayRole, *, models: bool
) -> None:
    config = role.config if models else role.config.model_copy(update={"models": {}})
    path = tmp_path / "gateway.yaml"
    path.write_text(render("gateway.yaml.j2", role.model_copy(update={"config": config})))
    assert load(path) == config


def test_each_worker_is_a_unit_whose_health_is_asked_on_its_own_port(role: GatewayRole) -> None:
    bundle: dict[str, Any] = yaml.safe_load(render("bundle.yml.j2", role))
    assert [(unit["name"], unit["health"]["url"]) for unit in bundle["units"]] == [
        (f"citadel-gateway@{n}.service", f"http://10.200.0.12:{9100 + n}/health/live")
        for n in (1, 2, 3)
    ]
    assert bundle["validate"][0][0] == f"{role.venv}/bin/python"
    assert bundle["credentials"] == {"key": "generated:gateway/key"}


def test_the_unit_outlives_the_drain_and_is_hardened(role: GatewayRole) -> None:
    unit = render("gateway.service.j2", role)
    (stop,) = [line for line in unit.splitlines() if line.startswith("TimeoutStopSec=")]
    # The worker itself gives up five seconds after its deadline.
    assert int(stop.partition("=")[2]) > role.config.timeouts.drain + 5
    assert "KillMode=mixed" in unit
    assert "LoadCredential=key:" in unit
    assert "ProtectSystem=strict" in unit.splitlines()


def test_the_proxy_before_an_engine_tells_it_that_the_client_left() -> None:
    # Measured with HAProxy 2.6: without this option an abandoned request runs to its end.
    config = (checkout() / "roles/vllm/templates/haproxy.cfg.j2").read_text()
    assert "option abortonclose" in config


def test_a_worker_may_open_files_for_all_whom_it_lets_in(role: GatewayRole) -> None:
    limits = role.config.limits
    lines = render("gateway.service.j2", role).splitlines()
    (files,) = [line.partition("=")[2] for line in lines if line.startswith("LimitNOFILE=")]
    # A request with a key has a connection to its engine, too.
    assert int(files) > 2 * limits.max_connections + limits.max_strangers


def changes_of(config: GatewayConfig) -> Iterator[tuple[KeyPath, GatewayConfig]]:
    """Yield a configuration for each key, in which it alone is another."""
    others: dict[str, Any] = {
        "schema": 1,
        "models": {"other": {"upstreams": ["10.0.0.9:1"]}},
        "log_level": "error",
        "credential": "other",
        "host": "10.9.9.9",
        "path": "/other",
    }
    document = config.model_dump(mode="json", by_alias=True)
    for name, value in document.items():
        keys = value if isinstance(value, dict) and name != "models" else [None]
        for key in keys:
            old = value[key] if key is not None else value
            new = others.get(key or name, old + 1 if isinstance(old, int | float) else None)
            other = document | {name: value | {key: new} if key is not None else new}
            yield (name,) if key is None else (name, key), GatewayConfig.model_validate(other)


def test_what_workers_cannot_take_while_they_run_stands_in_the_unit_and_restarts_them(
    role: GatewayRole,
) -> None:
    unit = render("gateway.service.j2", role)
    bundle: dict[str, Any] = yaml.safe_load(render("bundle.yml.j2", role))
    assert bundle["tree"] == [
        {"src": "gateway.yaml.j2", "dest": "gateway.yaml", "on_change": "reload"}
    ]
    assert "ExecReload=/bin/kill -HUP $MAINPID" in unit.splitlines()
    seen = set[Effect]()
    for path, config in changes_of(role.config):
        effect = effect_of(GatewayConfig, path)
        other = role.model_copy(update={"config": config})
        if config == role.config:
            continue
        seen.add(effect)
        assert render("gateway.yaml.j2", other) != render("gateway.yaml.j2", role), path
        if effect is not Effect.LIVE:
            assert render("gateway.service.j2", other) != unit, path
    assert seen == {Effect.LIVE, Effect.RESTART}
    # Another engine, the most usual change, cuts nobody off.
    models = {"tiny": ServedModel(upstreams=("10.0.0.9:1",))}
    other = role.model_copy(update={"config": role.config.model_copy(update={"models": models})})
    assert render("gateway.service.j2", other) == unit
