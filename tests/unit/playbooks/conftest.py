"""Fixtures of the host half: a host in a folder."""

from __future__ import annotations

from fake_host import apply, host, systemd

__all__ = ["apply", "host", "systemd"]
