import "./document.js"

import assert from "node:assert/strict"
import { test } from "node:test"

import { quote } from "../../static/js/log/quote.js"
import { mentions, richText } from "../../static/js/log/rich_text.js"
import all from "./cases/all.json" with { type: "json" }
import authors from "./cases/authors.json" with { type: "json" }
import quotes from "./cases/quotes.json" with { type: "json" }

// Return what the elements with a name or a class show, joined by spaces.
function shown(text, name) {
  const nodes = richText(text, "alice").all(name)
  return nodes.map(({ shownText }) => shownText).join(" ")
}

// Text, what is a link, what is code, what names the reader, who is alice.
const RICH = [
  ["see http://a.example, or https://b.example/?q#x.", "http://a.example https://b.example/?q#x"],
  ["(http://a.example/x_(y)), <https://b.example>!", "http://a.example/x_(y) https://b.example"],
  ["[http://[::1]:8080/x]", "http://[::1]:8080/x"],
  ["HTTPS://A.example HtTp://b.example", "HTTPS://A.example HtTp://b.example"],
  ["http://a.example/(((", "http://a.example/"],
  ["javascript:alert(1) ftp://a xhttp://a http:// http://% //a"],
  ["say `a b`, not ``c`` or `d\ne`", "", "a b"],
  ["`http://a.example @alice`", "", "http://a.example @alice"],
  ["```\nif a:\n    `b`\n```\nso", "", "if a:\n    `b`"],
  ["```python\nx\n```", "", "x"],
  ["``` one line ```", "", " one line "],
  ["``` never ended `but this`", "", "but this"],
  ["@alice, @ALICE. and @Alice-", "", "", "@alice @ALICE @Alice"],
  ["a@alice @alicex @bob alice alice \\@alice x＠alice"],
  ["看https://a.example/x，好", "https://a.example/x"],
  ["（参见：https://a.example。）【https://b.example】", "https://a.example https://b.example"],
  ["ดูhttps://a.example/ไทย ເບິ່ງhttps://b.example", "https://a.example/ไทย https://b.example"],
  ["https://a.example的文档 https://b.example:80을", "https://a.example https://b.example:80"],
  ["https://a例.example/ https://例え.jp", "https://a例.example/ https://例え.jp"],
  ["https://a.example، https://b.example।", "https://a.example https://b.example"],
  ["“https://a.example”said «https://b.example»", "https://a.example https://b.example"],
  ["https://a.example/\u200f (https://b.example/\u202e", "https://a.example/ https://b.example/"],
  ["www.a.example, 见www.b.example/x。(WWW.C.de)", "www.a.example www.b.example/x WWW.C.de"],
  ["www. www.a www..a xwww.a.example x.www.a.example ~www//a www.% @www.a.example"],
  ["bob@a.example, 邮箱b.x+y@b.example。<c@d-e.de>", "bob@a.example b.x+y@b.example c@d-e.de"],
  ["mailto:bob@a.example?", "bob@a.example"],
  ["a@b a@b.1 @a.example a@@b.example git@a.example:b/c ssh://git@a.example éa@b.example"],
  ["你好@alice，再见 （@alice） さん@ALICEさん", "", "", "@alice @alice @ALICE"],
  ["ขอบคุณที่@aliceครับ 철수야@alice는 ＠alice！ 했습니다.@alice", "", "", "@alice @alice ＠alice @alice"],
  ["<b>*bold*</b> &amp; _so_"],
  ["https://a.example,https://b.example/x;https://c.example|www.d.example",
    "https://a.example https://b.example/x https://c.example www.d.example"],
  ["|https://a.example/x|https://b.example/y|", "https://a.example/x https://b.example/y"],
  ["https://a.example's https://a.example/x\\n https://c:d@a.example./x https://a|b",
    "https://a.example https://a.example/x https://c:d@a.example./x https://a"],
  ["https://a.example的@alice。https://例え.jpです。www.b.jpへ", "https://a.example https://例え.jp www.b.jp", "",
    "@alice"],
  ["https://a.exampleपर https://b.example的. a@b.exampleको", "https://a.example https://b.example a@b.example"],
  ["a@müller.de b@例え.jpへ c@пример.рф www.пример.рф", "a@müller.de b@例え.jp c@пример.рф www.пример.рф"],
  ["o'brien@a.example 'bob@a.example' git@пример.рф:x www.bob@a.example",
    "o'brien@a.example bob@a.example www.bob@a.example"],
  ["ל-@alice, .@alice ...@Alice a.@alice a_@alice", "", "", "@alice @alice @Alice"],
  ["it`s *so*, don`t and won`t; 请运行`make`吧, l'`x`", "", "make x"],
  ["```\n```\nso"],
  ["(´・ω・`) (´∀`) (*´∀`*) (´・ω・`), a `)` and `b`", "", ") b"],
  ["psql postgres://u:p@a.example/x smb://a;b:c@d.example"],
  ["``` ``` and `` ``"],
]
for (const [text, links = "", code = "", names = ""] of RICH) {
  test(`links, code and the reader's name are set, and all else is literal: ${text}`, () => {
    assert.equal(richText(text, "alice").textContent, text)
    assert.deepEqual(["a", "code", "mark"].map((name) => shown(text, name)), [links, code, names])
    assert.equal(mentions(text, "alice"), names !== "")
  })
}

