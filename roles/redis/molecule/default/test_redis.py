"""Redis runs as configured, asks for a password, and refuses what is dangerous."""

from __future__ import annotations

from testinfra.host import Host

UNIT = "citadel-redis.service"
OWN = '"$(cat /etc/citadel/credentials/redis/password)"'
MONITOR = '"$(cat /etc/citadel/credentials/redis/monitor_password)"'


def ask(host: Host, *commands: str, password: str = OWN, user: str = "default") -> list[str]:
    """Log in and send commands; everything goes in by stdin."""
    lines = "".join(f"{command}\\n" for command in commands)
    shell = f"printf 'AUTH {user} %s\\n{lines}' {password} | redis-cli -h 127.0.0.1 -p 6379"
    with host.sudo():
        return str(host.check_output(shell)).splitlines()


def own_address(host: Host) -> str:
    return str(host.check_output("hostname -I")).split()[0]


def test_our_unit_runs_and_starts_with_the_host(host: Host) -> None:
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled


def test_a_value_is_kept_over_a_restart(host: Host) -> None:
    assert ask(host, "SET citadel:kept yes") == ["OK", "OK"]
    with host.sudo():
        host.check_output(f"systemctl restart {UNIT}")
    assert ask(host, "GET citadel:kept", "DEL citadel:kept") == ["OK", "yes", "1"]


def test_without_a_password_nothing_is_answered(host: Host) -> None:
    assert "NOAUTH" in host.run("redis-cli -p 6379 ping").stdout


def test_a_wrong_password_is_refused(host: Host) -> None:
    assert "WRONGPASS" in ask(host, "PING", password="wrong")[0]


def test_dangerous_commands_are_refused(host: Host) -> None:
    for command in ("FLUSHALL", "KEYS *", "CONFIG GET *", "ACL LIST", "SHUTDOWN"):
        assert "NOPERM" in ask(host, command)[1], command


def test_what_the_gateway_needs_is_allowed(host: Host) -> None:
    commands = ('EVAL "return 1" 0', "INCRBY citadel:n 2", "EXPIRE citadel:n 5", "DEL citadel:n")
    assert ask(host, *commands) == ["OK", "1", "2", "1", "1"]


def test_the_monitor_sees_figures_and_no_key(host: Host) -> None:
    who = {"password": MONITOR, "user": "citadel_monitor"}
    assert "redis_version:7" in "".join(ask(host, "INFO server", **who))
    assert "NOPERM" in ask(host, "GET any", **who)[1]
    assert "NOPERM" in ask(host, "CONFIG SET maxmemory 1", **who)[1]


def test_memory_and_connections_are_limited(host: Host) -> None:
    who = {"password": MONITOR, "user": "citadel_monitor"}
    assert ask(host, "CONFIG GET maxmemory", **who)[2] == str(256 * 2**20)
    assert ask(host, "CONFIG GET maxclients", **who)[2] == "52"


def test_it_listens_on_loopback_and_the_hosts_address_only(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:6379").is_listening
    assert host.socket(f"tcp://{own_address(host)}:6379").is_listening
    assert "0.0.0.0:6379" not in host.check_output("ss -Hltn")


def test_the_users_file_has_hashes_and_is_for_the_service_only(host: Host) -> None:
    with host.sudo():
        file = host.file("/run/citadel-redis/users.acl")
        assert (file.user, file.mode) == ("citadel-redis", 0o600)
        assert file.content_string.count(" #") == 2
        assert ">" not in file.content_string


def test_a_bad_configuration_is_refused_by_the_validator(host: Host) -> None:
    shell = (
        "t=$(mktemp -d) && cp -r /opt/citadel/redis/current/. $t && "
        "echo 'maxmemory-policy nonsense' >> $t/redis.conf && python3 $t/validate.py $t; "
        "code=$?; rm -rf $t; exit $code"
    )
    with host.sudo():
        done = host.run(shell)
    assert done.rc == 1
    assert "maxmemory-policy" in done.stdout + done.stderr
