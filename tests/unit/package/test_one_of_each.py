"""What documents ask for in many places stands once; who needs it takes it from there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "service/hxp_enterprise_llm"


@cache
def ours() -> dict[str, ast.Module]:
    """Return all modules by path.

    Not those of `testing`: they start processes and servers of their own, on purpose past what
    they test.
    """
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] != "testing"
    }


# `os.exec*` is none of them: it starts nothing beside this process, it becomes another program.
_STARTS = (
    r"subprocess\.(run|call|Popen|check_\w+|getoutput)|asyncio\.create_subprocess_\w+|"
    r"os\.(system|popen|spawn\w+|posix_spawn\w*|fork)"
)

_LOGS = (
    r"logging\.(\w*Handler|Formatter|basicConfig|config\.\w+|handlers\.\w+)|"
    r"structlog\.(configure|wrap_logger|get_logger)"
)


def dotted(node: ast.expr) -> str:
    """Return an expression's source; of calls without arguments, which makes it quick."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return f"{dotted(node.value)}.{node.attr}"
        case ast.Call():
            return f"{dotted(node.func)}()"
    return ast.unparse(node)


def calls(tree: ast.AST) -> Iterator[str]:
    """Yield what a module calls, by its whole dotted name, with names of imports resolved."""
    homes: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            homes |= {name.asname: name.name for name in node.names if name.asname}
        elif isinstance(node, ast.ImportFrom):
            homes |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = dotted(node.func).partition(".")
            yield homes.get(first, first) + dot + rest


@cache
def our_calls() -> dict[str, frozenset[str]]:
    """Return what each of our modules calls."""
    return {name: frozenset(calls(tree)) for name, tree in ours().items()}


def modules_that_call(pattern: str, called: dict[str, frozenset[str]] | None = None) -> set[str]:
    """Return the modules with a call of a name that a pattern matches whole."""
    wanted = re.compile(pattern)
    return {
        name
        for name, names in (our_calls() if called is None else called).items()
        if any(map(wanted.fullmatch, names))
    }


def classes(pattern: str) -> set[str]:
    """Return `module:Class` of each class whose name a pattern matches whole."""
    return {
        f"{name}:{node.name}"
        for name, tree in ours().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and re.fullmatch(pattern, node.name)
    }


@pytest.mark.feature("A25")
@pytest.mark.parametrize(
    ("what", "called", "homes"),
    [
        ("retries", r"(_stamina\(\)|stamina)\.(retry|retry_context)", {"utilities/retry.py"}),
        ("programs", _STARTS, {"utilities/process.py"}),
        ("atomic files", r"tempfile\.mkstemp|os\.(replace|rename)", {"utilities/files.py"}),
        # Two more speak a protocol of their own: Vault's (TLS, namespaces, redirects of standbys)
        # and the gateway's (streams without a limit of size or time).
        ("HTTP clients", r"aiohttp\.ClientSession", {
            "utilities/http.py",
            "configuration/secrets/vault/client.py",
            "gateway/upstream.py",
        }),
        ("log set-ups", _LOGS, {"utilities/logging.py"}),
        # Both doors; what they call takes the id from the task that it runs in.
        ("correlation IDs", r"(.*\.correlation\.)?accept", {
            "configuration/service/guard.py",
            "gateway/exchange.py",
        }),
        # Environments, services' files, documents; beside them only what a template of ours gave,
        # and the writer that keeps comments.
        ("YAML", r"yaml\.(safe_|full_|unsafe_)?(load|parse|compose)(_all)?|ruamel\.yaml\.YAML", {
            "configuration/sources/yaml_form.py",
            "configuration/migration/rewrite.py",
            "orchestration/bundle/render.py",
        }),
        ("listeners", r"uvicorn\.(Server|Config|run)", {"utilities/listener.py"}),
        # Beside a service's own end: SIGHUP for configuration, and the command line's Ctrl-C.
        ("signals", r".*add_signal_handler|signal\.signal", {
            "core/service.py",
            "configuration/watcher.py",
            "cli/main.py",
        }),
        ("hot reload", r"watchfiles\.\w+", {"configuration/watcher.py"}),
    ],
)  # fmt: skip
def test_one_module_does_it_for_all(what: str, called: str, homes: set[str]) -> None:
    assert modules_that_call(called) == homes, what


