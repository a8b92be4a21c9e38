// The outbox sends each pending message until the server acknowledges that it is stored, one at a
// time so that they keep their order. Sending one twice is harmless, even from two tabs, because
// the server recognizes its nonce.

import { Backoff } from "../connection/backoff.js"
import { PendingStore } from "./pending_store.js"

const TAKE_OVER_AFTER = 2000 // ms; a tab that has not sent its message by then may be closed
const A_DAY = 86_400_000 // ms; an older message may be out of date, so its author decides

export class Outbox {
  #user
  #frameSize // bytes; the server disconnects a page that sends more at once
  #store
  #list
  #connection
  #onwaiting
  #maySend = false
  #isPaused = false // the connection is away, rather than not yet there
  #inFlight = null // nonce of the message that was sent and is not answered
  #writtenHere = new Set() // nonces of the messages written in this tab
  #backoff = new Backoff()
  #timer = null

  // `onwaiting` is told how many messages are to be sent, whenever they are shown.
  constructor({ user, frameSize, list, connection, onwaiting }) {
    this.#user = user
    this.#frameSize = frameSize
    this.#store = new PendingStore(user, () => this.#showAndSend())
    this.#list = list
    this.#connection = connection
    this.#onwaiting = onwaiting
    list.onretry = (nonce) => this.#tryAgain(nonce)
    list.ondiscard = (nonce) => this.#remove(nonce)
    this.#showAndSend()
  }

  // How many messages are not stored yet.
  get length() {
    return this.#store.all().length
  }

  // Send a message, perhaps with a file that the server has, { id, name }.
  add(msg, file) {
    this.#append({ msg, file })
  }

  // Send what waits: the connection is there, or pages are fetched instead.
  resume() {
    this.#maySend = true
    this.#isPaused = false
    this.#resend()
  }

  pause() {
    this.#maySend = false
    this.#isPaused = true
    clearTimeout(this.#timer)
    this.#showAndSend()
  }

  // Remove a message that comes back from the server, which has stored it. Return true if it was pending here.
  acknowledge({ user, nonce }) {
    if (user !== this.#user) return false // another user may have sent the same nonce
    if (!this.#store.get(nonce)) return false
    this.#backoff.reset()
    this.#remove(nonce)
    return true
  }

  // Send a message again later, because the server could not take it now.
  retry({ nonce }) {
    if (nonce === this.#inFlight) this.#schedule(() => this.#resend(), this.#backoff.next())
  }

  // Stop sending a message that the server refuses for good. Return true if it was pending here.
  refuse({ nonce, text }) {
    const message = this.#store.get(nonce)
    if (!message) return false
    this.#store.put({ ...message, problem: text })
    this.#showAndSend()
    return true
  }

  #tryAgain(nonce) {
    const message = this.#store.get(nonce)
    if (!message) return // another tab has sent or discarded it
    if (message.problem === undefined) return this.#append(message)
    // It was refused, perhaps because something else was sent with its nonce: it needs a new one.
    this.#append({ msg: message.msg, file: message.file })
    this.#remove(nonce)
  }

  #append(message) {
    const nonce = this.#store.append(message) // at the end, with the time of now
    this.#writtenHere.add(nonce)
    this.#showAndSend()
  }

  #remove(nonce) {
    this.#writtenHere.delete(nonce)
    this.#store.remove(nonce)
    this.#showAndSend()
  }

  #resend() {
    this.#inFlight = null
    this.#showAndSend()
  }

  // Show all messages, and send the first one that is waiting unless one is in flight.
  #showAndSend() {
    const messages = this.#store.all()
    const waiting = messages.filter(isWaiting)
    this.#list.show(messages, waiting, this.#isPaused ? "waiting" : "sending…")
    this.#onwaiting(waiting.length)
    if (!waiting.some(({ nonce }) => nonce === this.#inFlight)) this.#inFlight = null
    if (this.#maySend && this.#inFlight === null && waiting.length) this.#transmit(waiting[0])
  }

  #transmit({ nonce, msg, file, at }) {
    const age = Date.now() - at
    if (!this.#writtenHere.has(nonce) && age >= 0 && age < TAKE_OVER_AFTER) {
      return this.#schedule(() => this.#showAndSend(), TAKE_OVER_AFTER - age)
    }
    const frame = { type: "message", msg, nonce, file: file?.id }
    if (size(frame) > this.#frameSize) this.refuse({ nonce, text: "The message is too long" })
    else if (this.#connection.send(frame)) this.#inFlight = nonce
  }

  #schedule(action, delay) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(action, delay)
  }
}

function isWaiting({ at, problem }) {
  return problem === undefined && Date.now() - at < A_DAY
}

function size(frame) {
  return new TextEncoder().encode(JSON.stringify(frame)).length
}
