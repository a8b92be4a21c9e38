import assert from "node:assert/strict"
import { beforeEach, mock, test } from "node:test"

import { OwnMessages } from "../../static/js/log/own_messages.js"

const SENT = "2026-11-29T12:00:00.000Z"
const MINUTE = 60_000
let elapsed = 0 // ms since the page was opened

// Return what a page has that the server rendered so many minutes after the message was sent, in a
// browser whose clock is so many minutes fast.
function pageWith({ age, fast }) {
  mock.timers.reset()
  mock.timers.enable({ apis: ["Date"], now: Date.parse(SENT) + (age + fast) * MINUTE })
  const now = new Date(Date.parse(SENT) + age * MINUTE).toISOString()
  const own = new OwnMessages({ user: "alice", changeableFor: "900", now })
  own.add({ seq: 1, user: "alice", msg: "hi", time: SENT, state: "" })
  return own
}

beforeEach(() => {
  elapsed = 1234
  mock.method(performance, "now", () => elapsed)
})

for (const fast of [0, 20, -20, 24 * 60, -600]) {
  test(`a message can be changed for 15 minutes of the server, the clock ${fast} fast`, () => {
    assert.equal(pageWith({ age: 0, fast }).changeable(1)?.msg, "hi")
    assert.equal(pageWith({ age: 14, fast }).changeable(1)?.msg, "hi")
    assert.equal(pageWith({ age: 16, fast }).changeable(1), null)
    const own = pageWith({ age: 10, fast })
    elapsed += 4 * MINUTE
    assert.equal(own.lastChangeable()?.msg, "hi")
    elapsed += 2 * MINUTE
    assert.equal(own.lastChangeable(), null)
  })
}

test("a clock that is put right while the page is open changes nothing", () => {
  const own = pageWith({ age: 1, fast: 0 })
  mock.timers.setTime(Date.now() + 60 * MINUTE)
  assert.equal(own.changeable(1)?.msg, "hi")
  elapsed += 15 * MINUTE
  mock.timers.setTime(0)
  assert.equal(own.changeable(1), null)
})
