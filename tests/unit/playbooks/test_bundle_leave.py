"""A host that goes its own way keeps its data and nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from citadel_bundle import leave
from citadel_bundle.system import Host
from fake_host import LOOSE, UNIT, UNIT_FILE, FakeSystemd, bundle, me, version

Apply = Callable[..., dict[str, Any]]


def furnish(host: Host, apply: Apply) -> None:
    """Put a service with data, a model of the store and one of the operator's own on a host."""
    (host.path("/opt/data/demo")).mkdir(parents=True)
    folders = ("/opt/data", "/opt/data/demo", "/opt/empty")
    directories = [{"path": path, "mode": "0755", **me()} for path in folders]
    apply(version(1, directories=directories), "secret")
    (host.path("/opt/data/demo") / "rows").write_text("42")
    for folder in ("store/models/tiny", "venvs/gateway-1", "hxp-enterprise-llm"):
        host.path(f"/opt/citadel/{folder}").mkdir(parents=True)
    host.path("/opt/models/own").mkdir(parents=True)
    host.path("/opt/models/tiny").symlink_to("/opt/citadel/store/models/tiny")


def test_services_artifacts_and_credentials_go_and_data_stays(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    furnish(host, apply)
    done = leave.leave(host)
    assert done["kept"] == ["/opt/data/demo"]
    assert {UNIT, UNIT_FILE, LOOSE, "/opt/models/tiny", "/opt/citadel/store"} <= set(
        done["removed"]
    )
    assert systemd.units()[UNIT] == {"enabled": False, "files": None}
    assert not host.path("/opt/citadel").exists()
    assert not host.path("/etc/citadel").exists()
    assert not host.path(UNIT_FILE).exists()
    assert [path.name for path in host.path("/opt/models").iterdir()] == ["own"]
    assert (host.path("/opt/data/demo") / "rows").read_text() == "42"


def test_base_goes_last(host: Host, apply: Apply, systemd: FakeSystemd) -> None:
    for name in ("redis", "base", "alertmanager"):
        unit = {"name": f"citadel-{name}.service", "restart_on": None, "health": None}
        apply({**bundle(units=[unit]), "service": name})
    leave.leave(host)
    stopped = [call.split()[-1] for call in systemd.calls if " disable --now " in call]
    assert stopped == [f"citadel-{name}.service" for name in ("alertmanager", "redis", "base")]


def test_what_is_mounted_is_left_to_who_mounted_it(
    host: Host, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(host, apply)
    store = host.path("/opt/citadel/store")
    monkeypatch.setattr(Path, "is_mount", lambda path: path == store)
    assert "/opt/citadel/store" not in leave.leave(host)["removed"]
    assert (store / "models/tiny").is_dir()
    assert not host.path("/opt/citadel/venvs").exists()


def test_a_host_that_has_nothing_of_ours_is_left_alone(host: Host) -> None:
    host.path("/opt/models/own").mkdir(parents=True)
    assert leave.leave(host) == {"removed": [], "kept": []}
    assert leave.leave(host) == {"removed": [], "kept": []}
    assert host.path("/opt/models/own").is_dir()
