"""A real service on a real host outlives bad files, sick releases, kills and a full disk."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest
from host_half import SERVICE, UNIT, HostHalf, bundle, file

from hxp_enterprise_llm.orchestration.toolchain import ensure
from hxp_enterprise_llm.testing.hosts import TestHosts, environment_file, quiet

ENVIRONMENT = """
    schema: 1
    provider: {kind: local, image: bare}
    hosts:
      one: {roles: [redis], memory: 256MiB}
"""
STEPS = (
    "stage value",
    "open journal",
    "update /etc/citadel-probe.conf",
    "swap tree",
    f"restart {UNIT}",
    f"gate {UNIT}",
    "commit",
    "finish: manifest",
    "finish: close",
)
LEFT = "find / -xdev ( -name *.citadel-new -o -name *.citadel-old -o -name journal.json ) -print"


@pytest.fixture(scope="module")
def one() -> Iterator[HostHalf]:
    path = environment_file("bundle-faults")
    path.write_text(textwrap.dedent(ENVIRONMENT))
    hosts = TestHosts(path, ensure(quiet))
    hosts.up()
    yield HostHalf(hosts, "one")
    hosts.down()


@pytest.fixture
def serving(one: HostHalf) -> Iterator[HostHalf]:
    """Version `old` is served."""
    assert "error" not in one.apply(bundle("old"))
    yield one
    one.remove()


def test_what_a_validator_refuses_leaves_the_same_process_serving(serving: HostHalf) -> None:
    process = serving.process()
    refused = serving.apply(bundle("new", validators=[["grep", "-q", "old", "{tree}/value"]]))
    assert "refused the new files" in refused["error"]
    assert (serving.served(), serving.process()) == ("old", process)


def test_a_release_that_does_not_come_up_goes_back_and_says_why(serving: HostHalf) -> None:
    refused = serving.apply(bundle("refuse"))
    assert "this value cannot be served" in refused["error"]
    assert serving.served() == "old"
    assert serving.run("cat", "/etc/citadel-probe.conf") == "old"


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_in_mid_apply_ends_in_new_after_the_next_run(serving: HostHalf, step: str) -> None:
    serving.apply(bundle("new"), kill=step)
    if step not in ("finish: manifest", "finish: close"):
        assert serving.check(bundle("new"))["changed"]
    assert "error" not in serving.apply(bundle("new"))
    assert serving.served() == "new"
    assert serving.run("cat", "/etc/citadel-probe.conf") == "new"
    assert not serving.check(bundle("new"))["changed"]
    assert serving.run(*LEFT.split()) == ""


@pytest.mark.parametrize("step", ["swap tree", f"gate {UNIT}"])
def test_a_kill_in_mid_apply_is_undone_when_the_old_is_wanted_again(
    serving: HostHalf, step: str
) -> None:
    serving.apply(bundle("new"), kill=step)
    assert "error" not in serving.apply(bundle("old"))
    assert serving.served() == "old"
    assert serving.run("cat", "/etc/citadel-probe.conf") == "old"


def test_a_full_disk_while_staging_leaves_the_old_files(serving: HostHalf) -> None:
    process = serving.process()
    serving.run("mkdir", "-p", "/etc/probe-small")
    serving.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/etc/probe-small")
    try:
        big = file("/etc/probe-small/big", "x" * 200_000)
        refused = serving.apply(bundle("new", big))
        assert "No space left on device" in refused["error"]
        assert (serving.served(), serving.process()) == ("old", process)
        assert serving.run("ls", "-A", "/etc/probe-small") == ""
    finally:
        serving.run("umount", "/etc/probe-small")


def test_a_tampered_file_is_reported_and_repaired_and_nothing_else(serving: HostHalf) -> None:
    serving.run("sh", "-c", "echo evil >> /etc/citadel-probe.conf")
    wanted = [{"kind": "file", "action": "update", "path": "/etc/citadel-probe.conf"}]
    seen = serving.check(bundle("old"))
    assert seen["changes"] == wanted
    assert "evil" in seen["diff"][0]["before"]
    assert serving.apply(bundle("old"))["changes"] == wanted
    assert not serving.check(bundle("old"))["changed"]


def test_a_service_that_is_taken_off_leaves_nothing(one: HostHalf) -> None:
    one.apply(bundle("old"))
    assert one.remove()["changed"]
    shown = one.run("sh", "-c", f"ls -d /opt/citadel/{SERVICE} /etc/citadel-probe.conf 2>&1; true")
    assert shown.count("No such file") == 2
    assert one.run("systemctl", "show", "-p", "ActiveState", "--value", UNIT).strip() == "inactive"
    assert one.run("systemctl", "show", "-p", "LoadState", "--value", UNIT).strip() == "not-found"
