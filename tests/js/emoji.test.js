import assert from "node:assert/strict"
import { test } from "node:test"

import cases from "./cases/emoji.json" with { type: "json" }
import { isOnlyEmoji } from "../../static/js/log/emoji.js"

test("a few emoji alone are shown large", () => {
  for (const [text, isLarge] of cases) assert.equal(isOnlyEmoji(text), isLarge, text)
})

test("the most hostile text is looked at in no time", () => {
  for (const part of ["🎉", "🎉 ", " ", "👩\u200d", "🇩", "1\ufe0f"]) {
    isOnlyEmoji(`🎉${part.repeat(20_000)}a`) // not linear, this would take minutes
  }
})
