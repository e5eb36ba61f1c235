"""A bundle is applied whole or not at all, and touches only what differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from citadel_bundle import apply as applying
from citadel_bundle import generations, manifest, remove, state
from citadel_bundle.system import BundleError, Host
from fake_host import (
    CREDENTIAL,
    LOOSE,
    SERVICE,
    UNIT,
    FakeSystemd,
    bundle,
    file,
    leftovers,
    live,
    me,
    version,
)

Apply = Callable[..., dict[str, Any]]


def starts(systemd: FakeSystemd) -> list[str]:
    verbs = ("start", "restart", "reload-or-restart", "stop")
    return [call for call in systemd.calls if call.split()[1] in verbs]


def test_a_first_apply_puts_files_in_place_and_starts_the_unit(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    result = apply(version(1), "secret")
    assert result["changed"]
    found = live(host.root)
    assert found["opt/citadel/demo/current/demo.conf"] == "value = 1\n"
    assert found["etc/demo/loose.conf"] == "loose = 1\n"
    assert found["etc/demo/link"] == "-> /target/1"
    assert systemd.units()[UNIT]["enabled"]
    assert systemd.units()[UNIT]["files"] == found


def test_a_second_apply_changes_nothing_and_leaves_the_unit_alone(
    apply: Apply, systemd: FakeSystemd
) -> None:
    apply(version(1), "secret")
    systemd.calls.clear()
    assert not apply(version(1), "secret")["changed"]
    assert starts(systemd) == []


def test_a_file_that_leaves_the_bundle_is_removed(host: Host, apply: Apply) -> None:
    apply(version(1))
    apply(version(2))
    found = live(host.root)
    assert not [path for path in found if "only-in-1" in path]
    assert "etc/demo/only-in-2" in found


def test_only_the_tampered_file_is_repaired(host: Host, apply: Apply) -> None:
    apply(version(1))
    host.path(LOOSE).write_text("evil\n")
    result = apply(version(1))
    assert result["changes"] == [{"kind": "file", "action": "update", "path": LOOSE}]
    assert host.path(LOOSE).read_text() == "loose = 1\n"


def test_a_changed_mode_is_repaired(host: Host, apply: Apply) -> None:
    apply(version(1))
    host.path(LOOSE).chmod(0o666)
    assert apply(version(1))["changes"][0]["action"] == "attributes"
    assert host.path(LOOSE).stat().st_mode & 0o777 == 0o644


def test_a_stray_file_in_the_tree_is_gone_after_an_apply(host: Host, apply: Apply) -> None:
    apply(version(1))
    (host.path("/opt/citadel/demo/current") / "stray.conf").write_text("x")
    apply(version(1))
    assert not (host.path("/opt/citadel/demo/current") / "stray.conf").exists()


@pytest.mark.parametrize(
    ("on_change", "verb"), [("restart", "restart"), ("reload", "reload-or-restart"), ("none", "")]
)
def test_a_file_says_what_its_change_does_to_the_unit(
    apply: Apply, systemd: FakeSystemd, on_change: str, verb: str
) -> None:
    apply(bundle(file("a.conf", "1\n", on_change=on_change)))
    systemd.calls.clear()
    apply(bundle(file("a.conf", "2\n", on_change=on_change)))
    assert starts(systemd) == ([f"systemctl {verb} {UNIT}"] if verb else [])


def test_a_unit_restarts_only_for_the_files_that_concern_it(
    apply: Apply, systemd: FakeSystemd
) -> None:
    units = [
        {"name": "citadel-a.service", "restart_on": ["a.conf"], "health": None},
        {"name": "citadel-b.service", "restart_on": ["b.conf"], "health": None},
    ]
    apply(bundle(file("a.conf", "1\n"), file("b.conf", "1\n"), units=units))
    systemd.calls.clear()
    apply(bundle(file("a.conf", "2\n"), file("b.conf", "1\n"), units=units))
    assert starts(systemd) == ["systemctl restart citadel-a.service"]


def test_a_new_secret_restarts_the_unit_and_is_in_no_result(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    apply(version(1), "old-secret")
    systemd.calls.clear()
    result = apply(version(1), "new-secret", diff=True)
    assert starts(systemd) == [f"systemctl restart {UNIT}"]
    assert "new-secret" not in str(result)
    assert "old-secret" not in str(result)
    assert host.path(CREDENTIAL).stat().st_mode & 0o777 == 0o400
    assert "secret" not in (host.path("/opt/citadel/demo/manifest.json")).read_text()


def test_a_validator_that_refuses_leaves_everything_as_it_was(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    apply(version(1))
    before, running = live(host.root), systemd.units()
    systemd.refuse = lambda command: "bad value at line 1" if command[0] == "judge" else ""
    systemd.calls.clear()
    with pytest.raises(BundleError, match="bad value at line 1"):
        apply(version(2, validators=[["judge", "{tree}/demo.conf", "{root}/etc/demo/loose.conf"]]))
    assert live(host.root) == before
    assert systemd.units() == running
    assert starts(systemd) == []
    assert not leftovers(host.root)


def test_a_validator_reads_the_staged_files(host: Host, apply: Apply, systemd: FakeSystemd) -> None:
    read: list[str] = []

    def judge(command: Sequence[str]) -> str:
        read.extend(Path(path).read_text() for path in command[1:] if command[0] == "judge")
        return ""

    systemd.refuse = judge
    wanted = version(2, validators=[["judge", "{tree}/demo.conf", "{root}" + LOOSE]])
    apply(wanted)
    assert read == ["value = 2\n", "loose = 2\n"]


def test_a_unit_that_is_not_healthy_brings_the_old_files_and_the_old_process_back(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    apply(version(1), "s3cret")
    before = live(host.root)
    systemd.sick = lambda files: "value = 2\n" in files.values()
    with pytest.raises(BundleError, match="a line of the journal"):
        apply(version(2), "s3cret")
    assert live(host.root) == before
    assert systemd.units()[UNIT]["files"] == before
    assert not leftovers(host.root)


def test_a_first_apply_that_fails_leaves_nothing(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    systemd.sick = lambda files: True
    with pytest.raises(BundleError):
        apply(version(1), "s3cret")
    assert live(host.root) == {}
    assert not host.path("/opt/citadel/demo").exists()
    assert systemd.units()[UNIT] == {"enabled": False, "files": None}


def test_an_error_never_shows_a_secret(apply: Apply, systemd: FakeSystemd) -> None:
    systemd.refuse = lambda command: "login s3cret failed" if command[0] == "judge" else ""
    with pytest.raises(BundleError) as caught:
        apply(version(1, validators=[["judge"]]), "s3cret")
    assert "s3cret" not in str(caught.value)


def test_check_mode_touches_nothing_and_says_all(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    apply(version(1))
    before = live(host.root)
    result = applying.check(host, version(2), {"password": "s3cret"}, diff=True)
    assert result["changed"]
    assert live(host.root) == before
    entry = next(entry for entry in result["diff"] if entry["before_header"] == LOOSE)
    assert (entry["before"], entry["after"]) == ("loose = 1\n", "loose = 2\n")
    assert "s3cret" not in str(result)


def test_check_mode_works_where_nothing_was_ever_applied(host: Host) -> None:
    assert applying.check(host, version(1), {}, diff=True)["changed"]
    assert live(host.root) == {}


def test_check_mode_of_an_unchanged_host_says_nothing(host: Host, apply: Apply) -> None:
    apply(version(1), "s3cret")
    result = applying.check(host, version(1), {"password": "s3cret"}, diff=True)
    assert (result["changed"], result["diff"]) == (False, [])


def test_three_generations_are_kept(host: Host, apply: Apply) -> None:
    for number in range(1, 6):
        apply(version(number))
    assert generations.numbers(host, SERVICE) == [3, 4, 5]
    assert generations.current(host, SERVICE) == "generations/5"


def test_a_unit_that_leaves_the_bundle_is_stopped_and_disabled(
    apply: Apply, systemd: FakeSystemd
) -> None:
    two = [
        {"name": name, "restart_on": None, "health": None} for name in (UNIT, "citadel-b.service")
    ]
    apply(version(1, units=two))
    apply(version(1))
    assert systemd.units()["citadel-b.service"] == {"enabled": False, "files": None}


def test_a_running_unit_of_the_distribution_is_stopped_when_it_is_masked(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    systemd(["systemctl", "start", "demo.service"], 1)
    link = {"path": "/etc/systemd/system/demo.service", "target": "/dev/null"}
    apply(bundle(mask=["demo.service"], links=[link]))
    assert systemd.units()["demo.service"]["files"] is None
    assert str(host.path(link["path"]).readlink()) == "/dev/null"


def test_two_services_cannot_own_one_file(apply: Apply) -> None:
    apply(version(1))
    with pytest.raises(BundleError, match="belongs to service demo"):
        apply(bundle(file(LOOSE, "other\n"), service="other"))


def test_directories_get_their_attributes_and_survive_removal(host: Host, apply: Apply) -> None:
    data = {"path": "/opt/data/demo", "mode": "0750", **me()}
    apply(version(1, directories=[data]))
    assert host.path(data["path"]).stat().st_mode & 0o777 == 0o750
    (host.path(data["path"]) / "row").write_text("precious")
    result = remove.remove(host, SERVICE)
    assert result["kept"] == ["/opt/data/demo"]
    assert (host.path(data["path"]) / "row").exists()


def test_removing_a_service_takes_all_that_was_put_there(
    host: Host, apply: Apply, systemd: FakeSystemd
) -> None:
    apply(version(1), "s3cret")
    assert remove.remove(host, SERVICE, check=True)["changed"]
    assert live(host.root) != {}
    assert remove.remove(host, SERVICE)["changed"]
    assert live(host.root) == {}
    assert not host.path("/opt/citadel/demo").exists()
    assert not host.path("/etc/demo").exists()
    assert systemd.units()[UNIT] == {"enabled": False, "files": None}
    assert not remove.remove(host, SERVICE)["changed"]


def test_the_state_read_holds_manifest_and_facts_but_no_secret(host: Host, apply: Apply) -> None:
    host.path("/etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    host.path("/etc/group").write_text("root:x:0:\n")
    apply(version(1), "s3cret")
    found = state.read(host, b"nonce")
    service = found["services"][SERVICE]
    assert service["manifest"] == manifest.read(host, SERVICE)
    assert service["actual"][LOOSE]["mode"] == "0644"
    assert service["actual"][CREDENTIAL]["hmac"]
    assert service["tree"] == ["demo.conf", "only-in-1.conf"]
    assert "s3cret" not in str(found)


def test_nothing_is_left_beside_the_files(host: Host, apply: Apply) -> None:
    apply(version(1), "s3cret")
    apply(version(2), "other")
    assert not leftovers(host.root)
