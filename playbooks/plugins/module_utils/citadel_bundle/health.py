"""The gate behind a change: a unit runs and its service answers, or the change goes back."""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from typing import Any

from . import units
from .system import BundleError, Host, tail

_PAUSE = 0.25
_STEADY = 0.5
_CRASHES = 3


def wait(host: Host, unit: dict[str, Any], crashes: int = 0) -> None:
    """Return when a unit is up and healthy.

    Args:
        host: Where.
        unit: Its name and health check.
        crashes: What systemd had counted before the change; only later ones speak against it.

    Raises:
        BundleError: It failed, kept crashing or was not healthy in time; with its journal.
    """
    name, health = unit["name"], unit.get("health") or {}
    timeout = float(health.get("timeout", 60))
    deadline = host.clock() + timeout
    since: float | None = None
    why = "it did not become active"
    while host.clock() < deadline:
        state = units.show(host, [name])[name]
        _refuse_crash(host, name, state, crashes)
        if state.get("ActiveState") != "active":
            since, why = None, f"it is {state.get('ActiveState')} ({state.get('SubState')})"
        else:
            since = since if since is not None else host.clock()
            why = _probe(host, health)
            if not why and (health or host.clock() - since >= _STEADY):
                return
        host.sleep(_PAUSE)
    raise BundleError(
        f"{name} is not healthy after {timeout:.0f} s: {why}\n{units.journal(host, name)}"
    )


def _refuse_crash(host: Host, name: str, state: dict[str, str], before: int) -> None:
    failed = state.get("ActiveState") == "failed"
    counted = units.crashes(state)
    # A count below the old one began anew: systemd sets it back when a unit is started by hand.
    if failed or counted - (before if counted >= before else 0) >= _CRASHES:
        result = state.get("Result", "unknown")
        raise BundleError(f"{name} failed ({result})\n{units.journal(host, name)}")


def _probe(host: Host, health: dict[str, Any]) -> str:
    """Return why a service is not healthy; empty when it is."""
    if health.get("url"):
        return _probe_url(health["url"])
    if health.get("tcp"):
        return _probe_tcp(health.get("host") or "127.0.0.1", int(health["tcp"]))
    if health.get("command"):
        done = host.run(health["command"], 30)
        return "" if done.code == 0 else f"`{' '.join(health['command'])}`: {tail(done.output, 5)}"
    return ""


def _probe_url(url: str) -> str:
    # The certificate is not judged here: the gate asks the service on its own host for life.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(url, timeout=5) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except OSError as error:
        return f"{url}: {getattr(error, 'reason', error)}"
    return ""


def _probe_tcp(address: str, port: int) -> str:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError as error:
        return f"port {port}: {error}"
    return ""
