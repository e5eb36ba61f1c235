"""vLLM's arguments: known, of their type, safe, and not those that the role sets itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hxp_enterprise_llm.configuration.messages import suggest
from hxp_enterprise_llm.configuration.rules.flags import Flag, snapshot
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule

FLOOR = (0, 32, 0)
# Argument → where its value comes from.
ROLE_SETS = {
    "model": "models.NAME.source",
    "model_tag": "models.NAME.source",
    "served_model_name": "models.NAME.served_name",
    "revision": "models.NAME.revision",
    "host": "the role: the engine listens on loopback only",
    "port": "listeners.engine.port",
    "uds": "the role: the engine listens on loopback only",
    "task": "models.NAME.task",
    "runner": "models.NAME.task",
    "shutdown_timeout": "models.NAME.shutdown_timeout",
    "load_format": "the role: safetensors from the artifact store only",
    "download_dir": "the role: weights come from the artifact store",
    "config": "the role: arguments stand in this file",
    "ssl_keyfile": "listeners.engine_proxy.tls",
    "ssl_certfile": "listeners.engine_proxy.tls",
    "ssl_ca_certs": "listeners.engine_proxy.tls",
    "ssl_cert_reqs": "listeners.engine_proxy.tls",
    "enable_ssl_refresh": "listeners.engine_proxy.tls",
}
# Argument → why it is never allowed (reference: vLLM's security guide and advisories).
NEVER = {
    "api_key": "a key in arguments is seen by every user of the host; the proxy guards the engine",
    "hf_token": "a secret in arguments is seen by every user of the host",
    "trust_remote_code": "it runs code that comes with the weights",
    "middleware": "it loads code by name into the engine",
    "tool_parser_plugin": "it loads code from a path into the engine",
    "reasoning_parser_plugin": "it loads code from a path into the engine",
    "logits_processors": "it loads code by name into the engine",
    "worker_extension_cls": "it loads code by name into the engine",
    "allowed_local_media_path": "callers could read files of the host",
    "io_processor_plugin": "it loads code by name into the engine",
    "worker_cls": "it loads code by name into the engine",
    "scheduler_cls": "it loads code by name into the engine",
    "model_class_overrides": "it loads code by name into the engine",
    "logging_config": "it loads code by name into the engine",
    "log_config_file": "it loads code by name into the engine",
    "tool_server": "answers would call tools of other servers",
    "trust_request_chat_template": "callers could send templates, which are programs",
    "trust_request_mm_kwargs": "callers could change how the engine reads their files",
    "enable_log_requests": "prompts would be in the journal",
    "enable_log_outputs": "answers would be in the journal",
    "grpc": "it opens a second listener that no proxy guards",
}
# vLLM's own parser takes 1k, 2M, 1G for these (engine/arg_utils.py, 0.32).
_READABLE = re.compile(r"(\d+[KMGT]|\d+(\.\d+)?[kmgt]|\d+)")
_READABLE_FLAGS = frozenset(
    {
        "max_model_len",
        "max_num_batched_tokens",
        "max_num_scheduled_tokens",
        "kv_cache_memory_bytes",
        "safetensors_prefetch_block_size",
        "max_num_queued_tokens",
    }
)
_AT_LEAST_ONE = frozenset(
    {
        "max_model_len",
        "max_num_seqs",
        "max_num_batched_tokens",
        "kv_cache_memory_bytes",
        "block_size",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "api_server_count",
        "max_loras",
        "max_lora_rank",
    }
)
_SHARES = frozenset({"gpu_memory_utilization"})
_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "json": "one line of JSON in quotes",
    "list": "a list, or one text",
}


def engine_arguments(subject: Subject) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield every argument of every model with its path and value."""
    for name, model in subject.environment.models.items():
        for argument, value in model.engine.items():
            yield ("models", name, "engine", argument), argument, value


def plain(argument: str) -> str:
    """Return the name without the forms that argparse also takes: `--no-x-y` → `x_y`."""
    return argument.lstrip("-").replace("-", "_").removeprefix("no_")


@rule(
    "C101",
    "Arguments that the role sets itself are not written.",
    "Address, port, model, names and timeouts have their own keys, which other parts read too. "
    "A second value would make them disagree.",
)
def set_by_role(subject: Subject) -> Iterator[Finding]:
    """Find arguments that the role sets."""
    for path, argument, _ in engine_arguments(subject):
        source = ROLE_SETS.get(plain(argument))
        if source is not None:
            yield Finding(
                path, "the role sets this argument itself.", f"Remove it; it comes from {source}."
            )


@rule(
    "C102",
    "Every vLLM argument is known to the pinned version.",
    "vLLM refuses an unknown argument when it starts; here it is refused before anything is "
    "touched. The list is a snapshot of vLLM's own parser. Names are long, with underscores.",
)
def unknown(subject: Subject) -> Iterator[Finding]:
    """Find arguments that vLLM's parser does not have."""
    known = snapshot()
    for path, argument, _ in engine_arguments(subject):
        if argument in known.flags or plain(argument) in ROLE_SETS | NEVER:
            continue
        near = plain(argument)
        fix = f"Did you mean {near}?" if near in known.flags else suggest(near, known.flags)
        yield Finding(
            path,
            "unknown vLLM argument.",
            fix or f"Remove it; vLLM {known.version} has no argument like it.",
        )


