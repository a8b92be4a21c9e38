import assert from "node:assert/strict"
import { test } from "node:test"

import { addressOf, changeOf, idOf, NEWEST, newerThan, olderThan, seqOf } from "../../static/js/log/addresses.js"
import addresses from "./cases/addresses.json" with { type: "json" }

test("scripts lead to the same addresses as the templates", () => {
  const found = {
    id: idOf(12),
    address: addressOf(12),
    older: olderThan(12),
    newer: newerThan(12),
    newest: NEWEST,
    change: changeOf(12),
  }
  assert.deepEqual(found, addresses)
})

test("a link leads to a message only within this chat, and only if it names no more than one", () => {
  globalThis.location = new URL("http://chat.example/")
  const led = (address) => seqOf(new URL(address, location))
  assert.equal(led(addressOf(12)), 12)
  assert.equal(led("/?around=7"), 7)
  const others = ["/", "/?before=3", "/?around=", "/?around=x", "/?around=1&around=2", "/search?around=1"]
  for (const other of [...others, "https://elsewhere.example/?around=1"]) assert.equal(led(other), 0, other)
})
