import assert from "node:assert/strict"
import { test } from "node:test"

import { excess } from "../../static/js/writing/counter.js"
import cases from "./cases/cleaned.json" with { type: "json" }

// Return how many characters the counter counts.
function count(value) {
  return excess(value, 0)
}

for (const [typed, stored] of cases.texts) {
  test(`the counter counts what the server stores of ${JSON.stringify(typed)}`, () => {
    assert.equal(count(typed), Array.from(stored).length)
  })
}

test("the counter leaves out just those characters that the server drops", () => {
  for (let code = 0; code < 0xd800; code++) {
    const character = String.fromCharCode(code)
    const isDropped = cases.dropped.some(([first, last]) => first <= character && character <= last)
    assert.equal(count(`a${character}b`), isDropped ? 2 : 3, `U+${code.toString(16)}`)
  }
})

test("the counter takes just those characters for newlines that the server does", () => {
  for (let code = 0; code < 0xd800; code++) {
    const character = String.fromCharCode(code)
    const isDropped = count(`a${character}b`) === 2
    const isNewline = character === "\n" || cases.newlines.includes(character)
    assert.equal(count(`a${character}`), isDropped || isNewline ? 1 : 2, `U+${code.toString(16)}`)
  }
})

test("a text far from the limit is counted fast, and as it is", () => {
  assert.equal(excess("a\r\n", 2000), -1997)
})

test("the time to count grows no faster than the text", () => {
  for (const part of ["\n", "\r\n", "a\n", "\u0301", "\u0301\u200d", "\u202e", "😀"]) {
    const start = process.cpuUsage()
    count(`a${part.repeat(100_000)}b`)
    assert.ok(process.cpuUsage(start).user < 2_000_000, part) // microseconds
  }
})
