"""Provider `local`: hosts are podman containers that run systemd (D2)."""
