// Names in a text that is being written, and the one between @ and the caret.

import { BEFORE_NAME, UNSPACED, withoutLiterals } from "../log/rich_text.js"

const HAS_UNSPACED = new RegExp(UNSPACED, "u")
const BEGIN = String.raw`${BEFORE_NAME}(?<!\x60)[@＠]` // a backquote begins code
const NAME = new RegExp(String.raw`${BEGIN}([\p{L}\p{M}\p{N}_.-]+)`, "gu")
const OPEN_BLOCK = /(?<![`\\])```(?!`)/
const PARTIAL_NAME = new RegExp(String.raw`${BEGIN}([\p{L}\p{M}\p{N}_.-]{0,32})$`, "u")

// Return what a text has of a name at its end, null if there is none, as in code. The text ends at
// the caret.
export function partialName(whole) {
  const text = withoutLiterals(whole)
  if (OPEN_BLOCK.test(text)) return null
  const isInAddress = text.split(/\s/).at(-1).includes("://") // as in https://example.com/@bob
  return isInAddress ? null : (PARTIAL_NAME.exec(text)?.[1] ?? null)
}

// Return the names in a text, but for code and quotes, each as it may be meant: as it stands there, and without a full stop or
// hyphens that end the sentence. In scripts without spaces nobody can tell where a name ends, so they
// are left out.
export function namesIn(text) {
  const words = withoutLiterals(text).split(/\s/).filter((word) => !word.includes("://"))
  const names = words.flatMap((word) => Array.from(word.matchAll(NAME), ([, name]) => name))
  const spaced = names.filter((name) => /[^.-]/.test(name) && !HAS_UNSPACED.test(name))
  return spaced.map((name) => [...new Set([name.replace(/(?<![.-])[.-]+$/, ""), name])])
}
