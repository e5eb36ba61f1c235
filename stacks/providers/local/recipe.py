"""What an image of a host is made of; its tag is the digest of exactly this."""

from __future__ import annotations

import hashlib
import json
import pkgutil
from importlib import import_module
from typing import Literal

from hxp_enterprise_llm.schemas import roles
from hxp_enterprise_llm.schemas.roles.role import RoleData

Flavour = Literal["full", "bare"]
SUITE = "bookworm"
BASE_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "ca-certificates",
    "iproute2",
    "openssh-server",
    "sudo",
    "procps",
)
USER = "citadel"

# What a container must not do to the kernel that it shares, and what is of no use in one.
# The mounts have a second reason: where mount events come fast, systemd 252 may put off
# starting mount units and never come back to it, and the boot hangs.
MASKED = (
    "systemd-binfmt.service",
    "systemd-modules-load.service",
    "systemd-random-seed.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "proc-sys-fs-binfmt_misc.automount",
    "proc-sys-fs-binfmt_misc.mount",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "console-getty.service",
    "getty-static.service",
    "getty.target",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-logind.service",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
)

# Hosts keep their SSH keys on a volume of their own, so that a replaced host stays itself.
IDENTITY = "/etc/citadel/identity"
_PREPARE = """
set -eu
export DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
"""
# Our own units run these daemons; the distribution's would run on every host besides.
_INSTALL = """
apt-get -qq update
apt-get -qq -y --no-install-recommends install $PACKAGES
dpkg -L $PACKAGES | sed -nE 's:^(/usr)?/lib/systemd/system/([^/]+[.](service|timer))$:\\2:p' \\
  | xargs -r systemctl mask
"""
_FINISH = f"""
id {USER} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {USER}
install -d -m 0700 -o {USER} -g {USER} /home/{USER}/.ssh
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}
chmod 440 /etc/sudoers.d/{USER}
install -d -m 0755 /opt/citadel/store /opt/citadel/venvs /opt/data /opt/backups
install -d -m 0700 {IDENTITY}
cat > /etc/ssh/sshd_config.d/citadel.conf <<'CONF'
HostKey {IDENTITY}/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowUsers {USER}
UseDNS no
CONF
cat > /usr/local/sbin/citadel-host-key <<'SCRIPT'
#!/bin/sh
key={IDENTITY}/ssh_host_ed25519_key
[ -s $key.pub ] && exit
rm -f $key
exec ssh-keygen -q -t ed25519 -N '' -C '' -f $key
SCRIPT
chmod 755 /usr/local/sbin/citadel-host-key
mkdir -p /etc/systemd/system/ssh.service.d
cat > /etc/systemd/system/ssh.service.d/citadel.conf <<'CONF'
[Service]
ExecStartPre=
ExecStartPre=/usr/local/sbin/citadel-host-key
ExecStartPre=/usr/sbin/sshd -t
CONF
rm -f /etc/ssh/ssh_host_* /usr/sbin/policy-rc.d
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
: > /etc/machine-id
systemctl enable ssh.service
install -d /etc/systemd/journald.conf.d
printf '[Journal]\\nReadKMsg=no\\n' > /etc/systemd/journald.conf.d/citadel-container.conf
systemctl mask {" ".join(MASKED)}
"""
SCRIPTS = (_PREPARE, _INSTALL, _FINISH)


def role_packages() -> tuple[str, ...]:
    """Return the Debian packages of every role, as their models' defaults say."""
    found: set[str] = set()
    for module in pkgutil.iter_modules(roles.__path__):
        loaded = import_module(f"{roles.__name__}.{module.name}")
        for value in vars(loaded).values():
            if isinstance(value, type) and issubclass(value, RoleData):
                found.update(value.model_fields["packages"].get_default(call_default_factory=True))
    return tuple(sorted(found))


def packages(flavour: Flavour) -> tuple[str, ...]:
    """Return the packages of a flavour beyond the base system's."""
    return role_packages() if flavour == "full" else ()


def base_reference() -> str:
    """Return the name and tag of the base image."""
    return f"localhost/citadel-base:{_digest(SUITE, *BASE_PACKAGES)}"


def reference(flavour: Flavour) -> str:
    """Return the name and tag of a flavour's image."""
    content = (base_reference(), flavour, *SCRIPTS, *packages(flavour))
    return f"localhost/citadel-host:{flavour}-{_digest(*content)}"


def script(flavour: Flavour) -> str:
    """Return the shell script that turns the base image into a flavour's image."""
    names = " ".join(packages(flavour))
    install = _INSTALL.replace("$PACKAGES", names) if names else ""
    return _PREPARE + install + _FINISH


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
