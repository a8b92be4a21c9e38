// The keep: what a user wrote and nobody has acknowledged, in localStorage, so that it outlives
// the tab. Each message has a key of its own, so that no tab overwrites what another keeps.

const NONCE = /^[0-9a-z]{1,64}$/

export class Keep {
  #prefix
  #memory = new Map() // by nonce: what localStorage did not take, null what it did not let go

  // `onchange` is called when another tab has changed something.
  constructor(user, onchange) {
    this.#prefix = `outbox:${user}:`
    window.addEventListener("storage", ({ key }) => {
      if (key === null || key.startsWith(this.#prefix)) onchange()
    })
  }

  // All entries, { nonce, msg, at, problem }, in the order in which they were written.
  all() {
    const nonces = new Set([...this.#stored(), ...this.#memory.keys()])
    const entries = Array.from(nonces, (nonce) => this.get(nonce)).filter(Boolean)
    // Every tab must come to the same order, also within a millisecond.
    return entries.sort((a, b) => a.at - b.at || (a.nonce < b.nonce ? -1 : 1))
  }

  get(nonce) {
    if (this.#memory.has(nonce)) return this.#memory.get(nonce)
    try {
      return read(nonce, localStorage.getItem(this.#prefix + nonce))
    } catch {
      return null // no storage, or not what this page has written
    }
  }

  // Puts a message, new or to be tried again, behind all others.
  append({ nonce = newNonce(), msg }) {
    const last = this.all().at(-1)
    const at = Math.max(Date.now(), last ? last.at + 1 : 0) // a clock may be set back
    this.put({ nonce, msg, at })
    return nonce
  }

  put({ nonce, msg, at, problem }) {
    try {
      localStorage.setItem(this.#prefix + nonce, JSON.stringify({ msg, at, problem }))
      this.#memory.delete(nonce)
    } catch {
      this.#memory.set(nonce, { nonce, msg, at, problem })
    }
  }

  remove(nonce) {
    this.#memory.delete(nonce)
    try {
      localStorage.removeItem(this.#prefix + nonce)
    } catch {
      if (this.get(nonce)) this.#memory.set(nonce, null) // or it would be sent for ever
    }
  }

  #stored() {
    try {
      return Object.keys(localStorage)
        .filter((key) => key.startsWith(this.#prefix))
        .map((key) => key.slice(this.#prefix.length))
        .filter((nonce) => NONCE.test(nonce))
    } catch {
      return []
    }
  }
}

// A name for what is sent, so that sending it twice does no harm.
// Not crypto.randomUUID(): browsers offer that on https only.
export function newNonce() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("")
}

// Anybody at this computer can change what is stored, and so can another version of this page.
function read(nonce, text) {
  const { msg, at, problem } = JSON.parse(text)
  const isSound =
    typeof msg === "string" &&
    Number.isFinite(at) &&
    (problem === undefined || typeof problem === "string")
  return isSound ? { nonce, msg, at, problem } : null
}
