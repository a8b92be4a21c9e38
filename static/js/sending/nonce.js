// Nonces: every message and every change carries one, so that the server stores it once, however
// often it is sent.

// Not crypto.randomUUID(): browsers offer it on https only.
export function newNonce() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("")
}
