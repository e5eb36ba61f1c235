"""Values of vLLM's arguments that load code by name, or listen beyond loopback, however deep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hxp_enterprise_llm.configuration.rules.arguments import (
    NEVER,
    ROLE_SETS,
    engine_arguments,
    plain,
)
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule

# vLLM takes any other word for the path of a class (v1/executor/abstract.py).
_EXECUTORS = ("mp", "uni", "ray")
# Compilers of torch and vLLM; any other is the path of a function (config/compilation.py).
_COMPILERS = ("", "eager", "inductor")
_CODE = re.compile(
    r"\(\)|auto_map|custom_ops_path|inductor_passes|post_grad_custom_\w+|\w*(module_path|_cls|_class"
    r"|_plugin|class_path|qualname)"
)
_HOSTS = re.compile(r"(\w+_)?(ip|host|addr|address|hostname|interface|ifname)")
_SOCKET = re.compile(r"(tcp|udp|epgm|pgm|ws|wss|vmci|tipc)://(\[[^]]*\]|[^:/]*)", re.IGNORECASE)
_LOOPBACK = re.compile(r"localhost|lo|127(\.\d{1,3}){3}|\[?::1\]?", re.IGNORECASE)
_DEEPEST = 32
_BY_NAME = "it loads code by name into the engine"
_OPEN = "other hosts could reach it, and no proxy guards it"


@rule(
    "C110",
    "No value of a vLLM argument loads code by name or listens beyond loopback.",
    "Some arguments take the path of a class, and JSON arguments hold keys that are never allowed "
    "as arguments. Sockets of the engine's parts ask nobody for a key: they stay on 127.0.0.1. "
    "`distributed_executor_backend` is mp, uni or ray.",
)
def reaching_values(subject: Subject) -> Iterator[Finding]:
    """Find values that open the engine."""
    for path, argument, value in engine_arguments(subject):
        name = plain(argument)
        if name in NEVER or name in ROLE_SETS:
            continue
        reason = next(_reasons(name, _opened(value)), None)
        if reason is not None:
            yield Finding(path, f"this value is never allowed: {reason}.", _fix(name))


def _fix(name: str) -> str:
    if name.endswith("_backend"):
        return f"Write one of: {', '.join(_EXECUTORS)}."
    return "Remove it, or bind it to 127.0.0.1." if _HOSTS.fullmatch(name) else "Remove it."


def _opened(value: Any) -> Any:
    """Return the value of a JSON text; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, dict | list) else value


def _reasons(name: str, value: Any, depth: int = 0) -> Iterator[str]:
    """Yield why a key with its value is refused, and what stands below it."""
    if depth > _DEEPEST:
        yield "maps and lists stand too deep inside each other"
        return
    yield from _of_argument(name, value)
    yield from _of_key(name, value)
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _reasons(plain(str(key)), below, depth + 1)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _reasons("", below, depth + 1)


def _of_argument(name: str, value: Any) -> Iterator[str]:
    if name.endswith("executor_backend") or name == "data_parallel_backend":
        if value is not None and value not in _EXECUTORS:
            yield _BY_NAME
    elif name == "kv_events_config" and isinstance(value, dict):
        publishes = value.get("enable_kv_cache_events") or value.get("publisher") == "zmq"
        if publishes and "endpoint" not in value:
            yield f"its endpoint is tcp://*:5557 when none is written; {_OPEN}"
    elif name == "compilation_config" and isinstance(value, dict):
        backend = value.get("backend", "")
        if not isinstance(backend, str) or backend not in _COMPILERS:
            yield _BY_NAME


def _of_key(name: str, value: Any) -> Iterator[str]:
    if value is None or value is False or value in ("", "auto"):
        return
    if name in NEVER:
        yield f"{name} in it is not; {NEVER[name]}"
    elif _CODE.fullmatch(name) or (name.endswith("method") and value == "custom_class"):
        yield _BY_NAME
    elif isinstance(value, str):
        socket = _SOCKET.search(value)
        bound = socket[2] if socket else value if _HOSTS.fullmatch(name) else "lo"
        if not _LOOPBACK.fullmatch(bound):
            yield _OPEN
