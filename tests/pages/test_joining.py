"""How the scripts and the styles of a page are joined."""

import re

import pytest

from pages.joining import join_script, join_style
from settings import ROOT

SCRIPTS = {
    "js/main.js": """// The page.

import "./first.js"
import { one, two as second } from "./log/numbers.js"
import {
  three,
} from "./log/more.js"

export const all = [one, second, three] // import { no } from "./nothing.js"
""",
    "js/first.js": "globalThis.first = true\n",
    "js/log/numbers.js": "export const one = 1\nexport function two() {}\nconst own = 2\n",
    "js/log/more.js": """import { one } from "./numbers.js"
import { help } from "../help.js"

export async function three() {}
export class Four {}
""",
    "js/help.js": "  // alone in its line\nexport const help = 'https://a // b'\n",
}
JOINED = """const m0 = (() => {
globalThis.first = true
})();
const m1 = (() => {
const one = 1
function two() {}
const own = 2
return { one, two }
})();
const m2 = (() => {
const help = 'https://a // b'
return { help }
})();
const m3 = (() => {
const { one } = m1;
const { help } = m2;

async function three() {}
class Four {}
return { three, Four }
})();
const m4 = (() => {
const { one, two: second } = m1;
const { three, } = m3;

const all = [one, second, three] // import { no } from "./nothing.js"
return { all }
})();
export const { all } = m4
"""


def test_each_module_is_joined_once_before_those_that_import_it() -> None:
    without_blank_lines = re.sub(r"\n\n+", "\n\n", join_script("js/main.js", SCRIPTS))
    assert without_blank_lines.replace("{\n\n", "{\n") == JOINED


def test_a_style_sheet_has_what_it_imports_in_its_place() -> None:
    sheets = {
        "css/pages/room.css": '/* The room. */\n@import "../a.css";\n@import "../b.css";\np {}\n',
        "css/a.css": "/* one\n   comment */\na { content: '/'; }\n",
        "css/b.css": '@import "c.css";\nb {}\n',
        "css/c.css": "c {}\n",
    }
    joined = join_style("css/pages/room.css", sheets)
    assert joined == "a { content: '/'; }\nc {}\nb {}\np {}\n"


@pytest.mark.parametrize("folder", ["js", "css"])
def test_nothing_is_left_to_import_in_any_file(folder: str) -> None:
    paths = [path for path in (ROOT / "static" / folder).rglob("*") if path.is_file()]
    texts = {path.relative_to(ROOT / "static").as_posix(): path.read_text() for path in paths}
    for name in texts:
        joined = (join_script if folder == "js" else join_style)(name, texts)
        assert not re.search(r"^\s*@?import\b", joined, re.MULTILINE), name
