import assert from "node:assert/strict"
import { test } from "node:test"

import { dayName } from "../../static/js/log/time.js"

test("yesterday is the day before today, however few hours ago", ({ mock }) => {
  mock.timers.enable({ apis: ["Date"], now: new Date(2026, 2, 1, 0, 0, 1) })
  assert.equal(dayName(new Date(2026, 2, 1, 23, 59)), "Today")
  assert.equal(dayName(new Date(2026, 2, 1, 0, 0)), "Today")
  assert.equal(dayName(new Date(2026, 1, 28, 23, 59)), "Yesterday")
  assert.equal(dayName(new Date(2026, 1, 28, 0, 0)), "Yesterday")
  assert.match(dayName(new Date(2026, 1, 27, 23, 59)), /2026/)
  assert.match(dayName(new Date(2025, 2, 1)), /2025/)
})
