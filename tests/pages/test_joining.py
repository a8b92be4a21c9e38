"""How the scripts and the styles of a page are joined."""

import re

import pytest

from pages.joining import CannotBeJoined, join_script, join_style
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
JOINED = """const m0 = (() => { // js/first.js
globalThis.first = true
})();
const m1 = (() => { // js/log/numbers.js
const one = 1
function two() {}
const own = 2
return { one, two }
})();
const m2 = (() => { // js/help.js
const help = 'https://a // b'
return { help }
})();
const m3 = (() => { // js/log/more.js
const { one } = m1;
const { help } = m2;

async function three() {}
class Four {}
return { three, Four }
})();
const m4 = (() => { // js/main.js
const { one, two: second } = m1;
const { three, } = m3;

const all = [one, second, three] // import { no } from "./nothing.js"
return { all }
})();
export const { all } = m4
"""


def test_each_module_is_joined_once_before_those_that_import_it() -> None:
    without_blank_lines = re.sub(r"\n\n+", "\n\n", join_script("js/main.js", SCRIPTS))
    assert re.sub(r"(\{ // .*\n)\n", r"\1", without_blank_lines) == JOINED


def test_a_style_sheet_has_what_it_imports_in_its_place() -> None:
    sheets = {
        "css/pages/room.css": '/* The room. */\n@import "../a.css";\n@import "../b.css";\np {}\n',
        "css/a.css": "/* one\n   comment */\na { content: '/'; }\n",
        "css/b.css": '@import "c.css";\nb {}\n',
        "css/c.css": "c {}\n",
    }
    joined = join_style("css/pages/room.css", sheets)
    assert joined == "a { content: '/'; }\nc {}\nb {}\np {}\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import all from './other.js'\n", "import all from"),
        ('import * as all from "./other.js"\n', "import \\* as all"),
        ('import { one } from "./other.js" // why\n', "import { one }"),
        ('import { one } from "./other.js"', "import { one }"),
        ('import { one } from "other"\n', "import { one }"),
        ('import { one } from "./nowhere.js"\n', "nowhere.js .*no such file"),
        ('import "./circle.js"\n', "js/main.js .*imports itself"),
        ("export default 1\n", "export default"),
        ("export let changes = 1\n", "export let"),
        ("const one = 1\nexport { one }\n", "export { one }"),
        ('export * from "./other.js"\n', "export \\*"),
        ("const here = import.meta.url\n", "import.meta.url"),
        ('const later = () => import("./other.js")\n', "import"),
        ("const later = () => import( `./other.js`)\n", "import"),
        ("await 1\n", "await 1"),
        ("const one = await two()\n", "await two"),
    ],
)
def test_a_script_that_would_mean_something_else_stops_the_start(source: str, reason: str) -> None:
    scripts = {
        "js/main.js": source,
        "js/other.js": "export const one = 1\n",
        "js/circle.js": 'import "./main.js"\n',
    }
    with pytest.raises(CannotBeJoined, match=reason):
        join_script("js/main.js", scripts)


def test_a_script_may_import_later_what_a_page_names() -> None:
    source = "const later = (address) => import(address)\n"
    assert source in join_script("js/main.js", {"js/main.js": source})


@pytest.mark.parametrize(
    ("sheet", "reason"),
    [
        ("a {}\n@import 'b.css';\n", "@import"),
        ('@import "b.css" print;\n', "@import"),
        ('a {}\n@import "b.css";\n', "@import"),
        ('@import "a.css";\n', "imports itself"),
        ('@import "nowhere.css";\n', "nowhere.css .*no such file"),
        ("a { background: url(img/a.png) }\n", "url"),
    ],
)
def test_a_sheet_that_would_mean_something_else_stops_the_start(sheet: str, reason: str) -> None:
    with pytest.raises(CannotBeJoined, match=reason):
        join_style("css/a.css", {"css/a.css": sheet, "css/b.css": "b {}\n"})


def test_no_script_uses_the_names_of_joined_ones() -> None:
    for path in (ROOT / "static/js").rglob("*.js"):
        assert not re.search(r"\bm\d+\b", path.read_text()), path
