import assert from "node:assert/strict"
import { test } from "node:test"

import { quote } from "../../static/js/log/quote.js"

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
    assert.equal(quote({ seq: 1, user: "bob", msg }), quoted)
  })
}