@pytest.mark.feature("A25")
@pytest.mark.parametrize(
    ("what", "named", "home"),
    [
        ("circuit breakers", r"\w*Breaker", {"utilities/breaker.py:Breaker"}),
        ("rate limits", r"\w*(RateLimit|Limiter|TokenBucket)\w*", set()),
        ("retries", r"\w*(Retrier|RetryPolicy)", {
            "utilities/retry.py:Retrier",
            "utilities/retry.py:RetryPolicy",
        }),
        ("correlation IDs", r"\w*Correlation\w*", {"utilities/correlation.py:Correlation"}),
        ("audit logs", r"\w*Audit(Log|Trail|ger|Store)\w*", {"configuration/audit.py:AuditLog"}),
        ("sessions", r"Sessions?(Manager|Service)?|\w+Sessions", {
            "configuration/security/sessions.py:Session",
            "configuration/security/sessions.py:Sessions",
            # The store that `Sessions` keeps them in.
            "configuration/security/sessions.py:MemorySessions",
        }),
        ("hot reload", r"\w*(FileWatcher|Watcher|Reloader)", {
            "configuration/watcher.py:Watcher",
            # Leases of secrets, not files.
            "configuration/secrets/leases.py:LeaseWatcher",
        }),
        ("load balancing", r"\w*(Pool|Balanc\w+)", {"gateway/upstream.py:Pool"}),
        ("dashboards and alerting", r"\w*(MonitoringService|MetricsService|Alerting\w*)", set()),
    ],
)  # fmt: skip
def test_one_class_is_it(what: str, named: str, home: set[str]) -> None:
    assert classes(named) == home, what


def _waits(loop: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Call) and re.search(r"(^|\.)sleep$", ast.unparse(node.func))
        for node in ast.walk(loop)
    )


def _own_pauses(modules: dict[str, ast.Module]) -> set[str]:
    """Return `module:function` of loops that wait after a failure by no policy of retries."""
    found = set()
    for name, tree in modules.items():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            loops = [one for one in ast.walk(function) if isinstance(one, ast.For | ast.While)]
            tries = any(isinstance(node, ast.Try) for one in loops for node in ast.walk(one))
            if tries and any(map(_waits, loops)) and ".pause(" not in ast.unparse(function):
                found.add(f"{name}:{function.name}")
    return found


@pytest.mark.feature("A25")
def test_a_loop_that_waits_after_a_failure_asks_the_one_policy_how_long() -> None:
    # These look again and again at the same pace, whether or not the last look failed.
    assert _own_pauses(ours()) == {
        "configuration/client.py:_reported",
        "configuration/secrets/rotation.py:keep_counted",
        "configuration/watcher.py:_events",
        "core/ai_model_service.py:_watch",
    }
    hand_written = "def f():\n for n in range(3):\n  try: g()\n  except E: time.sleep(2 ** n)"
    assert _own_pauses({"second.py": ast.parse(hand_written)}) == {"second.py:f"}


@pytest.mark.feature("A25")
def test_alerts_stand_in_one_place_too() -> None:
    # Prometheus and Alertmanager do what `MonitoringService` and `MetricsService` would.
    rules = [path for path in ROOT.glob("roles/**/*.yml") if "\n  - alert:" in path.read_text()]
    rules += [path for path in ROOT.glob("roles/**/*.yml") if "- alert:" in path.read_text()]
    folders = {str(path.parent.relative_to(ROOT)) for path in rules}
    assert folders == {"roles/prometheus/templates/rules"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import subprocess\nsubprocess.run([])", "subprocess.run"),
        ("import subprocess as s\ns.Popen([])", "subprocess.Popen"),
        ("from subprocess import run as go\ngo([])", "subprocess.run"),
        ("def f():\n    from os import replace\n    replace(1, 2)", "os.replace"),
        ("import aiohttp\nx = [aiohttp.ClientSession()]", "aiohttp.ClientSession"),
    ],
)
def test_a_second_place_would_be_found_however_it_is_imported(text: str, found: str) -> None:
    assert modules_that_call(
        re.escape(found), {"second.py": frozenset(calls(ast.parse(text)))}
    ) == {"second.py"}
