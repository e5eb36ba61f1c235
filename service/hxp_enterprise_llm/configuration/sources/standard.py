"""The sources of one environment in the documented order of precedence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.sources.arguments import ArgumentsSource
from hxp_enterprise_llm.configuration.sources.base import Source
from hxp_enterprise_llm.configuration.sources.files import ENDINGS, FileSource
from hxp_enterprise_llm.configuration.sources.folder import FolderSource
from hxp_enterprise_llm.configuration.sources.secrets import SecretsSource
from hxp_enterprise_llm.configuration.sources.variables import PREFIX, VariablesSource

CONFIG_PATH = Path("/opt/citadel/config")
ENVIRONMENT = "production"


def standard_sources(
    model: type[BaseModel],
    *,
    config_path: Path = CONFIG_PATH,
    environment: str = ENVIRONMENT,
    database: Source | None = None,
    credentials: Path | None = None,
    environ: Mapping[str, str] | None = None,
    prefix: str = PREFIX,
    settings: Sequence[str] = (),
) -> list[Source]:
    """Return the sources, the lowest first: each goes over those before it.

    1. the model's defaults; 2. `CONFIG_PATH/ENVIRONMENT.yaml` (or `.json`, `.toml`, `.ini`) with
    all that it extends; 3. the files of `CONFIG_PATH/ENVIRONMENT.d/` in the order of their names;
    4. credentials, as references; 5. PostgreSQL; 6. variables; 7. the command line.

    Args:
        model: The model of the configuration.
        config_path: The folder of configuration.
        environment: Which of its environments.
        database: A PostgresSource, when there is a database.
        credentials: A folder of credentials, when there is one.
        environ: The variables; those of this process when not given.
        prefix: What variables begin with.
        settings: `KEY.KEY=VALUE` of the command line.
    """
    sources: list[Source] = [
        FileSource(_file(config_path, environment)),
        FolderSource(config_path / f"{environment}.d"),
    ]
    if credentials is not None:
        sources.append(SecretsSource(credentials, model))
    if database is not None:
        sources.append(database)
    return [*sources, VariablesSource(prefix, environ), ArgumentsSource(settings)]


def _file(folder: Path, environment: str) -> Path:
    candidates = [folder / f"{environment}{ending}" for ending in ENDINGS]
    return next((path for path in candidates if path.exists()), candidates[0])
