"""What holds on the host of every role, whatever it serves; each role's scenario runs it."""

from __future__ import annotations

from testinfra.host import Host

_LIST = "systemctl list-units --plain --no-legend --type=service 'citadel-*' | cut -d' ' -f1"
_LEAKS = (
    "for f in /etc/citadel/credentials/*/*; do test -f $f || continue; "
    "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -acF -f $f; "
    "journalctl --no-pager | grep -cF -f $f; done"
)


def test_every_unit_of_ours_is_sandboxed_and_sound(host: Host) -> None:
    with host.sudo():
        names = host.check_output(_LIST).split()
        assert "citadel-node-exporter.service" in names
        for name in names:
            host.check_output("systemd-analyze security --threshold=25 %s", name)
            assert host.check_output("systemd-analyze verify %s 2>&1", name) == ""


def test_no_secret_is_in_arguments_environment_or_journal(host: Host) -> None:
    with host.sudo():
        files = host.check_output("find /etc -path '/etc/citadel/credentials/*' -type f").split()
        assert host.run(_LEAKS).stdout.split() == ["0", "0"] * len(files)
