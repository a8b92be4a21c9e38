// The reader's own messages as they were typed: the log shows them formatted, editing needs them as
// they were.

import { entryOf } from "./message.js"

export class OwnMessages {
  #user
  #changeableFor // ms; later the server refuses
  #messages = new Map() // { seq, msg, time } by seq

  constructor({ user, changeableFor }) {
    this.#user = user
    this.#changeableFor = Number(changeableFor) * 1000
  }

  // Add the messages of a page, before they are formatted.
  addFrom(page) {
    for (const message of page.querySelectorAll(".message[data-user]")) this.add(entryOf(message))
  }

  add({ seq, user, msg, time, state }) {
    if (user === this.#user && state !== "deleted") this.#messages.set(seq, { seq, msg, time })
  }

  change({ seq, msg, state }) {
    const message = this.#messages.get(seq)
    if (state === "deleted") this.#messages.delete(seq)
    else if (message) message.msg = msg
  }

  // Return a message that its author may still change, or null.
  changeable(seq) {
    const message = this.#messages.get(seq)
    const isRecent = message && Date.now() - Date.parse(message.time) < this.#changeableFor
    return isRecent ? { ...message } : null
  }

  lastChangeable() {
    return this.changeable(Math.max(...this.#messages.keys()))
  }
}
