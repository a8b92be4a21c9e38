import assert from "node:assert/strict"
import { test } from "node:test"

import { shownFile, sizeText } from "../../static/js/log/file.js"
import cases from "./cases/files.json" with { type: "json" }
import sizes from "./cases/sizes.json" with { type: "json" }

for (const [file, expected] of cases) {
  test(`a message shows its file: ${file.name}`, () => {
    const { width, height, sign, kind, player } = shownFile(file)
    assert.deepEqual([width, height, sign, kind, player], expected)
  })
}

test("a size has two or three digits and a unit", () => {
  for (const [size, text] of sizes) assert.equal(sizeText(size), text)
})
