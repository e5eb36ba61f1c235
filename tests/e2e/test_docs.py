"""Every command that the docs show runs, on the live environment, and ends well."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from live import CHECKOUT, CITADEL, Live

FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PROGRAMS = ("citadel", "pulumi", "ansible-playbook", ".venv/bin/citadel")
# These remove or make whole environments, or never end; other tests run them.
ELSEWHERE = ("destroy", "--follow", " up lab", " validate lab")
# These ask for a passphrase or an old key; tests/unit/cli/test_secrets_cli.py gives them one.
ASKING = ("secrets backup", "secrets restore", "--fernet-key")
# The live environment has no role configuration; the role's own scenario asks these of its host.
OTHER_HOSTS = ("logs local configuration", "citadel-configuration", "configuration/audit.jsonl")
# What the docs take for a reader's own secrets and hook.
OWN_SECRETS = ("smtp/password", "api/token")
HOOK = "./renew-smtp"


def commands() -> list[str]:
    """Return every command line of the docs once, in the order of the pages."""
    pages = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
    found: dict[str, None] = {}
    for page in pages:
        blocks = [body for kind, body in FENCE.findall(page.read_text()) if kind in ("", "sh")]
        for block in blocks:
            for line in block.splitlines():
                command = line.split("  #")[0].strip()
                if command.split(" ")[0] in PROGRAMS and not _elsewhere(command):
                    found[command] = None
    return list(found)


def _elsewhere(command: str) -> bool:
    return any(words in command for words in (*ELSEWHERE, *ASKING, *OTHER_HOSTS))


def test_the_docs_have_commands_of_every_kind() -> None:
    assert len(commands()) > 25
    assert {command.split()[0] for command in commands()} >= {"citadel", "ansible-playbook"}


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_docs_runs(live: Live, command: str, tmp_path: Path) -> None:
    there = str(live.file.relative_to(CHECKOUT))
    environment = os.environ | live.environment()
    for secret in (each for each in OWN_SECRETS if each in command):
        words = [CITADEL, "secrets", "set", there, secret]
        subprocess.run(words, cwd=CHECKOUT, env=environment, input="v", text=True, check=True)
    if HOOK in command:
        hook = tmp_path / "renew-smtp"
        hook.write_text("#!/bin/sh\ncat > /dev/null\n")
        hook.chmod(0o700)
        command = command.replace(HOOK, str(hook))
    if command.split()[0].endswith("citadel"):
        command = re.sub(r"(?<= )local(?=[ ;]|$)", there, command)
        command = command.replace("models.smollm2", "models.tiny")
        command = re.sub(r"(^|(?<=[|;] ))\S*citadel(?= )", CITADEL, command)
    else:
        command = command.replace("stacks/environments/local.yaml", there)
        command = command.replace("-s local", f"-s {live.name}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=CHECKOUT, env=environment,
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def as_one_script(script: str) -> str:
    """Run a script in a shell of a user who has set nothing."""
    clean = {"HOME": os.environ["HOME"], "PATH": os.defpath}
    kept = {key: os.environ[key] for key in ("XDG_CACHE_HOME",) if key in os.environ}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=CHECKOUT, env=clean | kept,
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_s_block_on_pulumi_ansible_and_clients_runs_as_one_script(live: Live) -> None:
    there = str(live.file.relative_to(CHECKOUT))
    blocks = [body for _, body in FENCE.findall((CHECKOUT / "README.md").read_text())]
    (block,) = (body for body in blocks if body.startswith('eval "$('))
    script = block.replace("stacks/environments/local.yaml", there)
    script = script.replace(" env local", f" env {there}").replace("-s local", f"-s {live.name}")
    shown = as_one_script(script)
    for program in ('"object":"list"', '"id":"tiny"', "Resources:", "PLAY RECAP"):
        assert program in shown


def test_pulumi_previews_and_brings_up_a_stack_by_its_name_alone(live: Live) -> None:
    there = live.file.relative_to(CHECKOUT)
    shown = as_one_script(f"""
        eval "$(.venv/bin/citadel env {there})"
        pulumi preview -s {live.name} --expect-no-changes
        pulumi up -s {live.name} --yes --expect-no-changes
        pulumi stack output fleet -s {live.name} --json
    """)
    assert '"environment": "test"' in shown
    assert live.ask().status == 200
