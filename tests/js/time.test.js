import assert from "node:assert/strict"
import { test } from "node:test"

import { dayName, learnTime } from "../../static/js/log/time.js"

test("yesterday is the day before today, however few hours ago", ({ mock }) => {
  mock.timers.enable({ apis: ["Date"], now: new Date(2026, 2, 1, 0, 0, 1) })
  assert.equal(dayName(new Date(2026, 2, 1, 23, 59)), "Today")
  assert.equal(dayName(new Date(2026, 2, 1, 0, 0)), "Today")
  assert.equal(dayName(new Date(2026, 1, 28, 23, 59)), "Yesterday")
  assert.equal(dayName(new Date(2026, 1, 28, 0, 0)), "Yesterday")
  assert.match(dayName(new Date(2026, 1, 27, 23, 59)), /2026/)
  assert.match(dayName(new Date(2025, 2, 1)), /2025/)
})

for (const [what, wrong] of [
  ["a day fast", 24 * 3600],
  ["20 minutes fast", 20 * 60],
  ["an hour slow", -3600],
  ["in 1970", -1_764_633_000],
])
  test(`today is the server's, with a clock ${what}`, ({ mock }) => {
    const now = new Date(2026, 2, 1, 23, 50)
    mock.timers.enable({ apis: ["Date"], now: now.getTime() + wrong * 1000 })
    learnTime(now.toISOString())
    assert.equal(dayName(new Date(2026, 2, 1, 0, 0)), "Today")
    assert.equal(dayName(new Date(2026, 1, 28, 23, 59)), "Yesterday")
    mock.timers.setTime(Date.now() + 11 * 60_000) // as the page stays open, or the computer sleeps
    assert.equal(dayName(new Date(2026, 2, 1, 0, 0)), "Yesterday")
    assert.equal(dayName(new Date(2026, 2, 2, 0, 0)), "Today")
    learnTime(new Date().toISOString())
  })
