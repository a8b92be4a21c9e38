// Uploads: files go to the server one after the other, so that they keep their order. One that the
// server has belongs to the outbox, which sends the message with it. While the server is away they
// wait and begin again by themselves.

import { Backoff } from "../connection/backoff.js"
import { Upload } from "./upload.js"

export class Uploads {
  onstored = () => {} // called with the text of the message, and the file
  ondiscard = () => {} // called with the text of a file that is not sent
  onfocuslost = () => {} // the button that had the focus is gone
  #list // the pending messages
  #user
  #uploads = []
  #backoff = new Backoff()
  #timer = null

  constructor(list, user) {
    this.#list = list
    this.#user = user
    addEventListener("online", () => this.resume())
  }

  get length() {
    return this.#uploads.length
  }

  // Send files, the first one with a text.
  add(files, text) {
    files.forEach((file, index) => {
      const upload = new Upload(file, { user: this.#user, msg: index ? "" : text })
      upload.ondiscard = () => this.#discard(upload)
      upload.onretry = () => this.#continue()
      upload.onend = (outcome) => this.#ended(upload, outcome)
      this.#list.append(upload.element)
      this.#uploads.push(upload)
    })
    this.#continue()
  }

  // Begin at once what waits for the server.
  resume() {
    if (this.#timer !== null) this.#continue()
  }

  #continue() {
    clearTimeout(this.#timer)
    this.#timer = null
    if (this.#uploads.some(({ isUnderWay }) => isUnderWay)) return
    this.#uploads.find(({ problem }) => !problem)?.start()
  }

  #ended(upload, { stored, isAway }) {
    if (isAway) {
      this.#timer = setTimeout(() => this.#continue(), this.#backoff.next())
      return
    }
    this.#backoff.reset()
    if (stored) {
      this.onstored(upload.msg, stored)
      this.#remove(upload)
    }
    this.#continue()
  }

  // The text goes with the next file, or back to the field.
  #discard(upload) {
    const next = this.#uploads[this.#uploads.indexOf(upload) + 1]
    if (upload.msg && next && !next.msg) next.msg = upload.msg
    else if (upload.msg) this.ondiscard(upload.msg)
    this.#remove(upload)
    this.#continue()
  }

  #remove(upload) {
    const hadFocus = upload.element.contains(document.activeElement)
    this.#uploads.splice(this.#uploads.indexOf(upload), 1)
    upload.msg = ""
    upload.element.remove()
    if (hadFocus) this.onfocuslost()
  }
}
