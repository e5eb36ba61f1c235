"""Variables of the engine: known, safe, and without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hxp_enterprise_llm.configuration.messages import suggest
from hxp_enterprise_llm.configuration.rules.flags import snapshot
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule

NEVER = {
    "VLLM_SERVER_DEV_MODE": "it opens endpoints that reset and update the engine",
    "VLLM_ALLOW_INSECURE_SERIALIZATION": "it unpickles what comes over the network",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "callers could load adapters by path",
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": "answers would be in the journal",
    "VLLM_DEBUG_DUMP_PATH": "it writes what requests hold to the disk",
    "LD_PRELOAD": "it loads code by path into the engine",
    "PYTHONPATH": "it loads code by path into the engine",
}
ROLE_SETS = frozenset(
    {
        "VLLM_NO_USAGE_STATS",
        "VLLM_DO_NOT_TRACK",
        "DO_NOT_TRACK",
        "VLLM_CACHE_ROOT",
        "VLLM_CONFIG_ROOT",
        "VLLM_ASSETS_CACHE",
        "VLLM_HOST_IP",
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HF_HOME",
        "HOME",
        "PATH",
    }
)
_SECRET = re.compile(
    r"(API_?KEYS?|ACCESS_KEY(_ID)?|_TOKEN|PASSWORD|PASSWD|SECRET\w*|CREDENTIALS?)$"
)
_OTHER = re.compile(
    r"(OMP|MALLOC|MKL|NCCL|CUDA|TORCH|PYTORCH|TORCHINDUCTOR|HIP|ROCR|HSA|GLOO|UCX)_[A-Z]"
)


def _variables(subject: Subject) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, model in subject.environment.models.items():
        for variable in model.environment:
            yield ("models", name, "environment", variable), variable


@rule(
    "C106",
    "No variable that opens the engine is set.",
    "These switches turn on endpoints or formats with which callers control the engine, or load "
    "code into it.",
)
def never_variables(subject: Subject) -> Iterator[Finding]:
    """Find variables that are never allowed."""
    for path, variable in _variables(subject):
        reason = NEVER.get(variable)
        if reason is not None:
            yield Finding(path, f"this variable is never allowed: {reason}.", "Remove it.")


@rule(
    "C107",
    "No secret stands in a variable.",
    "The environment of a process is seen by its children, in crash reports and in `systemctl "
    "show`. The engine needs no secret: it is offline and behind a proxy.",
)
def secret_variables(subject: Subject) -> Iterator[Finding]:
    """Find variables whose name says that they hold a secret."""
    for path, variable in _variables(subject):
        if _SECRET.search(variable.upper()):
            yield Finding(
                path,
                "a secret must not stand in a variable.",
                "Remove it; the engine is offline and needs no secret.",
            )


@rule(
    "C108",
    "Every variable is known to the pinned vLLM, and not set by the role.",
    "vLLM ignores a mistyped VLLM_ variable with one line in its log. Besides VLLM_ variables, "
    "those of its libraries are taken: OMP_, MKL_, NCCL_, CUDA_, TORCH_, HIP_ and the like.",
)
def unknown_variables(subject: Subject) -> Iterator[Finding]:
    """Find variables that vLLM does not read, and those of the role."""
    known = snapshot().environment
    for path, variable in _variables(subject):
        if variable in NEVER or _SECRET.search(variable.upper()):
            continue
        if variable in ROLE_SETS:
            yield Finding(path, "the role sets this variable itself.", "Remove it.")
        elif variable not in known and not _OTHER.match(variable):
            fix = suggest(variable, filter(_is_allowed, known)) or "Remove it."
            yield Finding(path, "vLLM does not know this variable.", fix)


def _is_allowed(variable: str) -> bool:
    return variable not in NEVER and variable not in ROLE_SETS and not _SECRET.search(variable)
