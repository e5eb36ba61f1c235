"""A host that is right is left alone without a call; whatever differs is seen."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import pytest

from hxp_enterprise_llm.orchestration.bundle.compare import differences, seal
from hxp_enterprise_llm.orchestration.bundle.spec import (
    Directory,
    Link,
    RenderedBundle,
    RenderedFile,
    Unit,
    User,
)

NONCE = "ab" * 32
CONF = "/opt/citadel/demo/current/a.conf"
PASSWORD = "/etc/citadel/credentials/demo/password"


def file(content: str, **place: str) -> RenderedFile:
    return RenderedFile(
        **place,
        content=content,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        owner="root",
        group="root",
        mode="0644",
        on_change="restart",
        source="x",
    )


BUNDLE = RenderedBundle(
    service="demo",
    role="demo",
    environment="test",
    digest="d",
    users=(User(name="citadel-demo", groups=("adm",)),),
    directories=(Directory(path="/opt/data/demo", mode="0750"),),
    files=(file("a\n", tree="a.conf"), file("b\n", path="/etc/b.conf")),
    links=(Link(path="/etc/link", target="/target"),),
    mask=("demo.service",),
    validators=(),
    units=(Unit(name="citadel-demo.service"),),
    credentials={"password": "generated:demo"},
)
ROOT = {"owner": "root", "group": "root"}


def state() -> dict[str, Any]:
    sealed = {"kind": "file", "hmac": seal("s3cret", NONCE), "mode": "0400", **ROOT}
    return {
        "services": {
            "demo": {
                "manifest": {"digest": "d"},
                "interrupted": False,
                "tree": ["a.conf"],
                "actual": {
                    CONF: {"kind": "file", "sha256": _sha("a\n"), "mode": "0644", **ROOT},
                    "/etc/b.conf": {"kind": "file", "sha256": _sha("b\n"), "mode": "0644", **ROOT},
                    "/etc/link": {"kind": "link", "target": "/target"},
                    "/opt/data/demo": {"kind": "directory", "mode": "0750", **ROOT},
                    PASSWORD: sealed,
                },
            }
        },
        "units": {
            "citadel-demo.service": {
                "ActiveState": "active",
                "UnitFileState": "enabled",
                "NeedDaemonReload": "no",
            },
            "demo.service": {"ActiveState": "inactive"},
        },
        "users": {"citadel-demo": ["adm"]},
    }


def _sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def test_a_host_that_is_right_has_no_difference() -> None:
    assert differences(BUNDLE, state(), {"password": "s3cret"}, NONCE) == []


@pytest.mark.parametrize(
    ("path", "value", "seen"),
    [
        (("services", "demo", "manifest"), None, "demo was never applied"),
        (("services", "demo", "manifest", "digest"), "e", "demo has another bundle"),
        (("services", "demo", "interrupted"), True, "an apply of demo was cut off"),
        (("services", "demo", "actual", CONF, "sha256"), "0", CONF),
        (("services", "demo", "actual", CONF), None, CONF),
        (("services", "demo", "actual", "/etc/b.conf", "mode"), "0666", "/etc/b.conf"),
        (("services", "demo", "actual", "/etc/b.conf", "owner"), "nobody", "/etc/b.conf"),
        (("services", "demo", "actual", "/etc/link", "target"), "/other", "/etc/link"),
        (("services", "demo", "actual", "/opt/data/demo", "mode"), "0777", "/opt/data/demo"),
        (("services", "demo", "actual", PASSWORD, "hmac"), "0", PASSWORD),
        (("services", "demo", "actual", PASSWORD, "mode"), "0444", PASSWORD),
        (("services", "demo", "tree"), ["a.conf", "b"], "/opt/citadel/demo/current/b"),
        (("units", "citadel-demo.service", "ActiveState"), "failed", "citadel-demo.service"),
        (("units", "citadel-demo.service", "UnitFileState"), "disabled", "citadel-demo.service"),
        (("units", "citadel-demo.service", "NeedDaemonReload"), "yes", "citadel-demo.service"),
        (("units", "demo.service", "ActiveState"), "active", "demo.service"),
        (("users", "citadel-demo"), [], "user citadel-demo"),
    ],
)
def test_whatever_differs_is_seen_and_nothing_else(
    path: tuple[str, ...], value: object, seen: str
) -> None:
    changed = copy.deepcopy(state())
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert differences(BUNDLE, changed, {"password": "s3cret"}, NONCE) == [seen]


def test_another_value_of_a_credential_is_seen_without_reading_it() -> None:
    assert differences(BUNDLE, state(), {"password": "new"}, NONCE) == [PASSWORD]


def test_a_data_directory_that_an_operator_moved_by_a_link_is_left_alone() -> None:
    moved = state()
    moved["services"]["demo"]["actual"]["/opt/data/demo"] = {"kind": "link", "target": "/mnt"}
    assert differences(BUNDLE, moved, {"password": "s3cret"}, NONCE) == []
