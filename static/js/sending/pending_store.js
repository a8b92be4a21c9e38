// Pending messages in localStorage: the server has not acknowledged them yet, so they must survive
// a closed tab. Each has its own key, so that tabs don't overwrite each other's messages.

import { remember } from "../browser/storage.js"
import { newNonce } from "./nonce.js"

const NONCE = /^[0-9a-z]{1,64}$/ // the server accepts up to 64 characters (chat/wire.py)

export class PendingStore {
  #prefix
  // By nonce: messages that localStorage did not accept, and null for those it did not delete.
  #memory = new Map()

  // `onchange` is called when another tab has changed the stored messages.
  constructor(user, onchange) {
    this.#prefix = `outbox:${user}:`
    window.addEventListener("storage", ({ key }) => {
      if (key === null || key.startsWith(this.#prefix)) onchange()
    })
  }

  // Return all messages, { nonce, msg, file, at, problem }, in the order in which they were written.
  all() {
    const nonces = new Set([...this.#stored(), ...this.#memory.keys()])
    const messages = Array.from(nonces, (nonce) => this.get(nonce)).filter(Boolean)
    // All tabs must agree on the order, even of messages written in the same millisecond.
    return messages.sort((a, b) => a.at - b.at || (a.nonce < b.nonce ? -1 : 1))
  }

  get(nonce) {
    if (this.#memory.has(nonce)) return this.#memory.get(nonce)
    try {
      const text = localStorage.getItem(this.#prefix + nonce)
      return text && parse(nonce, text)
    } catch {
      return null // there is no storage, or this page did not write what is in it
    }
  }

  // Store a message, new or to be tried again, after all others. Return its nonce.
  append({ nonce = newNonce(), msg, file }) {
    const last = this.all().at(-1)
    const at = Math.max(Date.now(), last ? last.at + 1 : 0) // a clock may be set back
    this.put({ nonce, msg, file, at })
    return nonce
  }

  put({ nonce, msg, file, at, problem }) {
    const isStored = remember(this.#prefix + nonce, JSON.stringify({ msg, file, at, problem }))
    if (isStored) this.#memory.delete(nonce)
    else this.#memory.set(nonce, { nonce, msg, file, at, problem })
  }

  remove(nonce) {
    this.#memory.delete(nonce)
    const isRemoved = remember(this.#prefix + nonce, "")
    if (!isRemoved && this.get(nonce)) this.#memory.set(nonce, null) // or it would be sent for ever
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

// Anybody at this computer can change what is stored, and so can another version of this page.
function parse(nonce, text) {
  const { msg, file, at, problem } = JSON.parse(text)
  const isValid =
    typeof msg === "string" &&
    (file === undefined || [file?.id, file?.name].every((it) => typeof it === "string")) &&
    Number.isFinite(at) &&
    (problem === undefined || typeof problem === "string")
  return isValid ? { nonce, msg, file, at, problem } : null
}
