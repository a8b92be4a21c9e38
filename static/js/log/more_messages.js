// A link at an end of the log, to older or to newer messages: loads them into the log when it is
// clicked or about to be in sight.

import { isPlain } from "../browser/keys.js"
import { fetchLog } from "./fetch_log.js"

const LOAD_AHEAD = "300px 0px" // so that they are there before the reader sees the link

export class MoreMessages {
  #log
  #id
  #text
  #addressAt
  #onload
  #observer
  #line // in which the link is; without one, it may say that the log begins there
  #loading = null // the link whose page is loading

  // `id` is the link's, and `text` what it says; `addressAt` returns where it leads from the message at
  // this end of the log; `onload` is called with the log of the page that was loaded.
  constructor(log, { id, text, addressAt, onload }) {
    this.#log = log
    this.#id = id
    this.#text = text
    this.#addressAt = addressAt
    this.#onload = onload
    this.#line = log.querySelector(`.log__${id}`)
    const load = (entries) => entries.at(-1).isIntersecting && this.#load()
    this.#observer = new IntersectionObserver(load, { root: log, rootMargin: LOAD_AHEAD })
    log.addEventListener("click", (event) => this.#click(event))
    this.#observe()
  }

  // True while messages are missing at this end of the log.
  get areThere() {
    return this.#link !== null
  }

  // Link to the messages next to one that is now at the end; null: there are none.
  continueAt(seq) {
    if (seq === null) return this.#show([])
    const link = document.createElement("a")
    link.id = this.#id
    link.href = this.#addressAt(seq)
    link.textContent = this.#text
    this.#show([link])
  }

  // Take over what the page has there whose messages are now at the end.
  continueFrom(page) {
    const line = page.querySelector(`.log__${this.#id}`)
    line.querySelector(".log__zone")?.remove()
    this.#show(line.childNodes)
  }

  get #link() {
    return this.#line.querySelector("a")
  }

  #show(content) {
    const hadFocus = this.#line.contains(document.activeElement)
    this.#line.replaceChildren(...content)
    if (hadFocus) (this.#link ?? this.#log).focus({ preventScroll: true })
    this.#observe()
  }

  // Start again, because an observer says nothing about an element that stays in sight.
  #observe() {
    this.#observer.disconnect()
    if (this.areThere) this.#observer.observe(this.#line)
  }

  async #load() {
    const link = this.#link
    if (link === this.#loading) return
    this.#loading = link
    try {
      const page = await fetchLog(link.href)
      if (link.isConnected) this.#onload(page) // else the log was replaced in the meantime
    } catch {
      link.textContent = `${this.#text} could not be loaded. Try again`
    } finally {
      if (this.#loading === link) this.#loading = null
    }
  }

  #click(event) {
    if (!this.areThere || event.target !== this.#link || !isPlain(event)) return
    event.preventDefault()
    this.#load()
  }
}
