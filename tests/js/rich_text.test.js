import "./document.js"

import assert from "node:assert/strict"
import { test } from "node:test"

import { quote } from "../../static/js/log/quote.js"
import { mentions, richText } from "../../static/js/log/rich_text.js"
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
  ["http://a.example/(((", "http://a.example/"],
  ["javascript:alert(1) ftp://a xhttp://a http:// http://% //a"],
  ["say `a b`, not ``c`` or `d\ne`", "", "a b"],
  ["`http://a.example @alice`", "", "http://a.example @alice"],
  ["```\nif a:\n    `b`\n```\nso", "", "if a:\n    `b`"],
  ["```python\nx\n```", "", "x"],
  ["``` one line ```", "", " one line "],
  ["``` never ended `but this`", "", "but this"],
  ["@alice, @ALICE. and @Alice-", "", "", "@alice @ALICE @Alice"],
  ["a@alice @alicex @bob alice alice"],
  ["<b>*bold*</b> &amp; _so_"],
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
  ["2**3**4 and 2*3*4, a_b_c, * a * b ** c ** f(*a,**kw,**x)", "", ""],
  ["`**code**`", "", ""],
]
for (const [text, bold, italic] of EMPHASIZED) {
  test(`bold, italics, and what is neither: ${text}`, () => {
    assert.equal(richText(text, "alice").textContent, text)
    assert.deepEqual([shown(text, "strong"), shown(text, "em")], [bold, italic])
  })
}

test("a link opens in a new tab, which has no access to this page", () => {
  const [{ href, target, rel }] = richText("at http://a.example", "alice").all("a")
  assert.deepEqual([href, target, rel], ["http://a.example", "_blank", "noopener nofollow"])
})

test("who is mentioned in bold is mentioned, who is mentioned in code is not", () => {
  assert.ok(mentions("**@alice**, look", "alice"))
  assert.ok(!mentions("`@alice`", "alice"))
})

for (const [text, quoted] of quotes) {
  test(`the same lines are quoted as on a page without scripts: ${text}`, () => {
    assert.deepEqual(richText(text, "alice").all("quote").map((it) => it.textContent), quoted)
  })
}

for (const user of ["bob", "deleted user", "al:ice", "Алиса"]) {
  test(`a reply links to the message that it quotes, of ${user}`, () => {
    const reply = `${quote({ seq: 12, user, msg: "Shall we meet?" })}Yes`
    const [{ href, textContent }] = richText(reply, "alice").all("a")
    assert.deepEqual([href, textContent], ["/?around=12#m12", `${user} #12`])
  })
}

const HOSTILE = ["`", "``` ", "`a", "(", "http://a", "http://(", "@", "@a.", "@-", "[](", "```a\n"]
for (const part of HOSTILE) {
  test(`the most hostile text takes no time: ${part}`, () => {
    for (const start of ["", "http://a/", "@alice"]) {
      const text = start + part.repeat(20_000)
      let best = Infinity
      for (let tries = 0; tries < 3 && best > 1000; tries++) { // others may be busy
        const began = performance.now()
        assert.ok(richText(text, "alice").textContent === text)
        best = Math.min(best, performance.now() - began)
      }
      assert.ok(best < 1000) // ms, for what takes 100; not linear would take minutes
    }
  })
}
