// The outbox: sends each message until the server has shown that it is stored, one at a time, so
// that they keep their order. Sending again is harmless, also from two tabs: the nonce is known.

import { Backoff } from "./backoff.js"
import { Keep } from "./keep.js"

const TAKE_OVER = 2000 // ms; a tab that has not sent its own by then may be closed, or cut off
const A_DAY = 86_400_000 // ms; what is older may not be meant any more, so its author decides
const FRAME_SIZE = 32 * 1024 // bytes; the server cuts off who sends more

export class Outbox {
  #user
  #keep
  #list
  #send
  #isOpen = false // the connection takes messages
  #underWay = null // the nonce of what was sent and is not answered
  #own = new Set() // the nonces of what was written in this tab
  #backoff = new Backoff()
  #timer = null

  constructor({ user, list, send }) {
    this.#user = user
    this.#keep = new Keep(user, () => this.#look())
    this.#list = list
    this.#send = send
    list.onretry = (nonce) => this.#queue(this.#keep.get(nonce))
    list.ondiscard = (nonce) => this.#drop(nonce)
    this.#look()
  }

  add(msg) {
    this.#queue({ msg })
  }

  resume() {
    this.#isOpen = true
    this.#again()
  }

  pause() {
    this.#isOpen = false
    clearTimeout(this.#timer)
  }

  // Says whether the message was waiting here. Another user may send any nonce, so only
  // one's own message counts.
  acknowledge({ user, nonce }) {
    if (user !== this.#user || !this.#keep.get(nonce)) return false
    this.#backoff.reset()
    this.#drop(nonce)
    return true
  }

  retry({ nonce }) {
    if (nonce === this.#underWay) this.#later(this.#backoff.next(), () => this.#again())
  }

  // Says whether what the server refuses for good was waiting here.
  refuse({ nonce, text }) {
    const entry = this.#keep.get(nonce)
    if (!entry) return false
    this.#keep.put({ ...entry, problem: text })
    this.#look()
    return true
  }

  #queue(message) {
    if (!message) return // another tab has dealt with it
    this.#own.add(this.#keep.append(message))
    this.#look()
  }

  #drop(nonce) {
    this.#own.delete(nonce)
    this.#keep.remove(nonce)
    this.#look()
  }

  #again() {
    this.#underWay = null
    this.#look()
  }

  // Shows what there is, and sends the first that waits, unless one is under way.
  #look() {
    const entries = this.#keep.all()
    const waiting = entries.filter(isWaiting)
    this.#list.show(entries, waiting)
    if (!waiting.some(({ nonce }) => nonce === this.#underWay)) this.#underWay = null
    if (this.#isOpen && this.#underWay === null && waiting.length) this.#transmit(waiting[0])
  }

  #transmit({ nonce, msg, at }) {
    const age = Date.now() - at
    if (!this.#own.has(nonce) && age >= 0 && age < TAKE_OVER) {
      return this.#later(TAKE_OVER - age, () => this.#look())
    }
    const frame = { type: "message", msg, nonce }
    if (size(frame) > FRAME_SIZE) this.refuse({ nonce, text: "The message is too long" })
    else if (this.#send(frame)) this.#underWay = nonce
  }

  #later(pause, action) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(action, pause)
  }
}

function isWaiting({ at, problem }) {
  return problem === undefined && Date.now() - at < A_DAY
}

function size(frame) {
  return new TextEncoder().encode(JSON.stringify(frame)).length
}
