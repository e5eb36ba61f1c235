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
    "VLLM_TRACE_FUNCTION": "it writes every call of the engine to the disk",
    "VLLM_MODEL_REDIRECT_PATH": "it takes other weights than the file says",
    "VLLM_LORA_RESOLVER_CACHE_DIR": "callers could load adapters by name",
    "VLLM_LORA_RESOLVER_HF_REPO_LIST": "callers could load adapters by name",
    "VLLM_USE_RUST_FRONTEND": "it starts another server, whose paths the proxy does not know",
    "VLLM_RUST_FRONTEND_PATH": "it starts another program in the engine's place",
    "VLLM_PLUGINS": "it loads code by name into the engine",
    "VLLM_LOGGING_CONFIG_PATH": "it loads code by name into the engine",
    "VLLM_NCCL_SO_PATH": "it loads code by path into the engine",
    "VLLM_CUDART_SO_PATH": "it loads code by path into the engine",
    "LD_LIBRARY_PATH": "it loads code by path into the engine",
    "LD_PRELOAD": "it loads code by path into the engine",
    "PYTHONPATH": "it loads code by path into the engine",
}
# Of the libraries that `_OTHER` lets through: what loads code, and where their sockets are bound.
_NEVER_OF_LIBRARIES = (
    (
        re.compile(r"\w+(_PLUGINS?|_LIB|_SO_PATH|INJECTION(32|64)_PATH|_CONF_FILE|_CACHE_DIR)"),
        "it loads code by path into the engine",
    ),
    (
        re.compile(r"\w+(_IFNAME|_NET_DEVICES|_HOST|_HOSTNAME|_IPS?|_ADDR|_COMM_ID)"),
        "a part of the engine would listen beyond loopback",
    ),
)
ROLE_SETS = frozenset(
    {
        "GLOO_SOCKET_IFNAME",
        "NCCL_SOCKET_IFNAME",
        "VLLM_PORT",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE",
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
        reason = _never(variable)
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
        if _never(variable) or _SECRET.search(variable.upper()):
            continue
        if variable in ROLE_SETS:
            yield Finding(path, "the role sets this variable itself.", "Remove it.")
        elif variable not in known and not _OTHER.match(variable):
            fix = suggest(variable, filter(_is_allowed, known)) or "Remove it."
            yield Finding(path, "vLLM does not know this variable.", fix)


def _is_allowed(variable: str) -> bool:
    return not (_never(variable) or variable in ROLE_SETS or _SECRET.search(variable))


def _never(variable: str) -> str | None:
    """Return why a variable is never allowed; None for one that may be."""
    if variable in ROLE_SETS:
        return None
    of_libraries = (reason for form, reason in _NEVER_OF_LIBRARIES if form.fullmatch(variable))
    return NEVER.get(variable) or next(of_libraries, None)
