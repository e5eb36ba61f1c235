"""What is copied to a host's own store is checked, and belongs to root whatever an archive says."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from citadel_bundle import state, store
from citadel_bundle.system import BundleError, Host

VIEW = "models/tiny-1"
UV = "bin/uv"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest(content: bytes = b"weights") -> bytes:
    return json.dumps({"files": {"deep/data": {"sha256": sha(content)}}}).encode()


def member(name: str, mode: int = 0o666, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.linkname = mode, kind, "/etc/shadow"
    info.uid, info.gid, info.uname, info.gname = 1000, 1000, "operator", "operator"
    return info


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> str:
    with tarfile.open(path, "w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return str(path)


def packed(path: Path, content: bytes = b"weights", mode: int = 0o6777) -> str:
    return archive(
        path,
        (member("deep", 0o777, tarfile.DIRTYPE), b""),
        (member("deep/data", mode), content),
        (member("manifest.json"), manifest()),
    )


def receive(host: Host, path: str, view: str = VIEW, digest: str = "") -> None:
    store.receive(host, {view: path}, {view: digest or sha(manifest())})


def place(host: Host, name: str = VIEW) -> Path:
    return host.path(store.STORE) / name


def test_a_copied_view_is_checked_and_put_into_the_store(host: Host, tmp_path: Path) -> None:
    wanted = {VIEW: sha(manifest()), UV: "0" * 64}
    assert store.lacking(host, wanted) == [VIEW, UV]
    receive(host, packed(tmp_path / "a.tar"))
    assert (place(host) / "deep/data").read_bytes() == b"weights"
    assert store.lacking(host, wanted) == [UV]


def test_owner_and_mode_of_an_archive_are_not_believed(host: Host, tmp_path: Path) -> None:
    receive(host, packed(tmp_path / "a.tar"))
    for path in (place(host), *place(host).rglob("*")):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
        assert found.st_mode & 0o7022 == 0
    assert store.trusted(host)


def test_folders_that_an_archive_does_not_name_are_made(host: Host, tmp_path: Path) -> None:
    made = archive(
        tmp_path / "a.tar",
        (member("deep/data"), b"weights"),
        (member("manifest.json"), manifest()),
    )
    receive(host, made)
    assert (place(host) / "deep").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "evil",
    [
        member("../evil"),
        member("/evil"),
        member("link", kind=tarfile.SYMTYPE),
        member("hard", kind=tarfile.LNKTYPE),
        member("device", kind=tarfile.CHRTYPE),
        member("pipe", kind=tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name,
)
def test_an_archive_with_more_than_plain_files_is_refused(
    host: Host, tmp_path: Path, evil: tarfile.TarInfo
) -> None:
    with pytest.raises(BundleError, match="only plain files"):
        receive(host, archive(tmp_path / "a.tar", (evil, b"")))
    assert not list(place(host).parent.iterdir())


def test_a_copied_view_with_a_wrong_hash_is_refused_and_not_kept(
    host: Host, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="than its manifest says"):
        receive(host, packed(tmp_path / "a.tar", b"other"))
    with pytest.raises(BundleError, match="than the operator's"):
        receive(host, packed(tmp_path / "a.tar"), digest="0" * 64)
    assert not list(place(host).parent.iterdir())


def test_a_file_that_the_manifest_does_not_name_is_refused(host: Host, tmp_path: Path) -> None:
    more = archive(
        tmp_path / "a.tar",
        (member("deep/data"), b"weights"),
        (member("code.py"), b""),
        (member("manifest.json"), manifest()),
    )
    with pytest.raises(BundleError, match=r"code\.py"):
        receive(host, more)


def test_a_program_is_checked_by_the_hash_sent_along(host: Host, tmp_path: Path) -> None:
    made = archive(tmp_path / "a.tar", (member("uv", 0o777), b"program"))
    with pytest.raises(BundleError, match="than the operator's"):
        receive(host, made, UV, "0" * 64)
    assert not place(host, UV).exists()
    receive(host, made, UV, sha(b"program"))
    assert place(host, UV).stat().st_mode & 0o777 == 0o755
    place(host, UV).write_bytes(b"changed")
    assert store.lacking(host, {UV: sha(b"program")}) == [UV]


def test_a_view_that_was_tampered_with_is_sent_again(host: Host, tmp_path: Path) -> None:
    receive(host, packed(tmp_path / "a.tar"))
    (place(host) / "deep/data").write_bytes(b"evil")
    assert store.lacking(host, {VIEW: sha(manifest())}) == [VIEW]
    receive(host, packed(tmp_path / "a.tar"))
    assert (place(host) / "deep/data").read_bytes() == b"weights"
    assert [path.name for path in place(host).parent.iterdir()] == ["tiny-1"]


def test_a_store_that_others_can_write_is_repaired(host: Host, tmp_path: Path) -> None:
    receive(host, packed(tmp_path / "a.tar"))
    assert store.repair(host) == []
    (place(host) / "deep").chmod(0o777)
    (place(host) / "deep/data").chmod(0o4666)
    (place(host) / "link").symlink_to("/etc/shadow")
    assert not store.trusted(host)
    assert len(store.repair(host)) == 3
    assert store.trusted(host)
    assert (place(host) / "deep").stat().st_mode & 0o7777 == 0o755
    assert (place(host) / "deep/data").stat().st_mode & 0o7777 == 0o644
    assert not (place(host) / "link").is_symlink()


def test_owners_are_repaired(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(host, packed(tmp_path / "a.tar"))
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(store, "_ids", lambda _host: (4711, 4711))
    monkeypatch.setattr(os, "chown", lambda _path, *ids, **_more: given.append(ids))
    assert store.repair(host)
    assert set(given) == {(4711, 4711)}


def test_the_state_read_holds_no_artifacts_of_a_store_that_needs_repair(
    host: Host, tmp_path: Path
) -> None:
    for name in ("passwd", "group"):
        host.path(f"/etc/{name}").touch()
    receive(host, packed(tmp_path / "a.tar"))
    host.path("/opt/models").mkdir()
    host.path("/opt/models/tiny-1").symlink_to(place(host))
    assert state.read(host, b"nonce")["artifacts"] == ["/opt/models/tiny-1"]
    place(host).chmod(0o777)
    assert state.read(host, b"nonce")["artifacts"] == []
