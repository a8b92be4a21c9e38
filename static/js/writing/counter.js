// The counter below the log: near the limit it shows how many characters of a message are left, or
// how many there are too many.

import { announce } from "../browser/announce.js"

const STEPS = [200, 100, 50, 20, 10, 0] // left; the counter appears at the first, each is read out

// As in clean() of chat/models.py: what the server replaces or drops before it counts.
const NEWLINES = /\r\n|[\r\x85\u2028\u2029]/g
const UNWANTED = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

// Return by how many code points the text of a field is too long for the server; a negative number
// says how many are left.
export function excess({ value, dataset }) {
  const limit = Number(dataset.maxLength)
  if (value.length <= limit - STEPS[0]) return value.length - limit // close enough, and fast
  const cleaned = value.replace(NEWLINES, "\n").replace(UNWANTED, "").replace(/^\n+|\n+$/g, "")
  return Array.from(cleaned).length - limit
}

export class Counter {
  #field
  #element
  #step = Infinity // the last step that was passed; -1 if the text is too long

  constructor(field, element) {
    this.#field = field
    this.#element = element
    field.addEventListener("input", () => this.#update())
    this.#update()
  }

  #update() {
    const left = -excess(this.#field)
    const isTooLong = left < 0
    const text = isTooLong ? `${-left} too many` : left <= STEPS[0] ? `${left} left` : ""
    this.#element.textContent = text
    this.#element.classList.toggle("composer__counter--over", isTooLong)
    this.#announce(isTooLong ? -1 : (STEPS.findLast((step) => left <= step) ?? Infinity), text)
  }

  // Read out each step on the way to the limit, but not each key press.
  #announce(step, text) {
    if (step < this.#step) announce(text)
    this.#step = step
  }
}
