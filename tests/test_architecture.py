"""The house rules: imports point down, and only the clock module reads a clock."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(p for top in ("worker", "cli", "sandbox") for p in (ROOT / top).rglob("*.py"))

# Each floor, and the floors or single modules it may import from. config, clock and log are the stairwell: top floors
# only.
STAIRWELL = {"worker.config", "worker.clock", "worker.log"}
FLOORS: dict[str, set[str]] = {
    "cli": {
        "cli",
        "sandbox",
        "worker.daemon",
        "worker.rounds",
        "worker.gateways",
        "worker.store",
        "worker.core",
    }
    | STAIRWELL,
    "sandbox": {"sandbox", "worker.clock", "worker.core.instant", "worker.core.errors"},
    "worker.daemon": {"worker.rounds", "worker.gateways", "worker.store", "worker.core"} | STAIRWELL,
    "worker.rounds": {"worker.rounds", "worker.gateways", "worker.store", "worker.core"},
    "worker.gateways": {"worker.gateways", "worker.core"},
    "worker.store": {"worker.store", "worker.core"},
    "worker.config": {"worker.config", "worker.core"},
    "worker.log": {"worker.clock", "worker.core"},
    "worker.clock": set(),
    "worker.core": {"worker.core"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> str | None:
    return next((f for f in sorted(FLOORS, key=len, reverse=True) if module == f or module.startswith(f + ".")), None)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; import absolutely"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    here = floor_of(module_name(path))
    if here is None:
        assert module_name(path) == "worker", f"{path} is on no floor"
        return
    for name in imports(path):
        if floor_of(name) is not None:
            below = any(f"{name}.".startswith(f"{floor}.") for floor in FLOORS[here] | {here})
            assert below, f"{path} ({here}) imports {name}, which is not below it"


# Of the standard library, what reaches outside of the process or reads the machine.
NOT_PURE = {"os", "io", "time", "threading", "random", "socket", "ssl", "asyncio", "subprocess", "pathlib", "sqlite3"}


@pytest.mark.parametrize("path", [p for p in SOURCES if floor_of(module_name(p)) == "worker.core"], ids=module_name)
def test_core_is_pure_and_standard_library_only(path: Path) -> None:
    allowed = set(sys.stdlib_module_names) - NOT_PURE | {"worker"}
    if path.parent.name == "x12":
        allowed |= {"io"}  # BytesIO, for a text that is already in memory
    assert {name.split(".")[0] for name in imports(path)} <= allowed


CLOCK_READS = {
    "time": {
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "sleep",
        "localtime",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}


@pytest.mark.parametrize("path", [p for p in SOURCES if module_name(p) != "worker.clock"], ids=module_name)
def test_only_the_clock_module_reads_a_clock(path: Path) -> None:
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            assert "time" not in {alias.name for alias in node.names}, f"{path}:{node.lineno} imports time"
        if isinstance(node, ast.ImportFrom):
            assert node.module != "time", f"{path}:{node.lineno} imports from time"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            assert node.attr not in CLOCK_READS.get(owner, set()), f"{path}:{node.lineno} reads a clock"
    assert "CURRENT_TIMESTAMP" not in source
    assert "unixepoch(" not in source
    assert "'now'" not in source


def test_files_stay_small_enough_to_have_one_name() -> None:
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 350}
    assert not long


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", name)[0].replace("-", "_") for name in project["dependencies"]}  # type: ignore[index]
    used = {name.partition(".")[0] for path in SOURCES for name in imports(path)}
    assert used - sys.stdlib_module_names - {"worker", "cli", "sandbox"} == declared
