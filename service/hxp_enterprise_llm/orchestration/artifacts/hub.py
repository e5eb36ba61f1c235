"""Models from a Hugging Face hub, by repository and commit.

Uses two of the hub's calls (https://huggingface.co/docs/hub/api): `GET /api/models/REPO/tree/REV`
lists files, with the SHA-256 of large ones; `GET /REPO/resolve/REV/PATH` delivers one.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.download import Download, open_url
from hxp_enterprise_llm.orchestration.artifacts.models import wanted
from hxp_enterprise_llm.schemas.models import Model


@dataclass(frozen=True)
class Repository:
    """A repository of a hub at a commit; HF_ENDPOINT names another hub than the public one."""

    name: str
    revision: str

    @classmethod
    def of(cls, model: Model) -> Repository:
        """Return the repository of an `hf:` source, `hf:ORG/NAME` or `hf:ORG/NAME@REVISION`.

        Raises:
            CitadelError: There is no revision: a branch may change under the hash.
        """
        name, _, revision = model.source.removeprefix("hf:").partition("@")
        revision = revision or model.revision or ""
        if not revision:
            raise CitadelError(
                f"{model.source} has no revision", next_step="Write the commit as `revision`."
            )
        return cls(name, revision)

    def files(self) -> tuple[dict[str, str], list[Download]]:
        """Return small files with their content, and large ones to download.

        Raises:
            CitadelError: The hub does not answer, or has no such repository or commit.
        """
        listed: list[dict[str, Any]] = json.loads(
            self._read(f"api/models/{self.name}/tree/{quote(self.revision)}?recursive=true")
        )
        small: dict[str, str] = {}
        large: list[Download] = []
        for entry in listed:
            path = entry["path"]
            if entry["type"] != "file" or not wanted(path):
                continue
            if "lfs" in entry:
                large.append(Download(path, entry["lfs"]["oid"], (self._url(path),), _token()))
            else:
                small[path] = self._read(f"{self.name}/resolve/{self.revision}/{quote(path)}")
        return small, large

    def _url(self, path: str) -> str:
        return f"{_endpoint()}/{self.name}/resolve/{self.revision}/{quote(path)}"

    def _read(self, path: str) -> str:
        request = urllib.request.Request(f"{_endpoint()}/{path}", headers=_token())  # noqa: S310 (the operator names the hub)
        try:
            with open_url(request) as answer:
                content: bytes = answer.read()
        except urllib.error.URLError as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            raise CitadelError(
                f"{_endpoint()} does not deliver {self.name} at {self.revision}: {error}",
                next_step="Check name, commit and network; a gated model needs HF_TOKEN.",
            ) from None
        return content.decode()


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _token() -> dict[str, str]:
    token = os.environ.get("HF_TOKEN", "")
    return {"Authorization": f"Bearer {token}"} if token else {}