// Text, what is bold, what is italic.
const EMPHASIZED = [
  ["so **very bold** and *italic* and _slanted_", "very bold", "italic slanted"],
  ["那我们**午饭后**部署", "午饭后", ""],
  ["\u200f**\u05de\u05d5\u05d3\u05d2\u05e9**\u200f, \u2067*C++*\u2069", "\u05de\u05d5\u05d3\u05d2\u05e9", "C++"],
  ["2**3**4 and 2*3*4, a_b_c, * a * b ** c ** f(*a,**kw,**x)", "", ""],
  ["`**code**`", "", ""],
  ["(*so*), [_so_] «*so*» *so*!  👍*so*👍 （*so*）。", "", "so so so so so so"],
  ["*see 2*3 and a*b* _see snake_case here_", "", "see 2*3 and a*b see snake_case here"],
  ["*_* (*_*) *-* ^_^ o_O -_- >_< :* :*", "", ""],
  ["a_b_c (see _x) __init__ count(*), sum(*)", "", ""],
  ["ls *.py *.js; int *p, *q; f(*a, **b) glob('*a', '*b')", "", ""],
  ["C:\\_new\\*.txt D:\\_x_\\* \\\\server\\*share* %_x_% *a\\*", "", ""],
  ["*, * a* *a * **, ** ***a*** **a* *a** _ _a", "", ""],
  ["(*OωO*) (*ΦωΦ*) (*ﾟ▽ﾟ*) (*´ω`*) ヾ(*´∀`*)ﾉ", "", ""],
  ["int (*h)[*]; rm _tmp_* *_x_*", "", ""],
  ["(*o*) (_o_) (*ω*) (*O*)/ \\*o*/ m(_o_)m *o_", "", ""],
  ["ls *test*.py *test*/ *a*.* _build_/x *x*\\y _x_\\y", "", ""],
  ["f(*a)*g(*b); _init_(self) _x_[0] print(*a, sep='*') (*a, end=\"*\")", "", ""],
  ["*so*. *so*… *he said \"so\"* \"all *so*\" (see *so*), *so*-ish", "", 'so so he said "so" so so so'],
  ["**“重要”**的 **（注）**以下, *“so”* *¿qué?* ¡*so*! »*so*« —*so*— 👍🏽*so*❤️*so*", "“重要” （注）",
    "“so” ¿qué? so so so so so"],
  ["_यह_नहीं_ *cafe\u0301*noir*", "", "यह_नहीं cafe\u0301*noir"],
]
for (const [text, bold, italic] of EMPHASIZED) {
  test(`bold, italics, and what is neither: ${text}`, () => {
    assert.equal(richText(text, "alice").textContent, text)
    assert.deepEqual([shown(text, "strong"), shown(text, "em")], [bold, italic])
  })
}

// Text, what of it is shown.
const ESCAPED = [
  ["\\*so\\* \\*so* \\_so\\_", "*so* *so* _so_"],
  ["(\\**so** \\*\\*so\\*\\*)", "(**so** **so**)"],
  ["\\`so\\` and \\`*so*`", "`so` and `*so*`"],
  ["\\> so\n\\>so", "> so\n\\>so"],
  ["C:\\_x\\*.txt \\_x \\*.* \\ \\\\ \\n", "C:\\_x\\*.txt \\_x \\*.* \\ \\\\ \\n"],
  ["¯\\_(ツ)_/¯ \\\\server\\_x_ \\*a", "¯\\_(ツ)_/¯ \\\\server\\_x_ \\*a"],
  ["> bob #1: >= 2\n> > so", "bob #1>= 2\n> so"],
  ["> > bob #1: so\n> al:ice #2:so: yes", "> bob #1: so\nal:ice #2so: yes"],
  ["> ```\n> bob #1: *so*\n> ```", "```\nbob #1: *so*\n```"],
  ["> > > one\n> > two\n> three\nfour", "> > one\n> two\nthree\nfour"],
  ["> ```\n> *x* = _y_\n> > z\n> ```\n> *so*", "```\n*x* = _y_\n> z\n```\nso"],
  ["> bob #1: ```js\n> f(*a*) and\n> …", "bob #1```js\nf(*a*) and\n…"],
  ["\\_o_/ \\_x_\\y \\*a*/", "\\_o_/ \\_x_\\y \\*a*/"],
]
for (const [text, seen] of ESCAPED) {
  test(`a backslash escapes a sign, and is hidden only then: ${text}`, () => {
    const nodes = richText(text, "alice")
    assert.equal(nodes.textContent, text)
    assert.equal(nodes.shownText, seen)
  })
}