@rule(
    "C103",
    "Every vLLM argument has a value of its type.",
    "The type and the choices are those of vLLM's own parser.",
)
def wrong_type(subject: Subject) -> Iterator[Finding]:
    """Find arguments whose value vLLM's parser would refuse."""
    known = snapshot().flags
    for path, argument, value in engine_arguments(subject):
        flag = known.get(argument)
        if flag is None or value is None or argument in ROLE_SETS | NEVER:
            continue
        if flag.choices and flag.kind != "list" and str(value) not in flag.choices:
            near = suggest(str(value), flag.choices)
            yield Finding(
                path,
                "vLLM does not allow this value.",
                near or f"Write one of: {', '.join(flag.choices)}.",
            )
        elif not fits(argument, flag, value):
            yield Finding(
                path,
                "the argument has the wrong type.",
                f"Write {_wanted(argument, flag)}.",
            )


def fits(argument: str, flag: Flag, value: Any) -> bool:
    """Return whether a value of the file has the type of a flag."""
    if flag.kind == "bool":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if flag.kind == "int":
        readable = argument in _READABLE_FLAGS and isinstance(value, str)
        automatic = argument == "max_model_len" and value in {"auto", -1}
        matches = readable and _READABLE.fullmatch(value) is not None
        return isinstance(value, int) or automatic or matches
    if flag.kind == "float":
        return isinstance(value, int | float)
    if flag.kind == "json":
        return isinstance(value, str) and _is_json(value)
    if flag.kind == "list":
        return isinstance(value, tuple | str | int | float)
    return not isinstance(value, tuple)


def _wanted(argument: str, flag: Flag) -> str:
    readable = ", or one such as 512M or 1G" if argument in _READABLE_FLAGS else ""
    return _WANTED.get(flag.kind, flag.kind) + readable


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@rule(
    "C109",
    "Lengths, counts and sizes of vLLM are 1 or more, and shares are above 0 and at most 1.",
    "vLLM refuses them when it starts, or serves nobody. `max_model_len` may also be -1 or auto: "
    "as much as fits.",
)
def out_of_bounds(subject: Subject) -> Iterator[Finding]:
    """Find numbers that no engine can work with."""
    message = "the number is out of bounds."
    for path, argument, value in engine_arguments(subject):
        number = _number(value)
        if number is None or (argument == "max_model_len" and number == -1):
            continue
        if argument in _AT_LEAST_ONE and number < 1:
            yield Finding(path, message, "Write 1 or more.")
        elif argument in _SHARES and not 0 < number <= 1:
            yield Finding(path, message, "Write a share above 0 and at most 1, such as 0.9.")


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _READABLE.fullmatch(value):
        return float(value.rstrip("kmgtKMGT"))
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


@rule(
    "C104",
    "The engine is vLLM 0.32.0 or newer, as the lock says.",
    "Older versions have known holes: code execution by video and by weights, a key bypass, "
    "corruption between requests, denial of service by templates (fixed up to 0.32.0).",
)
def version_floor(subject: Subject) -> Iterator[Finding]:
    """Find an engine version under the floor, or one that the lock does not have."""
    path = ("engine", "version")
    written = subject.environment.engine.version
    for lock, version in locks_in_use(subject).items():
        if _numbers(version) < FLOOR:
            yield Finding(
                path, f"{lock} pins vLLM {version}, below the floor 0.32.0.", "Lock a newer one."
            )
        elif written not in {None, version} and _numbers(written or "") >= FLOOR:
            yield Finding(
                path, f"{lock} pins vLLM {version}.", "Remove the key; the version is the lock's."
            )
    if written is not None and not _numbers(written):
        yield Finding(path, "this is no version.", "Remove the key; the version is the lock's.")
    elif written is not None and _numbers(written) < FLOOR:
        yield Finding(path, "the version is below the floor 0.32.0.", "Write 0.32.0 or newer.")


def locks_in_use(subject: Subject) -> dict[str, str]:
    """Return the locks of vLLM that the environment's engine hosts install from."""
    hosts = (subject.environment.hosts[name] for name in subject.environment.hosts_with("vllm"))
    wanted = {f"locks/pylock.vllm-{host.accelerator}.toml" for host in hosts}
    return {lock: version for lock, version in subject.lock_versions.items() if lock in wanted}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


@rule(
    "C105",
    "No vLLM argument that opens the engine or its host is used.",
    "Keys in arguments are seen by every user of a host; remote code and plug-ins run with the "
    "engine's rights; other arguments let callers read files or put prompts into the journal.",
)
def never_flags(subject: Subject) -> Iterator[Finding]:
    """Find arguments that are never allowed."""
    for path, argument, value in engine_arguments(subject):
        reason = NEVER.get(plain(argument))
        if reason is not None and value is not False:
            yield Finding(path, f"this argument is never allowed: {reason}.", "Remove it.")
