"""`make mutants`: change a module in one place at a time, and see whether a test notices.

mutmut does that, in a copy of the tree: it runs the tests that reach the changed function until one
fails. A change that none notices, a survivor, is a gap in the tests, or it changes nothing that
matters. In the second case mutants.txt says why; a run fails for any other survivor, and for a
reason that no survivor needs any more.
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

TALK = ("tests/chat/test_talk.py", "tests/chat/test_changes.py")
MODULES = {  # and the tests that each of them has to stand up to
    "limits.py": ("tests/web/test_limits.py",),
    "guard.py": ("tests/web/test_guard.py",),
    "auth/session_cookie.py": ("tests/auth/test_sessions.py",),
    "auth/sessions.py": ("tests/auth/test_sessions.py",),
    "chat/recent.py": ("tests/chat/test_recent.py",),
    "chat/entry.py": ("tests/chat/test_entry.py",),
    "chat/correction.py": ("tests/chat/test_correction.py",),
    "chat/client.py": ("tests/chat/test_client.py",),
    "chat/hub.py": ("tests/chat/test_hub.py",),
    "chat/wire.py": ("tests/chat/test_wire.py",),
    "chat/journal.py": ("tests/chat/test_journal.py", "tests/chat/test_agreement.py"),
    "chat/views.py": (
        *TALK,
        *(f"tests/chat/test_{n}.py" for n in ("page", "search", "read_marks")),
    ),
}
REASONS = Path(__file__).with_name("mutants.txt")
MUTMUT = Path(sys.executable).with_name("mutmut")
KILLED = {1, -24, -9}  # what mutmut stores: a test failed, or the tests took far too long
TEXT = re.compile(r'"[^"]*"')
CONFTEST = """
def pytest_collection_modifyitems(items):
    files = {files}
    items.sort(key=lambda item: (files.index(item.location[0]), item.location[1]))
"""
KEPT = ("classmethod", "staticmethod")  # decorators that mutmut can cope with


def without_decorators(source: str) -> str:
    """Return a module that calls its decorators itself: mutmut leaves decorated functions out."""
    lines = source.splitlines()
    kinds = ast.FunctionDef, ast.AsyncFunctionDef
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    for node in sorted(functions, key=lambda node: -node.lineno):
        for decorator in node.decorator_list:
            if (text := ast.unparse(decorator)) not in KEPT:
                call = f"{node.name} = {text}({node.name})"
                lines.insert(node.end_lineno or 0, " " * node.col_offset + call)
                lines[decorator.lineno - 1] = ""
    return "\n".join(lines) + "\n"


def copy_tree(folder: Path, module: str) -> None:
    """Copy the project's files, and tell mutmut what to do with them."""
    not_ours = shutil.ignore_patterns(".*", "__pycache__", "data", "docs", "node_modules")
    shutil.copytree(ROOT, folder, ignore=not_ours, dirs_exist_ok=True)
    (folder / "conftest.py").write_text(CONFTEST.format(files=MODULES[module]))  # fast tests first
    options = {
        "source_paths": [module],
        "also_copy": sorted(path.name for path in folder.iterdir()),
        "pytest_add_cli_args_test_selection": MODULES[module],
        "pytest_add_cli_args": ["--timeout=15"],  # seconds; a test that hangs has noticed, too
        "timeout_multiplier": ["5"],
        "timeout_constant": ["2"],  # seconds
        "do_not_mutate_patterns": [r"\blog\."],
    }
    (folder / module).write_text(without_decorators((ROOT / module).read_text()))
    # Tests run in a process that has only imported them: else they see what earlier runs left.
    lines = ["[mutmut]", "process_isolation = forkserver"]
    for key, values in options.items():
        lines += [f"{key} =", *(f"    {value}" for value in values)]
    (folder / "setup.cfg").write_text("\n".join(lines))


def run_mutmut(folder: Path) -> None:
    """Try every mutant, one after the other; they share a database server, which saves time."""
    with embedded_server() as server:
        server.start()
        run = subprocess.run(
            [MUTMUT, "run", "--max-children", "1"],
            cwd=folder,
            env={**os.environ, "TEST_MONGO_HOST": server.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if run.returncode:
        sys.exit(run.stdout)


def without_prose(line: str) -> str:
    """Return a line without its texts for people, whose exact words no test has to know."""
    return TEXT.sub(lambda text: "" if " " in text[0] else text[0], line)


def key_of(module: str, mutant: str, diff: str) -> str:
    """Return what identifies a mutant, also after its lines have moved; "" if it alters prose."""
    changes = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    old, new = (" ".join(x[1:].strip() for x in changes if x[:1] == sign) for sign in "-+")
    if without_prose(old) == without_prose(new):
        return ""
    function = re.sub(r".*\bx(_|ǁ)|__mutmut_\d+$", "", mutant).replace("ǁ", ".")
    return f"{module} {function}: {old} → {new}".strip()


def survivors(folder: Path, module: str) -> tuple[int, dict[str, str]]:
    """Return the number of mutants, and by its key the diff of each that no test noticed."""
    codes = json.loads((folder / f"mutants/{module}.meta").read_text())["exit_code_by_key"]
    found = {}
    for mutant in [name for name, code in codes.items() if code not in KILLED]:
        diff = subprocess.check_output([MUTMUT, "show", mutant], cwd=folder, text=True)
        found[key_of(module, mutant, diff)] = diff
    found.pop("", None)
    return len(codes), found


def main(modules: list[str]) -> int:
    """Try modules, print what came out, and return 1 if something needs attention."""
    lines = [line for line in REASONS.read_text().splitlines() if line and line[0] != "#"]
    reasons = dict(zip(lines[::2], lines[1::2], strict=True))
    is_fine = True
    for module in modules:
        with TemporaryDirectory(prefix="chat-mutants") as folder:
            copy_tree(Path(folder), module)
            run_mutmut(Path(folder))
            count, found = survivors(Path(folder), module)
        unexplained = {key: diff for key, diff in found.items() if key not in reasons}
        needless = [key for key in reasons if key.split()[0] == module and key not in found]
        print(f"{module}: {count} mutants, {len(found)} survived, {len(unexplained)} unexplained")
        for key, diff in unexplained.items():
            print(f"\n{key}\n{diff}")
        for key in needless:
            print(f"\nThis is killed, or no mutant any more: {key}")
        is_fine = is_fine and not unexplained and not needless
        sys.stdout.flush()
    return not is_fine


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(MODULES)))
