import assert from "node:assert/strict"
import { test } from "node:test"

import { addressOf, changeOf, idOf, olderThan } from "../../static/js/log/addresses.js"
import addresses from "./cases/addresses.json" with { type: "json" }

test("scripts lead to the same addresses as the templates", () => {
  const found = { id: idOf(12), address: addressOf(12), older: olderThan(12), change: changeOf(12) }
  assert.deepEqual(found, addresses)
})
