"""Does the environment do what it is for? Questions, health, units, targets and series."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, UnreachableError
from hxp_enterprise_llm.orchestration import question
from hxp_enterprise_llm.orchestration.endpoints import SERVED, Endpoint, endpoints, gateway
from hxp_enterprise_llm.orchestration.metrics import REAL_SERIES, Prometheus
from hxp_enterprise_llm.orchestration.metrics import Target as Watched
from hxp_enterprise_llm.orchestration.probe import probe
from hxp_enterprise_llm.orchestration.remote import Remote
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.orchestration.resolvers.prometheus import jobs
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.outputs import FleetOutputs
from hxp_enterprise_llm.schemas.roles.prometheus import ScrapeJob


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `reachable` is false when nobody answered."""

    kind: str
    subject: str
    ok: bool
    detail: str
    seconds: float
    reachable: bool = True


@dataclass(frozen=True)
class Target:
    """What is verified: an environment, its hosts, and the ways to them."""

    environment: Environment
    fleet: FleetOutputs
    remote: Remote
    key: str


def verify(target: Target, report: Callable[[str], None]) -> list[Check]:
    """Run every check; one that fails does not keep the others from running.

    Args:
        target: The environment.
        report: Takes a short text of what is checked now.
    """
    report("asking the models")
    checks = _answers(target)
    report("health endpoints")
    checks += _health(target)
    report("units on hosts")
    checks += _units(target)
    report("Prometheus targets and series")
    return checks + _metrics(target)


def outcome(checks: Sequence[Check]) -> ExitCode:
    """Return the exit code that checks stand for.

    Returns:
        UNREACHABLE when a host does not answer, for then others fail on its account, or when all
        that failed did not answer; ERROR when something else failed.
    """
    failed = [check for check in checks if not check.ok]
    if not failed:
        return ExitCode.OK
    away = [check for check in failed if not check.reachable]
    if away == failed or any(check.kind == "unit" for check in away):
        return ExitCode.UNREACHABLE
    return ExitCode.ERROR


def _check(kind: str, subject: str, look: Callable[[], str]) -> Check:
    started = time.monotonic()
    try:
        detail = look()
    except CitadelError as error:
        return _failed(kind, subject, error, time.monotonic() - started)
    return Check(kind, subject, ok=True, detail=detail, seconds=time.monotonic() - started)


def _failed(kind: str, subject: str, error: CitadelError, seconds: float) -> Check:
    reachable = not isinstance(error, UnreachableError)
    return Check(
        kind, subject, ok=False, detail=error.message, seconds=seconds, reachable=reachable
    )


def _answers(target: Target) -> list[Check]:
    if not target.environment.hosts_with("gateway"):
        return []
    try:
        door, checks = gateway(target.environment, target.fleet), []
    except CitadelError as error:
        return [_failed("answer", "gateway", error, 0.0)]
    for name, model in target.environment.models.items():
        served = model.served_name or name
        if not model.enabled:
            continue
        if model.task == "embed":
            checks.append(
                _check("answer", f"{served} embedding", partial(_embed, target, door, served))
            )
            continue
        checks.append(
            _check("answer", f"{served} plain", partial(_ask, target, door, served, stream=False))
        )
        checks.append(
            _check("answer", f"{served} streamed", partial(_ask, target, door, served, stream=True))
        )
    return checks


def _ask(target: Target, door: Endpoint, model: str, *, stream: bool) -> str:
    answer = question.ask(door, target.key, model, stream=stream)
    first = (
        f", first after {answer.first_token_seconds:.2f} s" if answer.first_token_seconds else ""
    )
    return f"{answer.text[:60]!r} in {answer.seconds:.1f} s{first}"


def _embed(target: Target, door: Endpoint, model: str) -> str:
    return f"{len(question.embed(door, target.key, model, question.QUESTION))} dimensions"


def _health(target: Target) -> list[Check]:
    return [
        _check("health", f"{endpoint.host} {served.role} {path}", partial(_get, endpoint, path))
        for served in SERVED
        for endpoint in endpoints(target.environment, target.fleet, served.role, served.listener)
        for path in served.health
    ]


def _get(endpoint: Endpoint, path: str) -> str:
    endpoint.get(path)
    return "200"


def _units(target: Target) -> list[Check]:
    started, checks = time.monotonic(), []
    for host, states in probe(target.remote, list(target.environment.hosts)).items():
        seconds = time.monotonic() - started
        if isinstance(states, CitadelError):
            checks.append(_failed("unit", host, states, seconds))
            continue
        missing = {"base", *target.environment.hosts[host].roles} - {s.service for s in states}
        checks += [
            Check("unit", f"{host} {role}", ok=False, detail="not applied", seconds=seconds)
            for role in sorted(missing)
        ]
        checks += [
            Check("unit", f"{host} {s.unit}", s.ok, f"{s.active} {s.health}".strip(), seconds)
            for s in states
        ]
    return checks


def _metrics(target: Target) -> list[Check]:
    doors = endpoints(target.environment, target.fleet, "prometheus", "prometheus")
    if not doors:
        return []
    try:
        expected = jobs(Context(target.fleet.environment, target.environment, target.fleet))
    except CitadelError as error:
        return [_failed("target", "prometheus", error, 0.0)]
    wait = 3 * target.environment.infrastructure_services.monitoring.metrics_collection_interval
    hosts = {(job.name, t.address): t.labels["host"] for job in expected for t in job.targets}
    checks = []
    for door in doors:
        prometheus, started = Prometheus(door), time.monotonic()
        try:
            found = prometheus.settled(hosts.keys(), wait=wait)
        except CitadelError as error:
            checks.append(_failed("target", door.host, error, time.monotonic() - started))
            continue
        checks += _targets(found, hosts, time.monotonic() - started)
        checks += [check for job in expected for check in _series(prometheus, job, wait)]
    return checks


def _targets(
    found: Sequence[Watched], hosts: Mapping[tuple[str, str], str], seconds: float
) -> list[Check]:
    """Compare what Prometheus watches with what the environment says that it must.

    Args:
        found: Its targets.
        hosts: Job and instance of each target that there must be → host.
        seconds: How long it took to find them.
    """
    there = {(one.job, one.instance): one for one in found}
    checks = []
    for key in dict.fromkeys((*hosts, *there)):
        one, subject = there.get(key), " ".join((key[0], hosts.get(key, ""), key[1]))
        ok, detail = False, "Prometheus does not watch it"
        if one is not None:
            ok, detail = one.health == "up", one.error or one.health
        checks.append(Check("target", " ".join(subject.split()), ok, detail, seconds))
    return checks


def _series(prometheus: Prometheus, job: ScrapeJob, wait: float) -> list[Check]:
    """Look for the series that tells that a daemon works, on each of its instances."""
    started, series = time.monotonic(), REAL_SERIES[job.name]
    try:
        found = prometheus.instances(series, {one.address for one in job.targets}, wait=wait)
    except CitadelError as error:
        return [_failed("series", series, error, time.monotonic() - started)]
    seconds, checks = time.monotonic() - started, []
    for one in job.targets:
        count = found.get(one.address, 0)
        subject = f"{series} {one.labels['host']} {one.address}"
        detail = f"{count} series" if count else "no such series yet"
        checks.append(Check("series", subject, count > 0, detail, seconds))
    return checks
