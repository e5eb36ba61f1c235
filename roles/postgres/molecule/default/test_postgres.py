"""PostgreSQL runs as configured, lets in whom it must, and nobody else."""

from __future__ import annotations

import pytest
from testinfra.host import Host

SOCKET = "/run/citadel-postgres"
PSQL = "/usr/lib/postgresql/15/bin/psql"


def superuser(host: Host, statement: str) -> str:
    shell = f'{PSQL} -XAt -h {SOCKET} -p 5433 -U postgres -c "{statement}"'
    with host.sudo():
        return str(host.check_output(shell))


def login(host: Host, user: str, database: str, address: str, password: str) -> tuple[int, str]:
    """Log in over TCP; the password goes in by a file that is read and removed."""
    shell = (
        "f=$(mktemp) && trap 'rm -f $f' EXIT && "
        f"printf '*:*:*:*:%s' {password} > $f && chmod 600 $f && PGPASSFILE=$f "
        f"{PSQL} -w -XAt -h {address} -p 5433 -U {user} -d {database} -c 'SELECT 1'"
    )
    with host.sudo():
        done = host.run(shell)
    return done.rc, done.stdout + done.stderr


def credential(service: str, name: str) -> str:
    return f'"$(cat /etc/citadel/credentials/{service}/{name})"'


def own_address(host: Host) -> str:
    return str(host.check_output("hostname -I")).split()[0]


@pytest.mark.parametrize("unit", ["citadel-postgres", "citadel-postgres-provision"])
def test_our_unit_runs_and_starts_with_the_host(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_the_server_answers_with_the_settings_of_the_environment(host: Host) -> None:
    assert superuser(host, "SHOW max_connections") == "40"
    assert superuser(host, "SHOW statement_timeout") == "5s"
    assert superuser(host, "SHOW data_checksums") == "on"
    assert superuser(host, "SHOW password_encryption") == "scram-sha-256"
    assert superuser(host, "SHOW config_file").startswith("/opt/citadel/postgres/current/")


def test_the_cluster_lies_on_the_data_volume(host: Host) -> None:
    assert superuser(host, "SHOW data_directory") == "/opt/data/postgres/15"
    with host.sudo():
        folder = host.file("/opt/data/postgres/15")
        assert (folder.user, folder.mode & 0o007) == ("citadel-postgres", 0)


def test_the_database_belongs_to_its_user_and_to_nobody_else(host: Host) -> None:
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'citadel_ai'"
    assert superuser(host, owner) == "citadel_admin"
    public = "SELECT has_database_privilege('citadel_monitor', 'citadel_ai', 'CONNECT')"
    assert superuser(host, public) == "f"


def test_our_users_are_no_superusers(host: Host) -> None:
    rights = (
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles "
        "WHERE rolname LIKE 'citadel%' GROUP BY 1"
    )
    assert superuser(host, rights) == "f"


def test_passwords_are_kept_as_scram_verifiers(host: Host) -> None:
    kept = "SELECT count(*) FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256$%'"
    assert superuser(host, kept) == "2"


def test_the_exporter_gets_in_with_its_password(host: Host) -> None:
    password = credential("postgres", "monitor_password")
    assert login(host, "citadel_monitor", "postgres", "127.0.0.1", password) == (0, "1\n")


def test_a_wrong_password_is_refused(host: Host) -> None:
    code, text = login(host, "citadel_monitor", "postgres", "127.0.0.1", "wrong")
    assert code == 2
    assert "password authentication failed" in text


def test_who_is_not_named_is_refused_whatever_the_password(host: Host) -> None:
    right = credential("postgres", "password")
    code, text = login(host, "citadel_admin", "citadel_ai", "127.0.0.1", right)
    assert code == 2
    assert "no pg_hba.conf entry" in text


def test_the_superuser_comes_in_over_the_socket_only(host: Host) -> None:
    code, text = login(host, "postgres", "postgres", own_address(host), "any")
    assert code == 2
    assert "no pg_hba.conf entry" in text


def test_it_listens_on_loopback_and_the_hosts_address_only(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:5433").is_listening
    assert host.socket(f"tcp://{own_address(host)}:5433").is_listening
    assert "0.0.0.0:5433" not in host.check_output("ss -Hltn")


def test_a_changed_password_is_applied(host: Host) -> None:
    file, kept = "/etc/citadel/credentials/postgres/monitor_password", "/root/kept"
    restart = "systemctl restart citadel-postgres-provision"
    with host.sudo():
        host.check_output(f"cp -p {file} {kept} && printf other > {file} && {restart}")
    changed = login(host, "citadel_monitor", "postgres", "127.0.0.1", "other")
    with host.sudo():
        host.check_output(f"mv {kept} {file} && {restart}")
    assert changed == (0, "1\n")
    password = credential("postgres", "monitor_password")
    assert login(host, "citadel_monitor", "postgres", "127.0.0.1", password)[0] == 0


def test_data_of_a_host_whose_user_had_another_number_is_taken_over(host: Host) -> None:
    with host.sudo():
        host.check_output(
            "systemctl stop citadel-postgres && chown -R 4242:4242 /opt/data/postgres/15 && "
            "systemctl start citadel-postgres citadel-postgres-provision"
        )
        assert host.file("/opt/data/postgres/15/PG_VERSION").user == "citadel-postgres"
    assert superuser(host, "SELECT 1") == "1"


def test_a_bad_configuration_is_refused_by_the_validator(host: Host) -> None:
    shell = (
        "t=$(mktemp -d) && cp -r /opt/citadel/postgres/current/. $t && chmod 755 $t && "
        "echo 'host all all nonsense' >> $t/pg_hba.conf && python3 $t/validate.py $t; "
        "code=$?; rm -rf $t; exit $code"
    )
    with host.sudo():
        done = host.run(shell)
    assert done.rc == 1
    assert "pg_hba.conf" in done.stdout + done.stderr


def test_debians_own_cluster_does_not_run(host: Host) -> None:
    assert host.run("systemctl is-enabled postgresql.service").stdout.strip() == "masked"
