"""The house keeps its order: who may import whom."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import combinations
from pathlib import Path

import pytest

from settings import ROOT
from tests.mutants import read_reasons

ELSEWHERE = {"tests", "data", "node_modules", "venv"}

# What the route table leads to, and who may know of it.
VIEWS = {
    "account.own_messages",
    "account.views",
    "auth.views",
    "chat.correction",
    "chat.search",
    "chat.views",
    "people.views",
}
ABOVE_ROUTES = {"app", "guard", "middlewares"}


def source_files() -> Iterator[Path]:
    """Yield the application's Python files."""
    for path in sorted(ROOT.rglob("*.py")):
        folders = path.relative_to(ROOT).parts[:-1]
        if not any(name.startswith(".") or name in ELSEWHERE for name in folders):
            yield path


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


TREES = {module_name(path): ast.parse(path.read_text()) for path in source_files()}


def imports(module: str) -> set[str]:
    """Return the modules that a module imports anywhere in its file, as it names them."""
    names: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} has a relative import"
            assert node.module is not None
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & TREES.keys()
            names.update(inner or {node.module})
    return names


def packages(module: str) -> set[str]:
    """Return the packages that a module imports from."""
    return {name.partition(".")[0] for name in imports(module)}


def test_all_modules_are_checked() -> None:
    assert {"app", "settings", "auth.sessions", "chat.hub", "chat.journal"} <= TREES.keys()
    assert "chat.wire" in imports("chat.views")
    assert "settings" in imports("database")


@pytest.mark.parametrize(
    ("lower", "higher"),
    [*combinations(("auth", "chat", "account", "commands"), 2),
     *combinations(("auth", "chat", "people", "commands"), 2)],
)  # fmt: skip
def test_a_package_never_imports_one_above_it(lower: str, higher: str) -> None:
    assert not [m for m in TREES if m.startswith(lower) and higher in packages(m)]


def test_only_the_database_module_imports_motor() -> None:
    assert [m for m in TREES if "motor" in packages(m)] == ["database"]


@pytest.mark.parametrize(
    "module", ["chat.hub", "chat.client", "chat.recent", "chat.presence", "chat.wire"]
)
def test_hub_modules_do_not_import_the_database(module: str) -> None:
    assert not packages(module) & {"database", "motor", "pymongo", "bson", "redis"}
    assert not imports(module) & {"chat.journal", "chat.models", "auth.models"}


def test_the_journal_does_not_import_sockets() -> None:
    assert not imports("chat.journal") & {"chat.hub", "chat.client", "chat.presence", "chat.wire"}
    attributes = {
        node.attr
        for node in ast.walk(TREES["chat.journal"])
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "web"
    }
    assert attributes <= {"AppKey", "Application"}
    assert "WebSocket" not in ast.dump(TREES["chat.journal"])


def test_only_middlewares_and_app_import_the_routes() -> None:
    assert {m for m in TREES if "routes" in imports(m)} == ABOVE_ROUTES


def test_no_model_imports_a_view() -> None:
    assert {m for m in TREES if imports(m) & VIEWS} <= VIEWS | {"app", "routes"}


def test_imports_go_in_no_circle() -> None:
    TopologicalSorter({m: imports(m) & TREES.keys() for m in TREES}).prepare()


def test_nothing_is_imported_by_a_star() -> None:
    assert not [
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]


def test_no_test_module_imports_another() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not re.search(r"\btests\b.*\btest_", ast.unparse(node)), path


def test_every_line_whose_mutants_may_survive_is_still_there() -> None:
    for mutant, reason in read_reasons().items():
        module, _, change = mutant.split(" ", 2)
        source = (ROOT / module).read_text()
        assert change.partition(" → ")[0] in " ".join(map(str.strip, source.splitlines())), mutant
        assert reason.startswith("    "), mutant
