"""The house keeps its order: who may import whom."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from settings import ROOT

ELSEWHERE = {"bench", "docs", "tests", "data", "node_modules", "venv"}

# Who may import whom: the packages of a line may import those of the lines below it, and their own.
LINES = """
    app
    middlewares
    routes
    search account people commands
    files
    chat
    auth
    storage pages
    server
    security
    settings
    environment
"""
LEVELS = {name: level for level, line in enumerate(LINES.split("\n")) for name in line.split()}

# What the route table leads to; nothing else may know of it.
VIEWS = {
    "account.own_messages",
    "account.views",
    "auth.views",
    "chat.correction",
    "chat.views",
    "files.views",
    "people.views",
    "search.views",
}


def source_files() -> Iterator[Path]:
    """Yield the application's Python files."""
    for path in sorted(ROOT.rglob("*.py")):
        folders = path.relative_to(ROOT).parts[:-1]
        if not any(name.startswith(".") or name in ELSEWHERE for name in folders):
            yield path


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PATHS = {module_name(path): path for path in source_files()}
TREES = {module: ast.parse(path.read_text()) for module, path in PATHS.items()}


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
    assert {module.partition(".")[0] for module in TREES} == LEVELS.keys()
    assert "chat.wire" in imports("chat.views")
    assert "settings" in imports("storage.database")


def test_at_the_top_are_the_modules_of_the_tutorial() -> None:
    top = {module for module, path in PATHS.items() if path.parent == ROOT}
    assert top == {"app", "middlewares", "routes", "settings"}


@pytest.mark.parametrize("package", LEVELS)
def test_imports_run_downwards_only(package: str) -> None:
    for module in TREES:
        if module.partition(".")[0] == package:
            for other in (packages(module) & LEVELS.keys()) - {package}:
                assert LEVELS[other] > LEVELS[package], f"{module} imports {other}"


def test_only_storage_imports_motor() -> None:
    assert {m.partition(".")[0] for m in TREES if "motor" in packages(m)} == {"storage"}


def test_only_storage_knows_which_database_is_embedded() -> None:
    named = {m for m, path in PATHS.items() if re.search("nx.?27017", path.read_text(), re.I)}
    assert {m.partition(".")[0] for m in named} == {"storage"}


@pytest.mark.parametrize(
    "module", ["chat.hub", "chat.client", "chat.recent", "chat.presence", "chat.wire"]
)
def test_hub_modules_do_not_import_the_database(module: str) -> None:
    assert not packages(module) & {"storage", "motor", "pymongo", "bson", "redis"}
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
    assert {m for m in TREES if "routes" in imports(m)} == {"app", "middlewares"}


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
