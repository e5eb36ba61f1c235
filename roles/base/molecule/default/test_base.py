"""Every host has its paths, its journal limits, its exporter, and leaves the kernel alone."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

PATHS = (
    "/opt/citadel/config",
    "/opt/citadel/hxp-enterprise-llm",
    "/opt/models",
    "/opt/data",
    "/opt/cache",
    "/opt/backups",
)


@pytest.mark.parametrize("path", PATHS)
def test_the_paths_of_a_deployment_are_there(host: Host, path: str) -> None:
    found = host.file(path)
    assert found.is_directory
    assert (found.user, found.mode) == ("root", 0o755)


def exported(host: Host) -> str:
    address = host.check_output("hostname -I").split()[0]
    return host.check_output(
        "python3 -c 'import sys, urllib.request;"
        "sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())' "
        f"http://{address}:9100/metrics"
    )


def test_the_exporter_serves_the_host_on_its_own_address_only(host: Host) -> None:
    assert "node_memory_MemTotal_bytes" in exported(host)
    assert not host.socket("tcp://127.0.0.1:9100").is_listening


def test_the_exporter_shows_a_textfile_such_as_the_ages_of_secrets(host: Host) -> None:
    file = "/var/lib/prometheus/node-exporter/citadel.prom"
    series = 'citadel_secrets_due{environment="t"} 2'
    with host.sudo():
        host.check_output("echo %s | install -m 0644 /dev/stdin %s", series, file)
        try:
            assert series in exported(host)
        finally:
            host.check_output("rm %s", file)


def test_the_exporter_of_the_distribution_is_masked(host: Host) -> None:
    unit = host.file("/etc/systemd/system/prometheus-node-exporter.service")
    assert unit.linked_to == "/dev/null"


def test_the_journal_keeps_no_more_than_its_limit(host: Host) -> None:
    content = host.file("/etc/systemd/journald.conf.d").listdir()
    assert any("citadel" in name for name in content)
    with host.sudo():
        shown = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=512M" in shown


def test_a_container_gets_no_kernel_settings(host: Host) -> None:
    assert not [name for name in host.file("/etc/sysctl.d").listdir() if "citadel" in name]


def test_the_manifest_says_what_was_applied_and_is_for_root_only(host: Host) -> None:
    with host.sudo():
        found = host.file("/opt/citadel/base/manifest.json")
        manifest = json.loads(found.content_string)
        assert (found.user, found.mode) == ("root", 0o600)
    assert manifest["role"] == "base"
    assert {item["path"] for item in manifest["files"]} >= {
        "/etc/systemd/system/citadel-node-exporter.service"
    }
