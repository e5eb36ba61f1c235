"""`aws:NAME` and `aws:NAME#KEY`: AWS Secrets Manager, through boto3 in a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

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
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule, labelled
from hxp_enterprise_llm.configuration.secrets.secret import Secret

_CONNECT_SECONDS = 2
_READ_SECONDS = 5
DAYS = "citadel-rotate-days"
_REFUSED = {"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"}
T = TypeVar("T")


class SecretsManager:
    """Secrets of one account and region; `#KEY` is a member of a secret that is a JSON document.

    Args:
        client: A boto3 client of service `secretsmanager`.
    """

    scheme = "aws"
    writable = True
    remote = True

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def connect(cls, variables: Mapping[str, str]) -> SecretsManager:
        """Return the backend of the account that boto3 finds; nothing is sent yet.

        Raises:
            SecretRefusedError: boto3 is not installed, or no region is named.
        """
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise SecretRefusedError(
                "aws: references need boto3", next_step="Install extra aws of this package."
            ) from None
        silence("boto3", "botocore")
        region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")
        session = boto3.session.Session(region_name=region)
        if session.region_name is None:
            raise SecretRefusedError(
                "aws: references need a region", next_step="export AWS_REGION=eu-central-1"
            )
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
        url = variables.get("AWS_ENDPOINT_URL") or None
        return cls(session.client("secretsmanager", config=config, endpoint_url=url))

    async def get(self, path: str) -> Secret:
        """Return a secret, or one member of it."""
        name, key = split_key(self.scheme, path)
        text = await self._text(name)
        if not key:
            return Secret(text)
        value = _members(path, text).get(key)
        if not isinstance(value, str) or not value:
            raise missing(self.scheme, path, f"The secret is there, its key {key} is not.")
        return Secret(value)

    async def set(
        self,
        path: str,
        value: Secret,
        *,
        made_at: datetime | None = None,  # noqa: ARG002
        made_by: MadeBy = MadeBy.GIVEN,  # noqa: ARG002
    ) -> SecretInfo:
        """Write a secret, or one member of it; time and version are AWS' own."""
        name, key = split_key(self.scheme, path)
        try:
            text = await self._text(name) if key else ""
        except SecretError as error:
            if error.code != "secrets.not-found":
                raise
            text = ""
        if key:
            members = _members(path, text) if text else {}
            new = json.dumps({**members, key: value.reveal()})
        else:
            new = value.reveal()
        await self._write(name, new)
        return await self.info(path)

    async def set_rule(self, path: str, rule: RotationRule) -> SecretInfo:  # noqa: ARG002
        """Refuse: a tag of the secret says it."""
        raise ruled_elsewhere(self.scheme, path, f"its tag {DAYS}")

    async def remove(self, path: str) -> None:
        """Schedule the deletion of a whole secret; AWS keeps it for 30 days."""
        name, key = split_key(self.scheme, path)
        if key:
            raise SecretRefusedError(
                f"aws:{path} is a part of a secret",
                next_step=f"Remove the whole secret: aws:{name}.",
            )
        await self._ask(name, lambda: self._client.delete_secret(SecretId=name))

    async def info(self, path: str) -> SecretInfo:
        """Return when a secret was changed."""
        name, _ = split_key(self.scheme, path)
        found = await self._ask(name, lambda: self._client.describe_secret(SecretId=name))
        return _info(path, found)

    async def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:
        """Yield all secrets whose name begins with a prefix."""
        pages = await self._ask(
            prefix, lambda: list(self._client.get_paginator("list_secrets").paginate())
        )
        for page in pages:
            for found in page["SecretList"]:
                if found["Name"].startswith(prefix):
                    yield _info(found["Name"], found)

    async def check(self) -> str:
        """Ask for one secret's name; return the region."""
        await self._ask("", lambda: self._client.list_secrets(MaxResults=1))
        return f"AWS Secrets Manager in {self._client.meta.region_name}"

    async def aclose(self) -> None:
        """Close connections."""
        self._client.close()

    async def _text(self, name: str) -> str:
        found = await self._ask(name, lambda: self._client.get_secret_value(SecretId=name))
        text: str = found.get("SecretString") or ""
        if not text:
            raise SecretRefusedError(
                f"aws:{name} is no text, or empty", next_step="Store it as SecretString."
            )
        return text

    async def _write(self, name: str, text: str) -> None:
        try:
            await self._ask(
                name, lambda: self._client.put_secret_value(SecretId=name, SecretString=text)
            )
        except SecretError as error:
            if error.code != "secrets.not-found":
                raise
            await self._ask(name, lambda: self._client.create_secret(Name=name, SecretString=text))

    async def _ask(self, name: str, call: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await asyncio.to_thread(call)
        except ClientError as error:
            raise _refusal(name, error.response["Error"].get("Code", "")) from None
        except BotoCoreError as error:
            raise BackendAwayError(
                f"AWS Secrets Manager cannot be used: {type(error).__name__}",
                next_step="Are credentials set (AWS_PROFILE), and is the region reached?",
            ) from None


def _refusal(name: str, code: str) -> Exception:
    if code == "ResourceNotFoundException":
        return missing("aws", name, "Is the name right, and the region?")
    if code in _REFUSED:
        return AccessDeniedError(
            f"AWS refuses aws:{name}: {code}",
            next_step="Does the role allow secretsmanager:GetSecretValue on it?",
        )
    if code in {"InternalServiceError", "ThrottlingException", "ServiceUnavailable"}:
        return BackendAwayError(f"AWS Secrets Manager answered {code}", next_step="Try again.")
    return SecretError(f"AWS refused aws:{name}: {code}", next_step="Look into CloudTrail.")


def _members(path: str, text: str) -> dict[str, Any]:
    try:
        members = json.loads(text)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise SecretRefusedError(
            f"aws:{path}: the secret is no JSON document",
            next_step="Leave #KEY away, or store a document.",
        )
    return members


def _info(path: str, found: Mapping[str, Any]) -> SecretInfo:
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()}
    made_at = found.get("LastChangedDate") or found.get("CreatedDate")
    return SecretInfo(path, made_at=made_at, rule=labelled(tags.get(DAYS)))
