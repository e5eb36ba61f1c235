"""Migrates a file again and again, each time killed before another call into the kernel.

Run as a program: it forks, which a process with threads must not. Prints a line for each kill:
which text the file has, what the history says of it, what both say after one more migration, and
what else lies there.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from tests.unit.configuration.revisions.killed import killed_before

from hxp_enterprise_llm.configuration.migration.files import FileMigrator

OLD = '# Old.\nintegration_services:\n  database: {host: 10.0.0.5, password: "${DB}"}\n'


def killed(folder: Path, number: int) -> bool:
    """Migrate in a child that is killed; return whether it came to its end before."""
    child = os.fork()
    if child == 0:
        migrator, file = FileMigrator(folder / "journal"), folder / "site.yaml"
        plan = migrator.plan(file)
        watch = killed_before(number)
        threading.setprofile(watch)
        sys.setprofile(watch)
        migrator.apply(plan, actor="ann")
        sys.setprofile(None)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def seen(migrator: FileMigrator, file: Path) -> str:
    text = file.read_text()
    which = "old" if text == OLD else "new" if text.startswith("# Old.\nschema: 1\n") else "half"
    return f"{which} {','.join(item.outcome for item in migrator.history()) or '-'}"


def main(root: Path) -> None:
    for number in range(1000):
        folder = root / str(number)
        folder.mkdir()
        file = folder / "site.yaml"
        file.write_text(OLD)
        done = killed(folder, number)
        migrator = FileMigrator(folder / "journal")
        before = seen(migrator, file)
        # Down, or up once more: either goes on from what is there.
        plan = migrator.plan(file)
        migrator.apply(plan if plan.changed else migrator.plan(file, 0), actor="bob")
        left = [path.name for path in folder.rglob(".*")]
        sys.stdout.write(f"{before} {seen(migrator, file)} {','.join(left) or '-'}\n")
        if done:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
