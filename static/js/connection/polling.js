// Without a WebSocket, which some proxies block: messages go by the form, and what others say comes by
// fetching the page every few seconds.

import { NEWEST } from "../log/addresses.js"
import { fetchLog } from "../log/fetch_log.js"
import { postMark } from "../log/read_mark.js"

const POLL_EVERY = 5000 // ms
const TIMEOUT = 15_000 // ms
const CODES = { 429: "too_fast", 503: "unavailable" } // of errors, by status; other ones are final

export class Polling {
  #form
  #user
  #onpage
  #onanswer
  #isOn = false
  #timer = null

  // `onpage` is called with the log of each page; `onanswer` with the answer to a message that was
  // sent: { nonce } once it is stored, or an error frame.
  constructor(form, { user, onpage, onanswer }) {
    this.#form = form
    this.#user = user
    this.#onpage = onpage
    this.#onanswer = onanswer
  }

  start() {
    if (this.#isOn) return
    this.#isOn = true
    this.#poll()
  }

  stop() {
    this.#isOn = false
    clearTimeout(this.#timer)
  }

  // Return true if the frame is on its way: a message or a read mark, while pages are fetched.
  send(frame) {
    if (!this.#isOn) return false
    if (frame.type === "message") this.#post(frame)
    else if (frame.type === "read") postMark(frame.seq)
    else return false
    return true
  }

  async #poll() {
    clearTimeout(this.#timer)
    try {
      const page = await fetchLog(NEWEST)
      if (this.#isOn) this.#onpage(page)
    } catch {
      // Asked again, like everything else that gets no answer.
    }
    if (!this.#isOn) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#poll(), POLL_EVERY)
  }

  async #post({ msg, nonce, file = "" }) {
    try {
      const response = await fetch(this.#form.action, {
        method: "POST",
        body: new URLSearchParams({ msg, nonce, file, user: this.#user }),
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(TIMEOUT),
      })
      const { seq, error } = await response.json()
      if (!seq && !error) throw new Error("the answer is another server's")
      if (seq) this.#onanswer({ nonce })
      else this.#onanswer({ nonce, code: CODES[response.status] ?? "invalid", text: error })
    } catch {
      this.#onanswer({ nonce, code: "unavailable", text: "The message could not be sent yet" })
    }
    this.#poll()
  }
}
