// The reader's own messages as they were typed: the log shows them formatted, editing needs them as
// they were.

import { entryOf } from "./message.js"

export class OwnMessages {
  #user
  #changeableFor // ms; later the server refuses
  #now // returns the server's time in ms, because the reader's clock may be wrong
  #messages = new Map() // { seq, msg, time, hasFile } by seq

  // `now` is the server's time when it rendered the page.
  constructor({ user, changeableFor, now }) {
    const begin = Date.parse(now) - performance.now() // which no change of the clock moves
    this.#user = user
    this.#changeableFor = Number(changeableFor) * 1000
    this.#now = () => begin + performance.now()
  }

  // Add the messages of a page, before they are formatted.
  addFrom(page) {
    for (const message of page.querySelectorAll(".message[data-user]")) this.add(entryOf(message))
  }

  add({ seq, user, msg, time, state, file }) {
    const isOwn = user === this.#user && state !== "deleted"
    const hasFile = file !== undefined
    if (isOwn && this.#isRecent(time)) this.#messages.set(seq, { seq, msg, time, hasFile })
  }

  change({ seq, msg, state }) {
    const message = this.#messages.get(seq)
    if (state === "deleted") this.#messages.delete(seq)
    else if (message) message.msg = msg
  }

  // Return a message that its author may still change, or null.
  changeable(seq) {
    const message = this.#messages.get(seq)
    return message && this.#isRecent(message.time) ? { ...message } : null
  }

  lastChangeable() {
    return this.changeable(Math.max(...this.#messages.keys()))
  }

  #isRecent(time) {
    return this.#now() - Date.parse(time) < this.#changeableFor
  }
}
