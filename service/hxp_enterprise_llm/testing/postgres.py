"""A PostgreSQL server of its own for a test: real, on a Unix socket, gone afterwards."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.orchestration.paths import cache
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
        await asyncio.to_thread(self._fill)
        await self.start()
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

    def _fill(self) -> None:
        _copy(_template(self.user, self.password, self.database), self.folder / "data")

    async def _spawn(self, program: str, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            str(binaries() / program),
            *arguments,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            user=self._account.pw_uid if self._account else None,
            group=self._account.pw_gid if self._account else None,
            extra_groups=[] if self._account else None,
        )


@functools.cache
def _template(user: str, password: str, database: str) -> Path:
    """Return the data of a server that never ran: made once a machine, since initdb takes seconds.

    Raises:
        DependencyError: PostgreSQL's programs failed.
    """
    made_from = f"{binaries()} {user} {password} {database} {os.getuid()}"
    data = cache() / "postgres" / hashlib.sha256(made_from.encode()).hexdigest()[:16]
    data.parent.mkdir(parents=True, exist_ok=True)
    with data.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not data.exists():
            half = data.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix="citadel-pg-") as folder:
                fresh = _initialized(Path(folder), user, password, database)
                _copy(fresh, half)
            half.rename(data)
    return data


def _initialized(folder: Path, user: str, password: str, database: str) -> Path:
    secret, data = folder / "password", folder / "data"
    secret.write_text(password)
    account = _account() if os.getuid() == 0 else None
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    _made(account, folder, "initdb", "--no-sync", "-A", "scram-sha-256", "-U", user, "-E", "UTF8",
          "--locale=C", f"--pwfile={secret}", "-D", str(data))  # fmt: skip
    single = ("postgres", "--single", "-D", str(data), "postgres")
    _made(account, folder, *single, said=f"CREATE DATABASE {database}\n")
    return data


def _copy(data: Path, to: Path) -> None:
    # With owners: the server's account is another one.
    subprocess.run(["cp", "-a", "--reflink=auto", str(data), str(to)], check=True)


def _made(
    account: pwd.struct_passwd | None, folder: Path, program: str, *arguments: str, said: str = ""
) -> None:
    done = subprocess.run(
        [str(binaries() / program), *arguments],
        cwd=folder,
        input=said,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode or "ERROR" in done.stdout:
        raise DependencyError(f"{program} ended with {done.returncode}: {done.stdout}")


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DependencyError("there is no account to run PostgreSQL with")
