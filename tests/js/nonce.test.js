import assert from "node:assert/strict"
import { test } from "node:test"

import { newNonce } from "../../static/js/sending/nonce.js"

test("a nonce is what the server takes, and never the same", () => {
  const nonces = Array.from({ length: 1000 }, newNonce)
  for (const nonce of nonces) assert.match(nonce, /^[0-9a-z]{1,64}$/)
  assert.equal(new Set(nonces).size, nonces.length)
})
