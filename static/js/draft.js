// The draft: what stands in the field survives a reload, for this user alone.

import { recall, remember } from "./storage.js"

export class Draft {
  #field
  #key
  #text = "" // where the browser keeps nothing, at least this page does
  #isPaused = false

  // A form that signs out takes the draft with it: others may use this computer.
  constructor(field, { user, signOut }) {
    this.#field = field
    this.#key = `draft:${user}`
    this.#text = field.value || recall(this.#key) // the server has put back what it refused
    field.addEventListener("input", () => this.#isPaused || this.#keep(field.value))
    signOut.addEventListener("submit", () => this.#keep(""))
  }

  get text() {
    return this.#text
  }

  // The field is used for something else.
  pause() {
    this.#isPaused = true
  }

  resume() {
    this.#isPaused = false
  }

  #keep(text) {
    this.#text = text
    remember(this.#key, text)
  }
}
