// Older messages: loaded as the reader nears the beginning, or follows the link.

import { isPlainClick } from "./keys.js"

const AHEAD = "300px 0px 0px" // so that they are there before the beginning is
const PATIENCE = 15_000 // ms

export class Older {
  #log
  #add
  #observer
  #isLoading = false

  // `add` is called with the log of the page that was loaded.
  constructor(log, add) {
    this.#log = log
    this.#add = add
    const look = (entries) => entries.at(-1).isIntersecting && this.#load()
    this.#observer = new IntersectionObserver(look, { root: log, rootMargin: AHEAD })
    log.addEventListener("click", (event) => this.#click(event))
    this.#watch()
  }

  // Takes over what another page says about what is older.
  adopt(log) {
    const line = log.querySelector(".log__older")
    line.querySelector(".log__zone")?.remove()
    const hadFocus = this.#line.contains(document.activeElement)
    this.#line.replaceWith(line)
    if (hadFocus) (this.#link ?? this.#log).focus({ preventScroll: true })
    this.#watch()
  }

  // Begins at another message, because those before it were taken out of the page.
  beginAt(seq) {
    const link = document.createElement("a")
    link.id = "older"
    link.href = `/?before=${seq}`
    link.textContent = "Older messages"
    this.#line.replaceChildren(link)
  }

  get #line() {
    return this.#log.querySelector(".log__older")
  }

  get #link() {
    return this.#line.querySelector("#older")
  }

  // Anew, or a beginning that is still in sight would not be noticed again.
  #watch() {
    this.#observer.disconnect()
    this.#observer.observe(this.#line)
  }

  #click(event) {
    if (event.target !== this.#link || !isPlainClick(event)) return
    event.preventDefault()
    this.#load()
  }

  async #load() {
    const link = this.#link
    if (!link || this.#isLoading) return
    this.#isLoading = true
    try {
      const log = await fetchLog(link.href)
      if (link.isConnected) this.#add(log) // the history may have been loaded anew meanwhile
    } catch {
      link.textContent = "Older messages could not be loaded. Try again"
    } finally {
      this.#isLoading = false
    }
  }
}

// Returns the log of another copy of the page.
export async function fetchLog(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE) })
  if (!response.ok || response.redirected) throw new Error("the history cannot be loaded")
  const page = new DOMParser().parseFromString(await response.text(), "text/html")
  return page.getElementById("subscribe")
}
