"""A process that loads its configuration, reloads it, and is killed in the phase that it is told.

Prints what serves. Arguments: the folder; the phase to die in, or nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.revisions.files import FileShelf
from hxp_enterprise_llm.configuration.revisions.store import Revisions
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.folder import FolderSource
from hxp_enterprise_llm.core.reload import Prepared
from hxp_enterprise_llm.utilities.files import write_atomic

FOLDER, PHASE = Path(sys.argv[1]), sys.argv[2]


def pass_through(phase: str, level: int) -> None:
    if phase == PHASE and level == 2:
        os.kill(os.getpid(), signal.SIGKILL)


class Part:
    async def prepare(self, config: Sample) -> Prepared[Sample]:
        pass_through("build", config.level)
        return Prepared(config)

    def commit(self, prepared: Prepared[Sample]) -> None:
        pass_through("swap", prepared.config.level)

    async def abandon(self, prepared: Prepared[Sample]) -> None:
        pass


class Store(Revisions):
    async def append(self, document: Mapping[str, Any], **said: Any) -> Any:
        pass_through("record", document["level"])
        revision = await super().append(document, **said)
        pass_through("recorded", document["level"])
        return revision


async def probe(new: Snapshot[Sample]) -> None:
    pass_through("probe", new.config.level)


async def verify(new: Snapshot[Sample]) -> None:
    pass_through("verify", new.config.level)


async def main() -> None:
    store = Store(FileShelf(FOLDER / "revisions"))
    manager = ConfigurationManager(
        Sample,
        [FolderSource(FOLDER / "config")],
        store=store,
        parts=[Part()],
        probe=probe,
        verify=verify,
    )
    manager.subscribe(lambda old, new: pass_through("tell", new.config.level))
    await manager.load()
    if PHASE:
        write_atomic(FOLDER / "config" / "1.yaml", "level: 2\n")
        write_atomic(FOLDER / "config" / "2.yaml", "version: v2\n")
        await manager.reload(reason="a test", actor="ann")
    await store.verify()
    newest = await store.latest()
    config = manager.snapshot.config
    said = {"serves": [config.level, config.version], "ok": manager.health().ok}
    revisions = {"stored": newest.id if newest else "", "revision": manager.snapshot.revision}
    json.dump(said | revisions, sys.stdout)


asyncio.run(main())
