// The outbox: keeps each message until the server has shown that it is stored.

const RETRY_PAUSE = 2000 // ms

export class Outbox {
  #user
  #send
  #waiting = [] // frames, in the order they were written; only the first is ever under way
  #underWay = false
  #timer = null

  constructor(user, send) {
    this.#user = user
    this.#send = send
  }

  add(msg) {
    this.#waiting.push({ type: "message", msg, nonce: newNonce() })
    this.#pump()
  }

  // Sending again is harmless: the server knows the nonce.
  resume() {
    this.#underWay = false
    this.#pump()
  }

  pause() {
    this.#underWay = true
    clearTimeout(this.#timer)
  }

  // Says whether the message was waiting here. Another user may send any nonce, so only
  // one's own message counts.
  acknowledge({ user, nonce }) {
    return user === this.#user && this.#finish(nonce) !== undefined
  }

  retry({ nonce }) {
    if (this.#waiting[0]?.nonce !== nonce) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.resume(), RETRY_PAUSE)
  }

  // Takes back what the server refuses for good, and returns its text.
  withdraw({ nonce }) {
    return this.#finish(nonce)?.msg
  }

  #finish(nonce) {
    if (this.#waiting[0]?.nonce !== nonce) return
    const frame = this.#waiting.shift()
    this.resume()
    return frame
  }

  #pump() {
    if (this.#underWay || !this.#waiting.length) return
    this.#underWay = this.#send(this.#waiting[0])
  }
}

// Not crypto.randomUUID(): browsers offer that on https only.
function newNonce() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("")
}
