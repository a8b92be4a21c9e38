import assert from "node:assert/strict"
import { test } from "node:test"

import cases from "./cases/folds.json" with { type: "json" }
import { foldClass } from "../../static/js/log/fold.js"

test("a message is folded if it takes more than twenty lines", () => {
  for (const [part, times, end, name] of cases) {
    assert.equal(foldClass(part.repeat(times) + end), name, JSON.stringify([part, times]))
  }
})
