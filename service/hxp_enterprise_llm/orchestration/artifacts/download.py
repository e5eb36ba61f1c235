"""Downloads one file: resumed where it stopped, hashed as it comes, refused when it differs.

Sources are tried in order. Proxies (HTTPS_PROXY, NO_PROXY) and certificate bundles
(SSL_CERT_FILE, SSL_CERT_DIR) are honoured as everywhere in Python.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.store import Store
from hxp_enterprise_llm.utilities.retry import Retrier, RetryPolicy

MIRRORS = "CITADEL_MIRRORS"
"""Variable: base addresses of copies of a store (http://…, file:///…), separated by spaces."""
_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 60.0
_POLICY = RetryPolicy(attempts=5, first_wait=0.5, longest_wait=10, deadline=None)
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNSATISFIABLE = 416


class InterruptedFetchError(CitadelError):
    """Another download failed or the user stopped; the part so far is kept."""

    code = "artifacts.interrupted"


class WrongHashError(CitadelError):
    """A source delivered something else than the lock names."""

    code = "artifacts.wrong-hash"


class _TransientError(Exception):
    """Worth another attempt."""


_WORTH_ANOTHER = (
    _TransientError,
    TimeoutError,
    ConnectionError,
    http.client.IncompleteRead,
)


@dataclass(frozen=True)
class Download:
    """A file that the store shall hold."""

    name: str
    sha256: str
    urls: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)

    def sources(self) -> tuple[str, ...]:
        """Return its own addresses, then those of the mirrors."""
        mirrors = os.environ.get(MIRRORS, "").split()
        return (
            *self.urls,
            *(f"{base.rstrip('/')}/blobs/sha256/{self.sha256}" for base in mirrors),
        )


def download(
    item: Download, store: Store, advance: Callable[[int], None], stop: threading.Event
) -> None:
    """Bring a file into the store, unless it is there.

    Args:
        item: What to bring.
        store: Where to.
        advance: Takes the number of bytes of each piece.
        stop: Set by somebody who wants the download to end.

    Raises:
        WrongHashError: The content differs from the lock; it lies in quarantine.
        CitadelError: No source has it.
    """
    if store.has(item.sha256):
        return
    if stop.is_set():
        raise InterruptedFetchError(f"{item.name}: stopped")
    part = store.root / "partial" / f"{item.sha256}.part"
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if store.has(item.sha256):
            part.unlink(missing_ok=True)
            return
        failures = []
        for url in item.sources():
            try:
                fetch = partial(_stream, item, url, file, advance, stop)
                actual = Retrier(_POLICY).call_now(url, fetch, on=_WORTH_ANOTHER)
            except (OSError, http.client.HTTPException, _TransientError) as error:
                _refuse_full_disk(error, store)
                failures.append(f"{url}: {error}")
                continue
            _accept(item, url, actual, store)
            return
    raise CitadelError(
        f"no source has {item.name}:\n  " + "\n  ".join(failures or ["none is known"]),
        next_step=f"Check the network, or name a copy of a store in {MIRRORS}, and run it again.",
    )


def _refuse_full_disk(error: Exception, store: Store) -> None:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        raise CitadelError(
            f"the disk of {store.root} is full",
            next_step="Free some (citadel artifacts gc), then run it again: it goes on from here.",
        ) from None


def _accept(item: Download, url: str, actual: str, store: Store) -> None:
    part = store.root / "partial" / f"{item.sha256}.part"
    if actual == item.sha256:
        store.adopt(part, actual)
        return
    aside = store.set_aside(part, f"{item.name}.{actual[:16]}")
    raise WrongHashError(
        f"{item.name} is not what the lock names: refused and set aside\n"
        f"  source    {url}\n  expected  {item.sha256}\n  actual    {actual}\n  set aside {aside}",
        next_step="Do not use it. Compare with the publisher, then correct the source or the lock.",
    )


def _stream(
    item: Download,
    url: str,
    file: BinaryIO,
    advance: Callable[[int], None],
    stop: threading.Event,
) -> str:
    sum_ = _hash_so_far(file)
    have = file.tell()
    try:
        with _open(item, url, have) as answer:
            if have and answer.status != http.client.PARTIAL_CONTENT:
                file.truncate(0)
                sum_ = hashlib.sha256()
            while chunk := answer.read(_CHUNK):
                if stop.is_set():
                    raise InterruptedFetchError(f"{item.name}: stopped")
                file.write(chunk)
                sum_.update(chunk)
                advance(len(chunk))
            _check_complete(answer)
    except urllib.error.HTTPError as error:
        if error.code != _UNSATISFIABLE or not have:
            raise
        # All of it had arrived before the interruption, or the part is longer than the file.
        if sum_.hexdigest() != item.sha256:
            file.truncate(0)
            raise _TransientError("the part was longer than the file") from None
    file.flush()
    os.fsync(file.fileno())
    return sum_.hexdigest()


def _check_complete(answer: http.client.HTTPResponse) -> None:
    left = getattr(answer, "length", None)
    if left:
        raise _TransientError(f"connection closed, {left} bytes missing")


def _hash_so_far(file: BinaryIO) -> hashlib._Hash:
    sum_ = hashlib.sha256()
    with Path(file.name).open("rb") as reader:
        while chunk := reader.read(_CHUNK):
            sum_.update(chunk)
    file.seek(0, os.SEEK_END)
    return sum_


class _KeepTokensHome(urllib.request.HTTPRedirectHandler):
    """Follows redirects without handing a token to another host, or to one without TLS."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request for the new place; see the base class."""
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        downgraded = following is not None and (req.type, following.type) == ("https", "http")
        if following is not None and (following.host != req.host or downgraded):
            following.remove_header("Authorization")
        return following


def open_url(request: urllib.request.Request) -> http.client.HTTPResponse:
    """Send a request; its token stays with the host it was meant for.

    Raises:
        OSError: No answer, or one that is an error (`urllib.error.HTTPError`).
    """
    opener = urllib.request.build_opener(_KeepTokensHome)
    answer: http.client.HTTPResponse = opener.open(request, timeout=_TIMEOUT_SECONDS)
    return answer


def _open(item: Download, url: str, have: int) -> http.client.HTTPResponse:
    headers = dict(item.headers) | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers={"User-Agent": "citadel", **headers})  # noqa: S310 (locks name the scheme)
    try:
        return open_url(request)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _TRANSIENT:
            raise _TransientError(f"HTTP {error.code}") from None
        raise
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError | ConnectionResetError):
            raise _TransientError(str(error.reason)) from None
        raise
