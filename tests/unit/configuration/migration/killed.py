"""Migrates two files that belong together, again and again, each time killed before another call.

Run as a program: it forks, which a process with threads must not. Prints a line for each kill:
which texts the files have, what the history says of them, what both say once that is settled, and
what else lies there.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from tests.unit.configuration.revisions.killed import killed_before

# Here, not in each child again.
import hxp_enterprise_llm.configuration.migration.rewrite  # noqa: F401
from hxp_enterprise_llm.configuration.migration.files import FileMigrator

OLD = {
    "site.yaml": '# Old.\nextends: base\nintegration_services:\n  cache: {password: "${DB}"}\n',
    "base.yaml": "# Old.\nintegration_services:\n  database: {host: 10.0.0.5}\n",
}


def killed(folder: Path, number: int) -> bool:
    """Migrate in a child that is killed; return whether it came to its end before."""
    child = os.fork()
    if child == 0:
        migrator = FileMigrator(folder / "journal")
        plans = migrator.plan_all([folder / "site.yaml"])
        watch = killed_before(number)
        threading.setprofile(watch)
        sys.setprofile(watch)
        migrator.apply_all(plans, actor="ann")
        sys.setprofile(None)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def which(file: Path) -> str:
    text = file.read_text()
    if text == OLD[file.name]:
        return "old"
    return "new" if "schema: 1\n" in text and "hosts:" in text else "half"


def seen(migrator: FileMigrator, folder: Path) -> str:
    texts = ",".join(which(folder / name) for name in OLD)
    return f"{texts} {','.join(item.outcome for item in migrator.history()) or '-'}"


def main(root: Path) -> None:
    for number in range(1000):
        folder = root / str(number)
        folder.mkdir()
        for name, text in OLD.items():
            (folder / name).write_text(text)
        done = killed(folder, number)
        migrator = FileMigrator(folder / "journal")
        before = seen(migrator, folder)
        migrator.settle()
        left = [path.name for path in folder.rglob(".*")]
        sys.stdout.write(f"{before} {seen(migrator, folder)} {','.join(left) or '-'}\n")
        if done:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
