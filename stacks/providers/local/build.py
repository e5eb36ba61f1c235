"""Builds the image of a host: debootstrap once, then one layer of packages."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import cache
from hxp_enterprise_llm.utilities.process import CommandError, run
from providers.local.podman import as_root, inspect, limits, podman, runtime
from providers.local.recipe import (
    ARCHIVE,
    BASE_PACKAGES,
    SUITE,
    Flavour,
    base_reference,
    reference,
    script,
)

Report = Callable[[str], None]
_NEXT = "Check that this machine reaches its Debian mirror (apt-get update), then run it again."


def ensure_image(flavour: Flavour, report: Report) -> str:
    """Return the reference of a flavour's image, built first when this machine lacks it.

    Args:
        flavour: `full` or `bare`.
        report: Takes a line for each step.

    Raises:
        CitadelError: debootstrap, apt or podman failed.
    """
    wanted = reference(flavour)
    if inspect("image", wanted) is None:
        with _locked(report):
            if inspect("image", wanted) is None:
                _build(flavour, wanted, report)
    return wanted


def sources() -> str:
    """Return sources.list lines for the suite, from the mirrors that this machine uses."""
    form = "$(TYPE)|$(CREATED_BY)|$(SITE)|$(RELEASE)|$(COMPONENT)"
    # indextargets unfolds deb822 files, options and all, into what apt really asks for.
    listed = run(("apt-get", "indextargets", "--format", "deb|" + form), check=False).stdout
    return _own_lines(listed) or f"deb {ARCHIVE} {SUITE} main\n"


def _own_lines(listed: str) -> str:
    lines: list[str] = []
    for entry in listed.splitlines():
        site, release, component = entry.split("|")[-3:]
        line = f"deb {site} {release} {component}"
        ours = release == SUITE or release.startswith(f"{SUITE}-")
        if ours and component == "main" and line not in lines:
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def mirror() -> str:
    """Return the mirror of the suite itself."""
    for line in sources().splitlines():
        _, site, release, _ = line.split()
        if release == SUITE:
            return site
    return ARCHIVE


def _build(flavour: Flavour, wanted: str, report: Report) -> None:
    if inspect("image", base_reference()) is None:
        _build_base(report)
    report(f"image {flavour}: installing packages")
    name = f"citadel-build-{flavour}"
    podman("rm", "--force", "--ignore", name)
    try:
        podman(
            *("run", "--name", name, "--network", "host", *runtime(), *limits()),
            *("--interactive", base_reference(), "sh", "-s"),
            stdin=_apt_settings() + script(flavour),
        )
        report(f"image {flavour}: saving")
        podman("commit", "--quiet", "--change", 'CMD ["/sbin/init"]', name, wanted)
    finally:
        podman("rm", "--force", "--ignore", name)


def _apt_settings() -> str:
    proxies = "".join(
        f"{line}\n"
        for line in run(("apt-config", "dump"), check=False).stdout.splitlines()
        if "::Proxy " in line
    )
    return (
        f"cat > /etc/apt/sources.list <<'CITADEL'\n{sources()}CITADEL\n"
        f"cat > /etc/apt/apt.conf.d/90citadel <<'CITADEL'\n{proxies}CITADEL\n"
    )


def _build_base(report: Report) -> None:
    folder = Path(tempfile.mkdtemp(prefix="citadel-base-", dir=cache()))
    try:
        report(f"image base: debootstrap {SUITE}")
        _root(
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(BASE_PACKAGES)}",
            SUITE,
            str(folder / "root"),
            mirror(),
        )
        report("image base: importing")
        _root("tar", "-C", str(folder / "root"), "-cf", str(folder / "root.tar"), ".")
        podman("import", "--quiet", str(folder / "root.tar"), base_reference())
    finally:
        _root("rm", "-rf", "--one-file-system", str(folder))


def _root(*command: str) -> None:
    try:
        run((*as_root(), *command), next_step=_NEXT)
    except CommandError as error:
        raise CitadelError(error.message, next_step=_NEXT) from None


@contextmanager
def _locked(report: Report) -> Iterator[None]:
    with (cache() / "image.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("image: waiting for another build on this machine")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
