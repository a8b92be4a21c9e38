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
# What has no place in a function, or would mean something else in another file; import() of an
# address that a page has does not.
MODULE_ONLY = re.compile(
    r"^[ \t]*(?:import|export)\b.*|^await\b.*|^const .*= await\b.*"
    r"|\bimport(?:\.meta\b|\(\s*[\"'`]).*",
    re.MULTILINE,
)
STYLE_IMPORT = re.compile(r'@import "([^"]+)";\s*')  # at the top: elsewhere browsers ignore it
STYLE_COMMENT = re.compile(r"/\*.*?\*/\s*", re.DOTALL)
FILE_ONLY = re.compile(r"@import\b.*|@charset\b.*|url\(.*")


class CannotBeJoined(Exception):
    """A file has something that would not work, or mean something else, in another file."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(f"static/{path} can't be joined with others because of: {found.strip()}")


def join_script(path: str, scripts: Mapping[str, str]) -> str:
    """Return a module together with all that it imports, in the order in which these would run.

    Each module is a function that returns what it exports. That is right for modules that import
    and export as IMPORT and EXPORT say, and not in a circle. Raises CannotBeJoined for others.
    """
    numbers: dict[str, int] = {}  # of modules that are joined, by path
    joined: list[str] = []
    left = dict(scripts)  # each is taken once, so a circle ends

    def add(path: str) -> int:
        if path not in numbers:
            source = _source(path, left)
            del left[path]
            imports = [(names, _beside(path, other)) for names, other in IMPORT.findall(source)]
            taken = "".join(_take(names, add(other)) for names, other in imports)
            exported = EXPORT.findall(source)
            body = COMMENT_LINE.sub("", EXPORT.sub("", IMPORT.sub("", source)))
            _refuse(path, MODULE_ONLY, body)
            given = f"return {{ {', '.join(exported)} }}\n" if exported else ""
            number = numbers[path] = len(joined)
            # The path is for whoever follows an error in the browser's console to here.
            joined.append(f"const m{number} = (() => {{ // {path}\n{taken}{body}{given}}})();\n")
        return numbers[path]

    number = add(path)
    exported = EXPORT.findall(scripts[path])
    # Pages of an earlier version import this one by itself.
    joined.append(f"export const {{ {', '.join(exported)} }} = m{number}\n" if exported else "")
    return "".join(joined)


def join_style(path: str, styles: Mapping[str, str]) -> str:
    """Return a style sheet with those that it imports. Raises CannotBeJoined."""
    own, imported = STYLE_COMMENT.sub("", _source(path, styles)), ""
    others = {name: text for name, text in styles.items() if name != path}  # so a circle ends
    while found := STYLE_IMPORT.match(own):
        imported += join_style(_beside(path, found[1]), others)
        own = own[found.end() :]
    _refuse(path, FILE_ONLY, own)
    return imported + own


def _source(path: str, files: Mapping[str, str]) -> str:
    if path not in files:
        raise CannotBeJoined(path, "there is no such file, or it imports itself")
    return files[path]


def _refuse(path: str, pattern: re.Pattern[str], text: str) -> None:
    if found := pattern.search(text):
        raise CannotBeJoined(path, found[0])


def _take(names: str, number: int) -> str:
    return f"const {{ {names.strip().replace(' as ', ': ')} }} = m{number};\n" if names else ""


def _beside(path: str, other: str) -> str:
    return normpath(join(dirname(path), other))
