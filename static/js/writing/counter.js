// The counter below the log: near the limit it shows how many characters of a message are left, or
// how many there are too many.

import { announce } from "../browser/announce.js"
import { listenToText } from "./draft.js"

const STEPS = [200, 100, 50, 20, 10, 0] // left; the counter appears at the first, each is read out

// What the server replaces or drops before it counts, as clean() does in chat/cleaning.py.
const NEWLINES = /\r\n|[\x0b\x0c\r\x85\u2028\u2029]/g
const OUTER_NEWLINES = /^\n+|(?<!\n)\n+$/g // (?<!…) or each newline of a long run would be tried
const UNWANTED = /[\0-\x08\x0e-\x1f\x7f-\x9f]/g
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069\n]/g
const MARK = "(?![\\u0f8d-\\u0fbc])[\\p{Mn}\\p{Me}]"
const SURPLUS_MARKS = new RegExp(`((?:${MARK}\\p{Cf}*){5})${MARK}(?:${MARK}|\\p{Cf})*`, "gu")

// Return by how many code points a text is too long for the server; a negative number says how many
// are left.
export function excess(text, limit) {
  if (text.length <= limit - STEPS[0]) return text.length - limit // close enough, and fast
  const wanted = text.replace(NEWLINES, "\n").replace(UNWANTED, "").replace(SURPLUS_MARKS, "$1")
  const cleaned = withoutOpenDirections(wanted).replace(OUTER_NEWLINES, "")
  return Array.from(cleaned).length - limit
}

// Return a text without embeddings, overrides and isolates that do not end in their line.
function withoutOpenDirections(text) {
  const unpaired = new Set()
  const open = []
  const isIsolate = (at) => text[at] >= "\u2066"
  for (const { 0: sign, index } of text.matchAll(DIRECTIONS)) {
    if (sign === "\n") {
      open.length = 0
    } else if (sign !== "\u202c" && sign !== "\u2069") {
      open.push(index)
      unpaired.add(index)
    } else {
      while (sign === "\u2069" && open.length && !isIsolate(open.at(-1))) open.pop()
      if (open.length && isIsolate(open.at(-1)) === (sign === "\u2069")) {
        unpaired.delete(open.pop())
      } else {
        unpaired.add(index)
      }
    }
  }
  return text.replace(DIRECTIONS, (sign, index) => (unpaired.has(index) ? "" : sign))
}

// Return true if the server would refuse a text because of its length.
export function isTooLong(text, limit) {
  return excess(text, limit) > 0
}

// Show in an element how much room there is for what a composer sends from a field, as soon as that
// is little.
export function countCharacters(field, element, composer) {
  let step = Infinity // the last step that was passed; -1 if the text is too long

  function update() {
    const left = -excess(composer.text, field.dataset.maxLength)
    const isTooLong = left < 0
    const text = isTooLong ? `${-left} too many` : left <= STEPS[0] ? `${left} left` : ""
    element.textContent = text
    element.classList.toggle("composer__counter--over", isTooLong)
    const next = isTooLong ? -1 : (STEPS.findLast((each) => left <= each) ?? Infinity)
    if (next < step) announce(text) // not at each key press
    step = next
  }

  listenToText(field, update)
  update()
}
