"""Joins the scripts and the styles of a page, each into one file.

On a slow network each file that a browser finds in another one costs a round trip. There is no
build step for that, because the server reads the files at its start anyway.
"""

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath

IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"(\./[^"]+|\.\./[^"]+)"\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
COMMENT_LINE = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
STYLE_IMPORT = re.compile(r'^@import "([^"]+)";\n', re.MULTILINE)
STYLE_COMMENT = re.compile(r"/\*.*?\*/\s*", re.DOTALL)


def join_script(path: str, scripts: Mapping[str, str]) -> str:
    """Return a module together with all that it imports, in the order in which these would run.

    Each module is a function that returns what it exports. That is right for modules that import
    names, not in a circle, and export what does not change.
    """
    numbers: dict[str, int] = {}  # of modules that are joined, by path
    joined: list[str] = []

    def add(path: str) -> int:
        if path not in numbers:
            source = scripts[path]
            imports = [(names, _beside(path, other)) for names, other in IMPORT.findall(source)]
            taken = "".join(_take(names, add(other)) for names, other in imports)
            exported = EXPORT.findall(source)
            body = COMMENT_LINE.sub("", EXPORT.sub("", IMPORT.sub("", source)))
            numbers[path] = len(joined)
            given = f"return {{ {', '.join(exported)} }}\n" if exported else ""
            joined.append(f"const m{len(joined)} = (() => {{\n{taken}{body}{given}}})();\n")
        return numbers[path]

    number = add(path)
    exported = EXPORT.findall(scripts[path])
    # Pages of an earlier version import this one by itself.
    joined.append(f"export const {{ {', '.join(exported)} }} = m{number}\n" if exported else "")
    return "".join(joined)


def join_style(path: str, styles: Mapping[str, str]) -> str:
    """Return a style sheet with those that it imports in their places."""

    def imported(match: re.Match[str]) -> str:
        return join_style(_beside(path, match[1]), styles)

    return STYLE_IMPORT.sub(imported, STYLE_COMMENT.sub("", styles[path]))


def _take(names: str, number: int) -> str:
    return f"const {{ {names.strip().replace(' as ', ': ')} }} = m{number};\n" if names else ""


def _beside(path: str, other: str) -> str:
    return normpath(join(dirname(path), other))
