"""The house rules: imports point down and form no circle, one module reads the clock, a name means one thing."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(p for top in ("worker", "cli", "sandbox") for p in (ROOT / top).rglob("*.py"))
BESIDE = sorted(p for top in ("bench", "tests") for p in (ROOT / top).rglob("*.py"))
EVERYTHING = SOURCES + BESIDE

# Each floor, and the floors or single modules it may import from. config, build, clock and log are the stairwell: for
# top floors only.
STAIRWELL = {"worker.config", "worker.build", "worker.clock", "worker.log"}
FLOORS: dict[str, set[str]] = {
    "cli": {
        "cli",
        "sandbox",
        "worker.daemon",
        "worker.web",
        "worker.rounds",
        "worker.gateways",
        "worker.store",
        "worker.core",
        "worker.ownership",
    }
    | STAIRWELL,
    "sandbox": {"sandbox", "worker.clock", "worker.core.instant", "worker.core.errors"},
    "worker.daemon": {"worker.rounds", "worker.gateways", "worker.store", "worker.place", "worker.core"} | STAIRWELL,
    "worker.web": {
        "worker.web",
        "worker.rounds.callback",
        "worker.rounds.log_lines",
        "worker.rounds.machine",
        "worker.gateways",
        "worker.store",
        "worker.core",
    }
    | STAIRWELL,
    "worker.rounds": {"worker.rounds", "worker.gateways", "worker.store", "worker.core"},
    "worker.gateways": {"worker.gateways", "worker.files", "worker.ownership", "worker.core"},
    "worker.store": {"worker.store", "worker.place", "worker.files", "worker.ownership", "worker.core"},
    "worker.config": {"worker.config", "worker.place", "worker.files", "worker.ownership", "worker.core"},
    "worker.log": {"worker.clock", "worker.core"},
    "worker.build": set(),
    "worker.clock": set(),
    "worker.place": set(),
    "worker.files": set(),
    "worker.ownership": {"worker.files"},
    "worker.core": {"worker.core"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> str | None:
    return next((f for f in sorted(FLOORS, key=len, reverse=True) if module == f or module.startswith(f + ".")), None)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree(path)))


@cache
def imports(path: Path) -> list[str]:
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; import absolutely"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


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
def test_core_is_pure_and_needs_hardly_any_library(path: Path) -> None:
    allowed = set(sys.stdlib_module_names) - NOT_PURE | {"worker"}
    if path.parent.name == "x12":
        allowed |= {"io", "msgspec"}  # BytesIO, for a text that is already in memory
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
    for node in nodes(path):
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
    long = {str(p.relative_to(ROOT)): n for p in EVERYTHING if (n := len(p.read_text().splitlines())) > 350}
    assert not long


def test_files_form_no_circle() -> None:
    modules = {module_name(path): path for path in EVERYTHING}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imports(path):
            below = name if name in modules else name.rpartition(".")[0]
            if below in modules and below != module:
                graph[module].add(below)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def test_the_bench_imports_no_tests_and_only_its_own_tests_import_it() -> None:
    for path in BESIDE:
        tops = {name.partition(".")[0] for name in imports(path)}
        here = path.relative_to(ROOT).parts
        assert "tests" not in tops or here[0] == "tests", path
        assert "bench" not in tops or here[0] == "bench" or here[:2] == ("tests", "bench"), path


NAMED_ONCE = ["cli", "sandbox", "bench", "tests", *(floor for floor in FLOORS if floor.startswith("worker."))]


@pytest.mark.parametrize("floor", NAMED_ONCE)
def test_no_two_classes_of_a_floor_have_one_name(floor: str) -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in EVERYTHING:
        if f"{module_name(path)}.".startswith(floor + "."):
            for node in nodes(path):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not {name: places for name, places in found.items() if len(places) > 1}


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in nodes(path) if isinstance(node, ast.FunctionDef))


def test_no_function_has_more_than_six_parameters() -> None:
    many = []
    for path in EVERYTHING:
        for function in functions(path):
            given = function.args
            names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            names += [one.arg for one in (given.vararg, given.kwarg) if one is not None]
            is_command = any("click" in ast.unparse(one) for one in function.decorator_list)
            if len(set(names) - {"self", "cls"}) > 6 and not is_command:
                many.append(f"{path.relative_to(ROOT)}:{function.name}")
    assert not many


# A measure ends in its unit; a count says in the plural what it counts; a rate says what it is per.
UNITS = re.compile(r"(_(MS|S|US|BYTES|KIB|CHARS|PPM|FACTOR|VERSION|EXIT)|S|_PER_[A-Z0-9]+)$")
WITHOUT_UNIT = {
    "FAR": "an instant that never comes, later than any in ms",
    "JITTER": "a share of the interval",
    "PATIENCE": "a share of the interval",
    "NO_TASK": "a row number that no task has",
    "_KEXINIT": "a message number of SSH",
    "SCHEMA_LOCK": "the number of an advisory lock",
    "MISSES_IN_A_ROW": "a count",
    "_OVERFLOW_ID": "the number of a user or group",
}


def is_number(value: ast.expr) -> bool:
    """A literal, or what is computed from literals and other constants alone."""
    inside = [one for one in ast.walk(value) if isinstance(one, ast.expr)]
    simple = all(isinstance(one, ast.Constant | ast.BinOp | ast.UnaryOp | ast.Name) for one in inside)
    numbers = [one.value for one in inside if isinstance(one, ast.Constant)]
    return simple and bool(numbers) and all(type(one) in (int, float) for one in numbers)


def test_the_name_of_a_number_says_its_unit() -> None:
    silent = []
    for path in SOURCES:
        for node in tree(path).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and is_number(node.value):
                name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
                if name.isupper() and not UNITS.search(name):
                    silent.append(name)
    assert set(silent) <= WITHOUT_UNIT.keys(), silent


def test_no_function_is_written_twice() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in EVERYTHING:
        for function in functions(path):
            body = ast.Module(function.body, [])
            if sum(1 for _ in ast.walk(body)) > 40:  # smaller ones are alike by chance
                found[ast.dump(body)].append(f"{path.relative_to(ROOT)}:{function.name}")
    assert not [places for places in found.values() if len(places) > 1]


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = [*project["dependencies"], *extras["serve"], *extras["postgres"]]
    declared = {re.match(r"[\w-]+", name)[0].replace("-", "_").lower() for name in names}  # type: ignore[index]
    used = {name.partition(".")[0] for path in SOURCES for name in imports(path)}
    assert used - sys.stdlib_module_names - {"worker", "cli", "sandbox"} == declared


def test_what_lies_beside_the_code_is_installed_with_it() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    beside = {
        path
        for floor in ("worker", "cli", "sandbox")
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert {path.name for path in beside if not any(path.match(pattern) for pattern in patterns)} == set()
