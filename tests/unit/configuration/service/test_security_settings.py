"""The section `security` of the service's file: what a level asks for is asked for at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.configuration.security.errors import RetentionError
from hxp_enterprise_llm.configuration.security.policies import POLICIES
from hxp_enterprise_llm.configuration.service.config import checked, load, sealing_of
from hxp_enterprise_llm.configuration.service.settings import (
    exports_of,
    retention_policy,
    security_config,
)
from hxp_enterprise_llm.core.exceptions import CitadelError, InvalidConfigurationError
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.schemas.security import AuditRetention, SecurityLevel

pytestmark = pytest.mark.feature("CC-04")
WHOLE: dict[str, Any] = {"environment": "test", "signing": "signing", "sealing": ["sealing-1"]}


def config(level: str, **more: Any) -> ConfigurationServiceConfig:
    security = {"level": level} | more.pop("security", {})
    return ConfigurationServiceConfig.model_validate(WHOLE | {"security": security} | more)


@pytest.mark.parametrize("level", list(SecurityLevel))
def test_a_configuration_that_gives_all_is_taken_at_each_level(level: SecurityLevel) -> None:
    assert checked(config(level)).security.level is level


@pytest.mark.parametrize(
    ("level", "change", "said"),
    [
        ("medium", {"signing": None}, "medium asks for `signing`"),
        ("high", {"sealing": []}, "`sealing`: what is stored is encrypted"),
        ("high", {"listen": {"host": "10.0.0.5", "port": 8080}}, "behind a proxy that speaks TLS"),
        ("critical", {"listen": {"host": "edge-1.test", "port": 8080}}, "speaks TLS"),
        ("high", {"security": {"sessions": {"lifetime": "9h"}}}, "of 28800 s at most"),
        ("high", {"security": {"sessions": {"idle": "1h"}}}, "of 900 s at most"),
        ("low", {"security": {"retention": {"days": 89}}}, "`security.retention.days` of 90"),
    ],
)
def test_what_a_level_asks_for_and_does_not_get_is_named(
    level: str, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        checked(config(level, **change))
    assert said in caught.value.message
    assert "security.level" in caught.value.next_step


@pytest.mark.parametrize("level", ["low", "medium"])
def test_lower_levels_ask_for_less(level: str) -> None:
    checked(config(level, sealing=[], listen={"host": "10.0.0.5", "port": 8080}))
    checked(config("low", signing=None))


async def test_the_file_itself_is_held_against_its_level(tmp_path: Path) -> None:
    file = tmp_path / "configuration.yaml"
    file.write_text(yaml.safe_dump(WHOLE | {"security": {"level": "high"}, "sealing": []}))
    with pytest.raises(InvalidConfigurationError, match="security level high asks for"):
        await load(file)
    file.write_text(yaml.safe_dump(WHOLE | {"security": {"level": "top"}}))
    with pytest.raises(CitadelError, match="level"):
        await load(file)


@pytest.mark.feature("CC-03")
def test_sessions_may_be_shorter_than_the_level_says_and_never_longer() -> None:
    own = security_config(config("medium", security={"sessions": {"idle": "10m"}}))
    assert (own.session_policy.lifetime, own.session_policy.idle) == (12 * 3600, 600)
    longer = security_config(config("high", security={"sessions": {"lifetime": "7d"}}))
    assert longer.session_policy == POLICIES[SecurityLevel.HIGH].sessions


@pytest.mark.feature("CC-03", "CC-06", "CC-07")
def test_attempts_thresholds_and_retention_are_what_the_file_says() -> None:
    said = {
        "attempts": {"tries": 3, "within": "5m"},
        "anomalies": {"burst": 10, "hours": [8, 18], "weekdays": [0, 1], "zone": "Europe/Berlin"},
        "retention": {"days": 120, "segment": "12h", "every": "10m"},
    }
    own = config("medium", security=said)
    security = security_config(own)
    assert (security.attempts.tries, security.attempts.within) == (3, 300)
    assert (security.anomalies.burst, security.anomalies.hours) == (10, (8, 18))
    assert (security.anomalies.weekdays, security.check_every) == ((0, 1), 600)
    policy = retention_policy(own.security.retention)
    assert (policy.keep, policy.segment) == (120 * 86_400, 43_200)
    assert retention_policy(AuditRetention()).keep == 90 * 86_400


@pytest.mark.parametrize(
    "wrong", [{"weekdays": [7]}, {"hours": [20, 7]}, {"zone": "Mars/Olympus"}, {"burst": "60"}]
)
def test_thresholds_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        config("medium", security={"anomalies": wrong})


@pytest.mark.feature("CC-07")
async def test_a_given_folder_of_exports_must_exist_and_our_own_is_made(tmp_path: Path) -> None:
    away = exports_of(AuditRetention(folder=str(tmp_path / "mount")), tmp_path)
    with pytest.raises(RetentionError, match="is away"):
        await away.check()
    assert not (tmp_path / "mount").exists()
    own = exports_of(AuditRetention(), tmp_path)
    assert await own.check() == str(tmp_path / "exports")
    assert (tmp_path / "exports").stat().st_mode & 0o777 == 0o700


def test_sealing_keys_are_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sealing-1").write_text("a sealing credential of a test")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    keys = sealing_of(config("high"))
    assert keys is not None
    assert len(keys.current()[1]) == 32
    assert sealing_of(config("low", sealing=[])) is None
    with pytest.raises(InvalidConfigurationError, match="credential sealing-2 is missing"):
        sealing_of(config("high", sealing=["sealing-1", "sealing-2"]))
