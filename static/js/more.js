// The links to where a message is changed: on one's own they last for 15 minutes, and start
// editing here; a moderator has them on every message.

import { isPlain } from "./keys.js"
import { isRecent } from "./written.js"

const LOOK_EVERY = 30_000 // ms

export class More {
  onedit = () => false // says whether the message can be edited here
  #log

  constructor(log) {
    this.#log = log
    log.addEventListener("click", (event) => this.#click(event))
    const changed = ".message__more:not([href]), .message--deleted .message__more"
    new MutationObserver(() => this.#look(changed)).observe(log, { childList: true, subtree: true })
    setInterval(() => this.#look(".message__more"), LOOK_EVERY)
    this.#look(".message__more")
  }

  // Takes away what leads to nothing, and completes what a script has made.
  #look(links) {
    for (const link of this.#log.querySelectorAll(links)) {
      const message = link.closest(".message")
      if (this.#isAllowed(message)) link.href = `/message/${message.dataset.seq}`
      else link.remove()
    }
  }

  #isAllowed(message) {
    const { user, moderator } = this.#log.dataset
    if (moderator !== undefined) return true
    if (message.dataset.user !== user || message.matches(".message--deleted")) return false
    return isRecent(message.querySelector(".message__time").dateTime)
  }

  #click(event) {
    const link = event.target.closest(".message__more")
    if (!link || !isPlain(event)) return
    if (this.onedit(Number(link.closest(".message").dataset.seq))) event.preventDefault()
  }
}
