"""Builds the image of a host: debootstrap once, then one layer of packages."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import cache
from hxp_enterprise_llm.utilities.process import CommandError, run
from providers.local.podman import as_root, inspect, limits, podman, runtime
from providers.local.recipe import (
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
    """Return sources.list lines for the suite, from the mirrors that this machine uses.

    Empty when it uses none of Debian's; then debootstrap's own default holds.
    """
    form = "$(ORIGIN)|$(SITE)|$(RELEASE)|$(COMPONENT)"
    # indextargets unfolds every kind of sources file into what apt really asks for.
    return own_lines(run(("apt-get", "indextargets", "--format", form), check=False).stdout)


def own_lines(listed: str) -> str:
    """Return sources.list lines for the suite.

    Args:
        listed: Lines `origin|site|release|component` of the machine's own sources.
    """
    entries = [line.split("|") for line in listed.splitlines()]
    debian = [
        (site, release)
        for origin, site, release, component in entries
        if origin == "Debian" and component == "main"
    ]
    ours = [item for item in debian if item[1] == SUITE or item[1].startswith(f"{SUITE}-")]
    # A mirror of another release carries this one too.
    others = [(site, SUITE) for site, release in debian if "-" not in release][:1]
    return "".join(
        f"deb {site} {release} main\n" for site, release in dict.fromkeys(ours or others)
    )


def mirror() -> tuple[str, ...]:
    """Return debootstrap's argument for the mirror of the suite; none for its default."""
    found = [line.split() for line in sources().splitlines()]
    return tuple(site for _, site, release, _ in found if release == SUITE)[:1]


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
    own = sources()
    lists = f"cat > /etc/apt/sources.list <<'CITADEL'\n{own}CITADEL\n" if own else ""
    return lists + f"cat > /etc/apt/apt.conf.d/90citadel <<'CITADEL'\n{proxies}CITADEL\n"


def _build_base(report: Report) -> None:
    # One name, because the lock is held: what a killed build left goes first.
    folder = cache() / "image-base"
    _root("rm", "-rf", "--one-file-system", str(folder))
    folder.mkdir()
    try:
        report(f"image base: debootstrap {SUITE}")
        _root(
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(BASE_PACKAGES)}",
            SUITE,
            str(folder / "root"),
            *mirror(),
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
