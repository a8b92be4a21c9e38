// The link to older messages: loads them into the log when it is clicked or about to be in sight.

import { isPlain } from "../browser/keys.js"
import { olderThan } from "./addresses.js"
import { fetchLog } from "./fetch_log.js"

const LOAD_AHEAD = "300px 0px 0px" // so that they are there before the reader sees the link

export class OlderMessages {
  #log
  #onload
  #observer
  #loading = null // the promise of load(), while it loads

  // `onload` is called with the log of the page that was loaded.
  constructor(log, onload) {
    this.#log = log
    this.#onload = onload
    const load = (entries) => entries.at(-1).isIntersecting && this.load()
    this.#observer = new IntersectionObserver(load, { root: log, rootMargin: LOAD_AHEAD })
    log.addEventListener("click", (event) => this.#click(event))
    this.#observe()
  }

  // Replace the link by that of a page whose messages are now at the top of the log.
  continueFrom(page) {
    const element = page.querySelector(".log__older")
    element.querySelector(".log__zone")?.remove()
    const hadFocus = this.#element.contains(document.activeElement)
    this.#element.replaceWith(element)
    if (hadFocus) (this.#link ?? this.#log).focus({ preventScroll: true })
    this.#observe()
  }

  // Return true if older messages were loaded.
  load() {
    this.#loading ??= this.#load().finally(() => (this.#loading = null))
    return this.#loading
  }

  // Link to what comes before a message, because it was removed from the page.
  continueBefore(seq) {
    const link = document.createElement("a")
    link.id = "older"
    link.href = olderThan(seq)
    link.textContent = "Older messages"
    this.#element.replaceChildren(link)
  }

  get #element() {
    return this.#log.querySelector(".log__older")
  }

  get #link() {
    return this.#element.querySelector("#older")
  }

  async #load() {
    const link = this.#link
    if (!link) return false
    try {
      const page = await fetchLog(link.href)
      if (!link.isConnected) return false // the log was reloaded in the meantime
      this.#onload(page)
      return true
    } catch {
      link.textContent = "Older messages could not be loaded. Try again"
      return false
    }
  }

  // Start again, because an observer says nothing about an element that stays in sight.
  #observe() {
    this.#observer.disconnect()
    this.#observer.observe(this.#element)
  }

  #click(event) {
    if (event.target !== this.#link || !isPlain(event)) return
    event.preventDefault()
    this.load()
  }
}
