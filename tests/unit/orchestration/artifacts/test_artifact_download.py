from __future__ import annotations

import errno
import http.client
import io
import threading
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.download import (
    Download,
    InterruptedFetchError,
    WrongHashError,
    _KeepTokensHome,
    download,
)
from hxp_enterprise_llm.orchestration.artifacts.store import Store

CONTENT = bytes(range(256)) * 20_000


def bring(store: Store, sha256: str, *urls: str, headers: dict[str, str] | None = None) -> int:
    """Download one file and return how many bytes came."""
    counts: list[int] = []
    item = Download("thing.whl", sha256, urls, headers or {})
    download(item, store, counts.append, threading.Event())
    return sum(counts)


def answering(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def cutting(count: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[:count])
        request.close_connection = True

    return answer


def test_a_download_lands_under_its_hash_and_leaves_no_part(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    assert bring(store, sha256, url) == len(CONTENT)
    assert store.blob(sha256).read_bytes() == CONTENT
    assert store.blob(sha256).stat().st_mode & 0o777 == 0o444
    assert list((store.root / "partial").iterdir()) == []


def test_what_is_in_the_store_is_not_asked_for_again(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    bring(store, sha256, url)
    assert bring(store, sha256, url) == 0
    assert len(server.requests) == 1


def test_a_part_of_an_earlier_run_is_continued_by_range(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    (store.root / "partial" / f"{sha256}.part").write_bytes(CONTENT[:1000])
    assert bring(store, sha256, url) == len(CONTENT) - 1000
    assert server.requests == [("/thing", "bytes=1000-")]
    assert store.blob(sha256).read_bytes() == CONTENT


def test_a_connection_that_breaks_is_continued_where_it_broke(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    server.faults["/thing"] = [cutting(3_000_000)]
    bring(store, sha256, url)
    assert [wanted for _, wanted in server.requests] == [None, "bytes=3000000-"]
    assert store.blob(sha256).read_bytes() == CONTENT


def test_a_part_that_is_whole_is_taken_without_its_bytes(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    (store.root / "partial" / f"{sha256}.part").write_bytes(CONTENT)
    assert bring(store, sha256, url) == 0
    assert store.has(sha256)


def test_a_part_that_is_too_long_is_begun_anew(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    (store.root / "partial" / f"{sha256}.part").write_bytes(CONTENT + b"rest of something else")
    bring(store, sha256, url)
    assert store.blob(sha256).read_bytes() == CONTENT


def test_a_server_without_ranges_is_read_from_the_start(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    (store.root / "partial" / f"{sha256}.part").write_bytes(b"x" * 1000)
    server.faults["/thing"] = [cutting(len(CONTENT))]
    bring(store, sha256, url)
    assert store.blob(sha256).read_bytes() == CONTENT


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(store: Store, server: Any, code: int) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    server.faults["/thing"] = [answering(code), answering(code)]
    bring(store, sha256, url)
    assert len(server.requests) == 3


def test_the_next_source_is_tried_when_one_does_not_have_it(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    bring(store, sha256, server.base + "/gone", url)
    assert [path for path, _ in server.requests] == ["/gone", "/thing"]


def test_another_store_is_a_mirror(
    store: Store, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Store(tmp_path / "other")
    sha256 = other.keep(CONTENT)
    monkeypatch.setenv("CITADEL_MIRRORS", f"{server.base}/none file://{other.root}")
    bring(store, sha256, server.base + "/gone")
    assert store.blob(sha256).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_set_aside_and_named(store: Store, server: Any) -> None:
    url, _ = server.put("/thing", b"something else")
    with pytest.raises(WrongHashError) as caught:
        bring(store, "a" * 64, url)
    aside = list((store.root / "quarantine").iterdir())
    assert [file.read_bytes() for file in aside] == [b"something else"]
    for fact in ("thing.whl", url, "a" * 64, str(aside[0])):
        assert fact in str(caught.value)
    assert not store.has("a" * 64)
    assert list((store.root / "partial").iterdir()) == []


def test_no_source_is_an_error_that_names_each(store: Store, server: Any) -> None:
    with pytest.raises(CitadelError, match=r"no source has thing\.whl") as caught:
        bring(store, "b" * 64, server.base + "/one", server.base + "/two")
    assert "/one" in str(caught.value)
    assert "/two" in str(caught.value)


def test_a_stopped_download_keeps_its_part_and_shows_nothing(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)
    stop = threading.Event()
    with pytest.raises(InterruptedFetchError):
        download(Download("thing", sha256, (url,)), store, lambda _: stop.set(), stop)
    assert not store.has(sha256)
    part = store.root / "partial" / f"{sha256}.part"
    assert 0 < part.stat().st_size < len(CONTENT)


def test_a_token_does_not_follow_to_another_host(store: Store, server: Any) -> None:
    _, sha256 = server.put("/thing", CONTENT)
    elsewhere = server.base.replace("127.0.0.1", "localhost") + "/thing"

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(http.client.FOUND)
        request.send_header("Location", elsewhere)
        request.send_header("Content-Length", "0")
        request.end_headers()

    server.faults["/start"] = [redirect]
    headers = {"Authorization": "Bearer hf_secret"}
    bring(store, sha256, server.base + "/start", headers=headers)
    sent = [seen.get("Authorization") for seen in server.headers]
    assert sent == ["Bearer hf_secret", None]


@pytest.mark.parametrize(
    ("start", "to", "kept"),
    [
        ("https://hub.example/a", "https://hub.example/b", True),
        ("https://hub.example/a", "http://hub.example/b", False),
        ("https://hub.example/a", "https://cdn.example/b", False),
        ("https://hub.example/a", "https://hub.example:8443/b", False),
    ],
)
def test_a_token_stays_with_its_host_and_with_tls(start: str, to: str, *, kept: bool) -> None:
    request = urllib.request.Request(start, headers={"Authorization": "Bearer hf_secret"})
    following = _KeepTokensHome().redirect_request(
        request, io.BytesIO(), 302, "Found", http.client.HTTPMessage(), to
    )
    assert following is not None
    assert following.has_header("Authorization") is kept


def test_a_full_disk_is_named_and_no_other_source_is_tried(store: Store, server: Any) -> None:
    url, sha256 = server.put("/thing", CONTENT)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    item = Download("thing", sha256, (url, url))
    with pytest.raises(CitadelError, match=r"disk of .* is full"):
        download(item, store, full, threading.Event())
    assert len(server.requests) == 1
    assert not store.has(sha256)
