// The draft: the text in the field survives a reload. It belongs to one user, because others may
// use the same browser.

import { recall, remember } from "../browser/storage.js"

export class Draft {
  #field
  #key
  #text = "" // also kept here, in case the browser does not store it
  #isPaused = false

  constructor(field, user) {
    this.#field = field
    this.#key = `draft:${user}`
    this.#text = field.value || recall(this.#key) // a form that was refused comes back filled
    field.addEventListener("input", () => this.#isPaused || this.#store(field.value))
  }

  get text() {
    return this.#text
  }

  // Ignore the field while it holds a text that is no draft.
  pause() {
    this.#isPaused = true
  }

  resume() {
    this.#isPaused = false
  }

  #store(text) {
    this.#text = text
    remember(this.#key, text)
  }
}
