// The counter: says how much of a message is left near its limit, and how much is too many.

import { announce } from "./announce.js"

export const LENGTH = 2000 // code points, as the server counts them
const MARKS = [200, 100, 50, 20, 10, 0] // left; the first shows the counter, each is read out

const NEWLINES = /\r\n|[\r\x85\u2028\u2029]/g
const DROPPED = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

// By how many code points a text is too long, counted as the server will; negative: what is left.
export function excess(text) {
  if (text.length <= LENGTH - MARKS[0]) return text.length - LENGTH // near enough, and quick
  const cleaned = text.replace(NEWLINES, "\n").replace(DROPPED, "").replace(/^\n+|\n+$/g, "")
  return Array.from(cleaned).length - LENGTH
}

export class Counter {
  #field
  #element
  #mark = Infinity // the smallest that was reached; -1 when it is too long

  constructor(field, element) {
    this.#field = field
    this.#element = element
    field.addEventListener("input", () => this.#count())
    this.#count()
  }

  #count() {
    const left = -excess(this.#field.value)
    const isTooLong = left < 0
    const text = isTooLong ? `${-left} too many` : left <= MARKS[0] ? `${left} left` : ""
    this.#element.textContent = text
    this.#element.classList.toggle("composer__counter--over", isTooLong)
    this.#tell(isTooLong ? -1 : (MARKS.findLast((mark) => left <= mark) ?? Infinity), text)
  }

  // Reads out each mark on the way to the limit, not each key.
  #tell(mark, text) {
    if (mark < this.#mark) announce(text)
    this.#mark = mark
  }
}
