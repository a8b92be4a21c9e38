import assert from "node:assert/strict"
import { test } from "node:test"

import { isMeantFor, quote, quotes } from "../../static/js/log/quote.js"

const QUOTES = {
  "Shall we meet?": "> bob #1: Shall we meet?\n",
  "one\n\ntwo\n \nthree": "> bob #1: one\n> two\n> three\n",
  "> older\nShall we\n*meet*\nat\nnoon?": "> bob #1: Shall we\n> *meet*\n> at\n> …\n",
  ">= 3\n>>> print(x)\n>_<": "> bob #1: >= 3\n> >>> print(x)\n> >_<\n",
  "```\n> code\n```": "> bob #1: ```\n> > code\n> ```\n",
  "> nothing but a quote": "> bob #1: …\n",
  "": "> bob #1: …\n",
  [`${"😀".repeat(200)}\nnext`]: `> bob #1: ${"😀".repeat(200)}\n> next\n`,
  ["😀".repeat(201)]: `> bob #1: ${"😀".repeat(200)}…\n`,
}
for (const [msg, quoted] of Object.entries(QUOTES)) {
  test(`a quote has the first three lines, but no quotes of the message: ${msg}`, () => {
    assert.equal(quote({ seq: 1, user: "bob", msg }, 10_000), quoted)
  })
}

test("a quote leaves room for the reply where messages are short", () => {
  const msg = "😀".repeat(100) + "\n" + "word ".repeat(20) + "\nand\nso on"
  const quoted = `> bob #1: ${"😀".repeat(10)}…\n> word word …\n> and\n> …\n`
  assert.equal(quote({ seq: 1, user: "bob", msg }, 100), quoted)
})

const QUOTED = {
  "> bob #1: hi\nyes": true,
  ">bob #1: hi": false,
  "first\n> bob #12: hi\n> > carol #3: so\nyes": true,
  "> alice #2: hi\n> bob #1: hi\nboth": true,
  "> bob #1 hi": false,
  "> bobby #1: hi": false,
  "> > bob #1: of what alice said\nyes": false,
  "see > bob #1: hi": false,
  "bob #1: hi": false,
  "> bob: hi": false,
  [`> ${"bob ".repeat(2500)}#1: hi`]: false,
  "```\n> bob #1: hi\n```": false,
  "so:\n```text\na\n> bob #1: hi\n```\nno": false,
  "```\nx\n```\n> bob #1: hi\nyes": true,
  "``` never ended\n> bob #1: hi\nyes": true,
}
for (const [msg, isQuoted] of Object.entries(QUOTED)) {
  test(`a reply ${isQuoted ? "quotes" : "does not quote"} bob: ${msg.slice(0, 60)}`, () => {
    assert.equal(quotes(msg, "bob"), isQuoted)
  })
}

test("a reply quotes also who has one of the tutorial's logins, with a space", () => {
  const reply = `${quote({ seq: 3, user: "John Doe", msg: "hi" }, 10_000)}yes`
  assert.deepEqual(["John Doe", "John", "Doe"].map((login) => quotes(reply, login)), [true, false, false])
})

test("a message is meant for somebody who is mentioned, alone or with all, or answered", () => {
  for (const message of [{ msg: "@bob" }, { msg: "> bob #1: hi\nyes" }, { msg: "@all", all: true }])
    assert.ok(isMeantFor("bob", message), message.msg)
  for (const message of [{ msg: "@all", all: false }, { msg: "@all" }, { msg: "" }])
    assert.ok(!isMeantFor("bob", message), message.msg)
  assert.ok(isMeantFor("all", { msg: "@all", all: false })) // an old account may be called so
})