test("who has a login of letters without spaces is mentioned among others, but not by half", () => {
  for (const text of ["@王伟你好", "请@王伟看", "@王伟ok", "@王伟。"]) assert.ok(mentions(text, "王伟"), text)
  for (const text of ["@王", "@王伟2", "王伟你好", "@李王伟"]) assert.ok(!mentions(text, "王伟"), text)
  assert.ok(mentions("\\*@alice\\*, look", "alice"))
})

test("a name in an isolate or after a mark of direction, as messengers copy it, is a mention", () => {
  for (const text of ["@\u2068alice\u2069, hi", "شكرا ＠\u2067Alice\u2069", "@\u200ealice", "*@\u2066alice\u2069*"]) {
    const [mark] = richText(text, "alice").all("mark")
    assert.match(mark.textContent, /^[@＠].alice$/i)
    assert.equal(richText(text, "alice").textContent, text)
  }
  for (const text of ["@\u2068alicea\u2069", "@\u2068\u2069alice", "x@\u2068alice\u2069", "@\u200balice"])
    assert.ok(!mentions(text, "alice"), text)
})

test("addresses without a scheme lead to the web, and to the program for mails", () => {
  const links = richText("www.a.example bob@a.example", "alice").all("a")
  assert.deepEqual(links.map(({ href }) => href), ["https://www.a.example", "mailto:bob@a.example"])
})

test("a link opens in a new tab, which has no access to this page", () => {
  const [{ href, target, rel }] = richText("at http://a.example", "alice").all("a")
  assert.deepEqual([href, target, rel], ["http://a.example", "_blank", "noopener nofollow"])
})

test("who is mentioned in bold is mentioned, who is mentioned in code is not", () => {
  assert.ok(mentions("**@alice**, look", "alice"))
  assert.ok(!mentions("`@alice`", "alice"))
})

for (const [text, isMentioned] of all) {
  test(`all are mentioned where the server says so: ${text}`, () => {
    assert.equal(mentions(text, "all"), isMentioned)
  })
}

test("where all are notified, both names of the reader are marked", () => {
  const marks = richText("@all, *@Alice* and @bob", ["alice", "all"]).all("mark")
  assert.deepEqual(marks.map(({ textContent }) => textContent), ["@all", "@Alice"])
})

for (const [text, quoted] of quotes) {
  test(`the same lines are quoted as on a page without scripts: ${text}`, () => {
    assert.deepEqual(richText(text, "alice").all("quote").map((it) => it.textContent), quoted)
  })
}

for (const [text, expected] of authors) {
  test(`a quote shows the same authors as on a page without scripts: ${text}`, () => {
    const found = richText(text, "alice").all("a").filter(({ className }) => className)
    assert.deepEqual(found.map(({ textContent }) => textContent), expected.map(([user, seq]) => `${user} #${seq}`))
    assert.equal(richText(text, "alice").textContent, text)
  })
}

for (const user of ["bob", "deleted user", "al:ice", "Алиса"]) {
  test(`a reply links to the message that it quotes, of ${user}`, () => {
    const reply = `${quote({ seq: 12, user, msg: "Shall we meet?" }, 10_000)}Yes`
    const [{ href, textContent }] = richText(reply, "alice").all("a")
    assert.deepEqual([href, textContent], ["/?around=12#m12", `${user} #12`])
  })
}

const HOSTILE = [
  ..."`(@*_>\\.-＠王", "``` ", "`a", "http://a", "http://(", "@a.", "@-", "[](", "```a\n", "```\n> ",
  ..."*a| *a|(*a|**a |a*|*a*a|王**|_a| _a|a_|\\*| \\*a|\\_a|\\`a".split("|"),
  ...["> ", ">\n", "> \n", "> a\n>\n", "\n> ", "www.", "www.a", "a@", "a.", "a@a.", "@a.a", "a@a.aa "],
  ...["王www.a", "a+", "+a", "://a@a.aa", ":a@", "`)", "a'a", "-@", "-@a", ".@a", "(*o", "*a.", "`a *", "a@b.рф.", "|http://a", "www.a@", "\ufe0f*a"],
  ...["@王", " *王", "@alice王", "https://a.a王", "https://a.aa王.", "王http://a。", "http://。"],
]
for (const part of HOSTILE) {
  test(`the most hostile text takes no time: ${part}`, () => {
    for (const start of ["", "http://a/", "@alice", "> ", " *a", "\\_a"]) {
      const text = start + part.repeat(20_000)
      const began = process.cpuUsage() // others may be busy
      assert.ok(richText(text, "alice").textContent === text)
      const { user } = process.cpuUsage(began)
      assert.ok(user < 2_000_000) // microseconds, for what takes 200,000; not linear would take minutes
    }
  })
}
