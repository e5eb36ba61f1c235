"""`kubernetes:NAMESPACE/NAME#KEY`: a cluster's secrets, through the official client in a thread."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hxp_enterprise_llm.configuration.secrets.backends.base import (
    SecretInfo,
    missing,
    ruled_elsewhere,
    silence,
    split_key,
)
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretError,
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule, labelled
from hxp_enterprise_llm.configuration.secrets.secret import Secret

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

_SECONDS = 5.0
# RFC 1123: the client puts both into the request's path, where dots would lead elsewhere.
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
DAYS = "citadel.dev/rotate-days"


class KubernetesSecrets:
    """Secrets of a cluster.

    Args:
        api: The client's core API.
        timeout: Seconds that one request may take to connect, and to be answered.
    """

    scheme = "kubernetes"
    writable = True
    remote = True

    def __init__(self, api: CoreV1Api, *, timeout: float = _SECONDS) -> None:
        self._api, self._limit = api, (timeout, timeout)

    @classmethod
    def connect(
        cls, variables: Mapping[str, str], *, timeout: float = _SECONDS
    ) -> KubernetesSecrets:
        """Return the backend of the pod's own cluster, else of the current context of kubectl.

        Raises:
            SecretRefusedError: The client is not installed, or knows no cluster.
        """
        try:
            from kubernetes import client, config
        except ImportError:
            raise SecretRefusedError(
                "kubernetes: references need the client",
                next_step="Install extra kubernetes of this package.",
            ) from None
        silence("kubernetes")
        settings = client.Configuration()
        try:
            if variables.get("KUBERNETES_SERVICE_HOST"):
                config.load_incluster_config(client_configuration=settings)
            else:
                config.load_kube_config(variables.get("KUBECONFIG"), client_configuration=settings)
        except config.ConfigException:
            raise SecretRefusedError(
                "kubernetes: references need a cluster",
                next_step="export KUBECONFIG=…, or run in a pod with a service account.",
            ) from None
        settings.retries = False
        return cls(client.CoreV1Api(client.ApiClient(settings)), timeout=timeout)

    async def get(self, path: str) -> Secret:
        """Return one key of a secret."""
        _, _, key = _split(path)
        found = await self._read(path)
        encoded = (found.data or {}).get(key)
        if not encoded:
            raise missing(self.scheme, path, f"The secret is there, its key {key} is not.")
        try:
            return Secret(base64.b64decode(encoded, validate=True).decode())
        except ValueError:
            raise SecretRefusedError(
                f"kubernetes:{path} is no text", next_step="Store it as UTF-8 text."
            ) from None

    async def set(
        self,
        path: str,
        value: Secret,
        *,
        made_at: datetime | None = None,  # noqa: ARG002
        made_by: MadeBy = MadeBy.GIVEN,  # noqa: ARG002
    ) -> SecretInfo:
        """Write one key and leave the others; the secret is made when it is missing."""
        namespace, name, key = _split(path)
        encoded = base64.b64encode(value.reveal().encode()).decode()
        body = {"metadata": {"name": name}, "data": {key: encoded}}
        # The cluster keeps a time for each manager: with one for each key, each key has its own.
        manager = {"field_manager": f"citadel-{sha256(key.encode()).hexdigest()[:32]}"}
        api = self._api
        try:
            found = await self._ask(
                path, partial(api.patch_namespaced_secret, **manager), name, namespace, body
            )
        except SecretNotFoundError:
            found = await self._ask(
                path, partial(api.create_namespaced_secret, **manager), namespace, body
            )
        return _info(path, found)

    async def set_rule(self, path: str, rule: RotationRule) -> SecretInfo:  # noqa: ARG002
        """Refuse: an annotation of the secret says it."""
        raise ruled_elsewhere(self.scheme, path, f"its annotation {DAYS}")

    async def remove(self, path: str) -> None:
        """Remove one key, and the secret with its last one."""
        namespace, name, key = _split(path)
        found = await self._read(path)
        if key not in (found.data or {}):
            raise missing(self.scheme, path, "List the secret's keys with kubectl.")
        if len(found.data) == 1:
            await self._ask(path, self._api.delete_namespaced_secret, name, namespace)
            return
        body = {"data": {key: None}}
        await self._ask(path, self._api.patch_namespaced_secret, name, namespace, body)

    async def info(self, path: str) -> SecretInfo:
        """Return when a key was changed, as the cluster keeps it."""
        _, _, key = _split(path)
        found = await self._read(path)
        if key not in (found.data or {}):
            raise missing(self.scheme, path, "List the secret's keys with kubectl.")
        return _info(path, found)

    async def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:
        """Yield the keys of the secrets of a namespace, those that begin with `NAMESPACE/…`."""
        namespace, _, start = prefix.partition("/")
        if not namespace:
            return
        if not _NAMESPACE.fullmatch(namespace):
            raise _misnamed(prefix)
        found = await self._ask(prefix, self._api.list_namespaced_secret, namespace)
        for item in found.items:
            for key in sorted(item.data or {}):
                if item.metadata.name.startswith(start):
                    yield _info(f"{namespace}/{item.metadata.name}#{key}", item)

    async def check(self) -> str:
        """Return the address of the cluster, which answers."""
        await self._ask("", self._api.get_api_resources)
        return f"Kubernetes at {self._api.api_client.configuration.host}"

    async def aclose(self) -> None:
        """Close connections."""
        self._api.api_client.close()

    async def _read(self, path: str) -> Any:
        namespace, name, _ = _split(path)
        return await self._ask(path, self._api.read_namespaced_secret, name, namespace)

    async def _ask(self, path: str, call: Callable[..., Any], *arguments: Any) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return await asyncio.to_thread(call, *arguments, _request_timeout=self._limit)
        except ApiException as error:
            # Its text holds the whole answer, so only the number is shown.
            raise _refusal(path, int(error.status or 0)) from None
        except HTTPError as error:
            raise BackendAwayError(
                f"the Kubernetes API cannot be reached: {type(error).__name__}",
                next_step="Look at it: kubectl get --raw /readyz",
            ) from None


def _refusal(path: str, status: int) -> Exception:
    if status == 404:
        return missing("kubernetes", path, "Are namespace and name right?")
    if status in {401, 403}:
        return AccessDeniedError(
            f"Kubernetes refuses kubernetes:{path}",
            next_step="Does a role of this account allow verb get on secrets of the namespace?",
        )
    if status >= 500 or status in {0, 429}:
        return BackendAwayError(f"the Kubernetes API answered {status}", next_step="Try again.")
    return SecretError(
        f"Kubernetes refused kubernetes:{path} with {status}",
        next_step="Look into the API server's audit log.",
    )


def _split(path: str) -> tuple[str, str, str]:
    place, key = split_key("kubernetes", path)
    namespace, _, name = place.partition("/")
    if not (_NAMESPACE.fullmatch(namespace) and _NAME.fullmatch(name) and key):
        raise _misnamed(path)
    return namespace, name, key


def _misnamed(path: str) -> SecretRefusedError:
    return SecretRefusedError(
        f"kubernetes:{path} is not of the form kubernetes:NAMESPACE/NAME#KEY",
        next_step="Name the namespace, the secret, and the key in it, as the cluster does.",
    )


def _info(path: str, found: Any) -> SecretInfo:
    meta = found.metadata
    rule = labelled((meta.annotations or {}).get(DAYS))
    field = f"f:{path.partition('#')[2]}"
    times = [
        item.time
        for item in meta.managed_fields or ()
        if item.time and field in ((item.fields_v1 or {}).get("f:data") or {})
    ]
    # Several managers may hold a key with one value: the oldest of them set it.
    return SecretInfo(path, made_at=min(times, default=meta.creation_timestamp), rule=rule)
