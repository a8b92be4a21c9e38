// The draft: the text in the field survives a reload. It belongs to one user, because others may
// use the same browser, and to one tab, so that sending in one does not delete what is written in
// another.

import { keysOf, onTakenOver, recall, remember, takeOver } from "../browser/storage.js"

export class Draft {
  #field
  #prefix
  #key
  #text = "" // also kept here, in case the browser does not store it
  #isPaused = false

  constructor(field, user, tab) {
    this.#field = field
    this.#prefix = `draft:${user}:`
    this.#key = this.#prefix + tab
    // What a refused form brings back, or was typed before the scripts were there.
    const typed = field.value
    const kept = recall(this.#key) || (typed ? "" : this.#leftByAnother())
    this.#store(typed.includes(kept) ? typed : [kept, typed].filter(Boolean).join("\n"))
    field.addEventListener("input", () => this.#isPaused || this.#store(field.value))
    onTakenOver(this.#key, () => remember(this.#key, this.#text)) // but this tab is still open
  }

  get text() {
    return this.#text
  }

  // Put a text before the draft while the field shows something else.
  prepend(text) {
    this.#store(text + this.#text)
  }

  // Ignore the field while it holds a text that is no draft.
  pause() {
    this.#isPaused = true
  }

  resume() {
    this.#isPaused = false
  }

  // Return the latest draft of another tab. If that is still open, it keeps it, too.
  #leftByAnother() {
    const formerKey = this.#prefix.slice(0, -1) // of all tabs of a former version
    return takeOver(this.#others().at(-1) ?? formerKey)
  }

  #store(text) {
    if (text === this.#text) return
    if (!text) {
      // It was sent or removed, so a copy that a closed tab has left must not come back.
      for (const key of this.#others()) if (recall(key) === this.#text) takeOver(key)
    }
    this.#text = text
    remember(this.#key, text)
  }

  #others() {
    return keysOf(this.#prefix).filter((key) => key !== this.#key)
  }
}
