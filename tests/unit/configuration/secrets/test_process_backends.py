"""Variables, files and systemd's credentials: read, never written (CX-01, CX-04)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.secrets import Secret, Secrets
from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.backends.process import (
    Credentials,
    Files,
    Variables,
)
from hxp_enterprise_llm.configuration.secrets.errors import SecretError, SecretRefusedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, value in (("database", "d1\n"), ("token", "t1")):
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o400)
    return tmp_path


@pytest.mark.feature("CX-01")
async def test_credentials_are_those_that_systemd_passes(folder: Path) -> None:
    backend = Credentials(folder)
    assert (await backend.get("database")).reveal() == "d1"
    assert [item.path async for item in backend.list()] == ["database", "token"]
    # systemd copies them when the unit starts: their time says nothing of their age.
    assert [item.made_at async for item in backend.list()] == [None, None]
    assert (await backend.info("token")).made_at is None
    assert str(folder) in await backend.check()
    for name in ("", "..", "../token", "a/b"):
        with pytest.raises(SecretRefusedError, match="no file name"):
            await backend.get(name)
    with pytest.raises(SecretError, match="No such file") as caught:
        await backend.get("none")
    assert "LoadCredential=none" in caught.value.next_step


async def test_outside_of_a_unit_there_are_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SecretRefusedError, match="CREDENTIALS_DIRECTORY is not set"):
        await Credentials().check()


@pytest.mark.feature("CX-01")
def test_references_to_credentials_resolve(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "state/local").mkdir(parents=True)
    variables = {"CREDENTIALS_DIRECTORY": str(folder)}
    secrets = Secrets(tmp_path / "state/local", variables=variables)
    assert secrets.resolve("credential:token").reveal() == "t1"
    with pytest.raises(SecretRefusedError):
        Secrets(tmp_path / "state/local", variables={}).resolve("credential:token")


async def test_files_and_variables_are_read(folder: Path) -> None:
    assert (await Files(folder).get("database")).reveal() == "d1"
    assert (await Files(folder).info("database")).made_at is not None
    assert str(folder) in await Files(folder).check()
    variables = Variables({"TOKEN": "t1"})
    assert (await variables.get("TOKEN")).reveal() == "t1"
    assert (await variables.info("TOKEN")).path == "TOKEN"
    assert await variables.check() == "variables of this process"
    with pytest.raises(SecretError, match="NONE is not set"):
        await variables.get("NONE")


@pytest.mark.feature("CX-04")
async def test_what_a_process_is_given_is_not_written(folder: Path) -> None:
    backends: tuple[Backend, ...] = (Variables({"a": "1"}), Files(folder), Credentials(folder))
    for backend in backends:
        assert not backend.writable
        with pytest.raises(SecretRefusedError, match="cannot be written"):
            await backend.set("a", Secret("2"))
        with pytest.raises(SecretRefusedError, match="cannot be written"):
            await backend.remove("a")
        await backend.aclose()
    assert [item async for item in Variables({"a": "1"}).list()] == []


async def test_a_file_that_is_no_text_is_said(folder: Path) -> None:
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    (folder / "binary").chmod(0o600)
    with pytest.raises(SecretError, match="is no text"):
        await Files(folder).get("binary")
