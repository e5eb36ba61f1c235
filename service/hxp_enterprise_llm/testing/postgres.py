"""A PostgreSQL server of its own for a test: real, on a Unix socket, gone afterwards."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.testing.waiting import until

_DEBIAN = Path("/usr/lib/postgresql")
_PACKAGE = "postgresql"


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs; Debian's package is installed if there are none.

    Raises:
        DependencyError: They are neither there nor can be installed.
    """
    found = _found()
    if found is None:
        _install()
        found = _found()
    if found is None:
        raise DependencyError(
            "PostgreSQL is not installed", next_step=f"As root: apt-get install {_PACKAGE}"
        )
    return found


def _found() -> Path | None:
    for folder in sorted(_DEBIAN.glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


def _install() -> None:
    import subprocess

    # The package would start a server of its own, which no test needs.
    settings = Path("/etc/postgresql-common/createcluster.conf")
    root = [] if os.getuid() == 0 else ["sudo", "-n"]
    if not settings.exists():
        subprocess.run([*root, "mkdir", "-p", str(settings.parent)], check=False)
        text = "create_main_cluster = false\n"
        subprocess.run([*root, "tee", str(settings)], input=text, text=True, check=False)
    command = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "install"]
    subprocess.run([*command, _PACKAGE], check=False)


class PostgresServer:
    """One server with database `citadel` of user `citadel`; nothing in it outlives the block.

    Attributes:
        dsn: For asyncpg.
        password: Of the user.
    """

    user = "citadel"
    database = "citadel"

    def __init__(self) -> None:
        # Short: the path of a socket has 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="citadel-pg-"))
        self.password = "not-a-real-password"  # noqa: S105 - of a server that nobody else reaches
        self._process: asyncio.subprocess.Process | None = None
        # PostgreSQL refuses to run as root.
        self._account = _account() if os.getuid() == 0 else None

    @property
    def dsn(self) -> str:
        """Return where the server listens."""
        return f"postgresql://{self.user}@/{self.database}?host={self.folder}"

    async def __aenter__(self) -> Self:
        if self._account is not None:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        secret = self.folder / "password"
        secret.write_text(self.password)
        data = str(self.folder / "data")
        await self._run("initdb", "--no-sync", "-A", "scram-sha-256", "-U", self.user, "-E", "UTF8",
                        "--locale=C", f"--pwfile={secret}", "-D", data)  # fmt: skip
        await self.start()
        import asyncpg

        connection = await asyncpg.connect(
            f"postgresql://{self.user}@/postgres?host={self.folder}", password=self.password
        )
        await connection.execute(f"CREATE DATABASE {self.database}")
        await connection.close()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        shutil.rmtree(self.folder)

    async def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        settings = ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off")
        options = [word for setting in settings for word in ("-c", setting)]
        self._process = await self._spawn("postgres", "-D", str(self.folder / "data"), *options)
        await until(self._accepts, seconds=60)

    async def stop(self) -> None:
        """Stop the server at once, as a crash does."""
        process, self._process = self._process, None
        if process is None:
            return
        self.resume(process)
        process.send_signal(signal.SIGQUIT)
        await process.wait()

    def hang(self) -> None:
        """Let the server answer nothing any more; its socket stays open."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self, process: asyncio.subprocess.Process | None = None) -> None:
        """Let it go on."""
        process = process or self._process
        if process is not None:
            process.send_signal(signal.SIGCONT)

    async def _accepts(self) -> bool:
        process = self._process
        if process is not None and process.returncode is not None:
            raise DependencyError(f"PostgreSQL ended with {process.returncode}")
        lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        return len(lines) > 7 and lines[7].strip() == "ready"

    async def _run(self, program: str, *arguments: str) -> None:
        process = await self._spawn(program, *arguments)
        output, _ = await process.communicate()
        if process.returncode:
            raise DependencyError(f"{program} ended with {process.returncode}: {output.decode()}")

    async def _spawn(self, program: str, *arguments: str) -> asyncio.subprocess.Process:
        captured = program == "initdb"
        return await asyncio.create_subprocess_exec(
            str(binaries() / program),
            *arguments,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if captured else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.STDOUT if captured else asyncio.subprocess.DEVNULL,
            user=self._account.pw_uid if self._account else None,
            group=self._account.pw_gid if self._account else None,
            extra_groups=[] if self._account else None,
        )


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DependencyError("there is no account to run PostgreSQL with")
