"""`make mutants`: change a module in one place at a time, and see whether a test notices.

mutmut does that, in a copy of the tree: it runs the tests of the module until one fails. A change
that none notices, a survivor, is a gap in the tests, or it does no harm. In the second case
mutants.txt says why. A run fails for any other survivor, and for a reason that nothing needs.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from settings import ROOT
from tests.support.databases import embedded_server

MODULES = {  # and the tests that have to notice, the fast ones first
    "security/limits.py": "security/test_limits",
    "security/guard.py": "security/test_guard",
    "auth/session_storage.py": "auth/test_sessions auth/test_session_redis",
    "auth/sessions.py": "auth/test_session_documents",
    "chat/recent.py": "chat/test_recent",
    "chat/entry.py": "chat/test_entry",
    "chat/correction.py": "chat/test_correction",
    "chat/client.py": "chat/test_client",
    "chat/hub.py": "chat/test_hub",
    "chat/wire.py": "chat/test_wire",
    "chat/changes.py": "chat/test_journal_steps chat/test_changes chat/test_agreement",
    "chat/journal.py": "chat/test_journal_steps chat/test_journal chat/test_agreement",
    "chat/views.py": "chat/test_views chat/test_page",
}
REASONS = Path(__file__).with_name("mutants.txt")
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
PROSE = re.compile(r'"[^" {]* [^"{]*"|("[^"]*")')  # words for people; no test has to know them
KILLED = {1, -24, -9}  # what mutmut stores: a test failed, or the tests took far too long


def without_decorators(source: str) -> str:
    """Return a module that calls its decorators itself: mutmut leaves decorated functions out."""
    lines, kinds = source.splitlines(), (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    for node in sorted(functions, key=lambda node: -node.lineno):
        for decorator in node.decorator_list:
            if (text := ast.unparse(decorator)) != "classmethod":  # which mutmut can cope with
                call = f"{node.name} = {text}({node.name})"
                lines.insert(node.end_lineno or 0, " " * node.col_offset + call)
                lines[decorator.lineno - 1] = ""
    return "\n".join(lines) + "\n"


def copy_tree(folder: Path, module: str) -> None:
    """Copy the project's files, and tell mutmut what to do with them."""
    not_ours = shutil.ignore_patterns(".*", "__pycache__", "data", "docs", "node_modules")
    shutil.copytree(ROOT, folder, ignore=not_ours, dirs_exist_ok=True)
    (folder / module).write_text(without_decorators((ROOT / module).read_text()))
    files = [f"tests/{name}.py" for name in MODULES[module].split()]
    order = f"items.sort(key=lambda item: ({files}.index(item.location[0]), item.location[1]))"
    (folder / "conftest.py").write_text(f"def pytest_collection_modifyitems(items): {order}")
    options = {
        "source_paths": [module],
        "also_copy": sorted(path.name for path in folder.iterdir()),
        "pytest_add_cli_args_test_selection": files,
        "pytest_add_cli_args": ["--timeout=15"],  # seconds; a test that hangs has noticed, too
        "do_not_mutate_patterns": [r"\blog\."],
        "process_isolation": ["forkserver"],  # else tests see what earlier runs left in memory
    }
    lines = [f"{key} = " + "\n    ".join(values) for key, values in options.items()]
    (folder / "setup.cfg").write_text("\n".join(["[mutmut]", *lines]))


def run_mutmut(folder: Path) -> None:
    """Try every mutant, one after the other; that they share a database server saves time."""
    command = [MUTMUT, "run", "--max-children", "1"]
    with embedded_server() as server:
        server.start()
        settings = {**os.environ, "TEST_MONGO_HOST": server.address}
        run = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stdout + run.stderr)


def survivors(folder: Path, module: str) -> tuple[int, dict[str, str]]:
    """Return how many mutants count, and the diff of each that survived, by what identifies it."""
    codes = json.loads((folder / f"mutants/{module}.meta").read_text())["exit_code_by_key"]
    count, found = len(codes), {}
    for mutant in [name for name, code in codes.items() if code not in KILLED]:
        diff = subprocess.check_output([MUTMUT, "show", mutant], cwd=folder, text=True)
        lines = [line for line in diff.splitlines() if line[:3] not in ("---", "+++")]
        old, new = (" ".join(x[1:].strip() for x in lines if x[:1] == sign) for sign in "-+")
        if PROSE.sub(r"\1", old) == PROSE.sub(r"\1", new):
            count -= 1
            continue
        function = re.sub(r".*\bx(_|ǁ)|__mutmut_\d+$", "", mutant).replace("ǁ", ".")
        found[f"{module} {function}: {old} → {new}".strip()] = diff
    return count, found


def read_reasons() -> dict[str, str]:
    """Return why survivors may survive, by what identifies them."""
    lines = [line for line in REASONS.read_text().splitlines() if line and line[0] != "#"]
    return dict(zip(lines[::2], lines[1::2], strict=True))


def main(modules: list[str]) -> int:
    """Try modules, print what came out, and return 1 if something needs attention."""
    reasons, faults = read_reasons(), 0
    for module in modules:
        with TemporaryDirectory(prefix="chat-mutants") as folder:
            copy_tree(Path(folder), module)
            run_mutmut(Path(folder))
            count, found = survivors(Path(folder), module)
        wrong = [f"{key}\n{diff}" for key, diff in found.items() if key not in reasons]
        needless = [key for key in reasons if key.split()[0] == module and key not in found]
        wrong += [f"Killed, or no mutant any more: {key}" for key in needless]
        print(f"{module}: {count} mutants, {len(found)} survived", *wrong, sep="\n", flush=True)
        faults += len(wrong)
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(MODULES)))
