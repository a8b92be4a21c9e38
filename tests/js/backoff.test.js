import assert from "node:assert/strict"
import { test } from "node:test"

import { Backoff } from "../../static/js/connection/backoff.js"

// Return the pauses before eight attempts, where chance gives the same number each time.
function pauses({ mock }, chance, backoff = new Backoff()) {
  mock.method(Math, "random", () => chance)
  return Array.from({ length: 8 }, () => backoff.next())
}

test("pauses grow and are spread over their whole length", (t) => {
  assert.deepEqual(pauses(t, 1), [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000])
  assert.deepEqual(pauses(t, 0), Array(8).fill(0))
})

test("after a success pauses are short again", (t) => {
  const backoff = new Backoff()
  pauses(t, 1, backoff)
  backoff.reset()
  assert.equal(backoff.next(), 500)
})
