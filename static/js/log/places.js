// Places in the log: a link to a message leads to it within the page, and the browser's Back, or
// the button for it, returns to where the reader was. Each entry of the browser's history keeps
// its place: { seq, offset } of the message at the top of the view, and { end } at the end.

import { isPlain } from "../browser/keys.js"
import { addressOf, seqOf } from "./addresses.js"

export class Places {
  onerror = () => {} // called with a text
  #log
  #button
  #steps = Number(history.state?.steps ?? 0) // that Back can take within this page
  #underWay = 0 // places that are loading: the reader is still at another one

  constructor(log, button) {
    this.#log = log
    this.#button = button
    document.addEventListener("click", (event) => this.#click(event))
    button.addEventListener("click", () => history.back())
    addEventListener("popstate", () => this.#arrive())
    log.onend = () => this.#show()
    // Whoever comes back from another page, such as the search, gets a new copy of this one.
    const [{ type } = {}] = performance.getEntriesByType("navigation")
    if (type === "back_forward" && history.state) this.#arrive()
    else this.#show()
  }

  // Go to a message as by a link to it.
  async follow(seq) {
    this.#keep()
    history.pushState({ steps: ++this.#steps }, "", addressOf(seq))
    this.#show()
    await this.#goTo(seq)
  }

  async #click(event) {
    const link = event.target.closest("a")
    if (!link || event.defaultPrevented || !isPlain(event)) return
    const seq = seqOf(link)
    if (!seq) return this.#keep() // to another page
    event.preventDefault()
    await this.follow(seq)
  }

  #keep() {
    const place = this.#underWay ? {} : this.#log.place
    history.replaceState({ ...place, steps: this.#steps }, "")
  }

  async #arrive() {
    const { steps = 0, ...place } = history.state ?? {}
    this.#steps = steps
    this.#show()
    const seq = seqOf(location)
    try {
      if (place.seq && (await this.#log.goBackTo(place))) return
      else if (seq) await this.#goTo(seq)
      else await this.#log.goToEnd()
    } catch {
      this.onerror("The messages could not be loaded. Please try again")
    }
  }

  async #goTo(seq) {
    this.#underWay++
    try {
      const isThere = await this.#log.goTo(seq)
      this.onerror(isThere ? "" : `There is no message ${seq}.`)
    } catch {
      this.onerror("The message could not be loaded. Please try again")
    }
    this.#underWay--
  }

  // Whoever has left the message for the end wants to read there, not a button.
  #show() {
    this.#button.hidden = this.#steps === 0 || !seqOf(location)
  }
}
