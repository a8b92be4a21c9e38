// The link to newer messages, at the end of a log that does not reach to the newest message: loads
// them into the log when it is clicked or about to be in sight.

import { isPlain } from "../browser/keys.js"
import { newerThan } from "./addresses.js"
import { fetchLog } from "./fetch_log.js"

const LOAD_AHEAD = "0px 0px 300px" // so that they are there before the reader sees the link

export class NewerMessages {
  #log
  #onload
  #observer
  #isLoading = false

  // `onload` is called with the log of the page that was loaded.
  constructor(log, onload) {
    this.#log = log
    this.#onload = onload
    const load = (entries) => entries.at(-1).isIntersecting && this.#load()
    this.#observer = new IntersectionObserver(load, { root: log, rootMargin: LOAD_AHEAD })
    log.addEventListener("click", (event) => this.#click(event))
    if (this.areThere) this.#observer.observe(this.#element)
  }

  // True while messages are missing at the end of the log.
  get areThere() {
    return this.#element !== null
  }

  // Link to what comes after a message; null: there is nothing.
  continueAfter(seq) {
    this.#observer.disconnect()
    const hadFocus = this.#element?.contains(document.activeElement)
    this.#element?.remove()
    if (seq !== null) {
      const element = document.createElement("p")
      const link = document.createElement("a")
      element.className = "log__newer"
      link.id = "newer"
      link.href = newerThan(seq)
      link.textContent = "Newer messages"
      element.append(link)
      this.#log.querySelector(".log__history").after(element)
      this.#observer.observe(element)
    }
    if (hadFocus) (this.#link ?? this.#log).focus({ preventScroll: true })
  }

  get #element() {
    return this.#log.querySelector(".log__newer")
  }

  get #link() {
    return this.#log.querySelector("#newer")
  }

  async #load() {
    const link = this.#link
    if (this.#isLoading || !link) return
    this.#isLoading = true
    try {
      const page = await fetchLog(link.href)
      if (link.isConnected) this.#onload(page) // else the log was replaced in the meantime
    } catch {
      link.textContent = "Newer messages could not be loaded. Try again"
    } finally {
      this.#isLoading = false
    }
  }

  #click(event) {
    if (event.target !== this.#link || !isPlain(event)) return
    event.preventDefault()
    this.#load()
  }
}
