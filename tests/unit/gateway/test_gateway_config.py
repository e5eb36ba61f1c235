"""gateway.yaml: what is accepted, and what a person reads when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import ExitCode, RefusedError
from hxp_enterprise_llm.gateway.__main__ import main
from hxp_enterprise_llm.gateway.config import load

GOOD = """
schema: 1
listen: {host: 0.0.0.0, port: 8000}
metrics: {port: 9101}
models:
  org/tiny: {upstreams: ["10.0.0.2:8201", "engine-2.internal:8201"]}
timeouts: {request: 5m, connect: 200ms}
limits: {max_body: 1MiB}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return path


def test_a_good_file_is_read_with_units_and_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD))
    assert config.models["org/tiny"].upstreams == ("10.0.0.2:8201", "engine-2.internal:8201")
    assert (config.timeouts.request, config.timeouts.connect) == (300.0, 0.2)
    assert config.limits.max_body == 2**20
    assert config.metrics.host == "127.0.0.1"


def test_two_tries_to_connect_fit_into_a_second_by_default(tmp_path: Path) -> None:
    config = load(written(tmp_path, "listen: {port: 1}\nmetrics: {port: 2}"))
    assert 2 * config.timeouts.connect < 1
    assert config.health.interval < 1


def test_every_fault_is_named_and_no_value_is_shown(tmp_path: Path) -> None:
    text = (
        GOOD.replace("port: 8000", "port: canary-value")
        .replace("request:", "reqest:")
        .replace("10.0.0.2:8201", "http://10.0.0.2")
    )
    with pytest.raises(RefusedError) as caught:
        load(written(tmp_path, text))
    shown = str(caught.value)
    assert "gateway.yaml:3  listen.port\n" in shown
    assert "gateway.yaml:6  models.org/tiny.upstreams.0\n" in shown
    assert "gateway.yaml:7  timeouts.reqest\n" in shown
    assert "Did you mean request?" in shown
    assert "canary-value" not in shown


@pytest.mark.parametrize(
    "upstream", ["a..b:80", ".a:80", "-a:80", f"{'a' * 64}:80", "1.2.3:80", "a:0", "a:65536", "a:"]
)
def test_an_upstream_that_nobody_could_connect_to_is_refused(tmp_path: Path, upstream: str) -> None:
    with pytest.raises(RefusedError, match=r"models\.org/tiny\.upstreams\.0"):
        load(written(tmp_path, GOOD.replace("10.0.0.2:8201", upstream)))


@pytest.mark.parametrize("upstream", ["a:1", "10.0.0.2:65535", "engine-2.internal.:8201"])
def test_an_upstream_is_an_address_or_a_name_and_a_port(tmp_path: Path, upstream: str) -> None:
    config = load(written(tmp_path, GOOD.replace("10.0.0.2:8201", upstream)))
    assert config.models["org/tiny"].upstreams[0] == upstream


@pytest.mark.parametrize("text", ["", "[]", "a: [", "key: \xff"])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RefusedError, match=r"gateway\.yaml"):
        load(path)


def test_check_exits_3_on_a_bad_file_and_0_on_a_good_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = written(tmp_path, GOOD)
    assert main(["--config", str(good), "--check"]) == ExitCode.OK
    assert main(["--config", str(tmp_path / "none.yaml"), "--check"]) == ExitCode.REFUSED
    shown = capsys.readouterr()
    assert "none.yaml:1\n" in shown.err
    assert "No such file" in shown.err
    assert shown.out == ""


def test_workers_are_counted_from_1(capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("0", "-1", "one"):
        with pytest.raises(SystemExit) as ended:
            main(["--config", "none.yaml", f"--worker={number}", "--check"])
        assert ended.value.code == 2
        assert "argument --worker: write a number from 1" in capsys.readouterr().err
