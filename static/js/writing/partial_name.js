// Names in a text that is being written, and the one between @ and the caret.

import { UNSPACED } from "../log/letters.js"
import { BEFORE_NAME, LETTER } from "../log/names.js"
import { withoutQuotes } from "../log/rich_text.js"

const HAS_UNSPACED = new RegExp(UNSPACED, "u")
const NAME = new RegExp(`${BEFORE_NAME}(${LETTER}+)`, "gu")
const PARTIAL_NAME = new RegExp(`${BEFORE_NAME}(${LETTER}{0,32})$`, "u")
// Code between backquotes, of which the last ones may not be written yet.
const CODE = /(?<![`\\])```[^]*?(?:```|$)|(?<![\p{L}\p{N}`\\])`[^`\n]*(?:`|$)/gu

// Return what a text has of a name at its end, null if there is none. The text ends at the caret.
export function partialName(text) {
  const word = text.replace(CODE, "`").split(/\s/).at(-1)
  const isInAddress = word.includes("://") // as in https://example.com/@bob
  return isInAddress ? null : (PARTIAL_NAME.exec(word)?.[1] ?? null)
}

// Return the names in a text, but for code and quotes, each as it may be meant: as it stands there,
// and without a full stop or hyphens that end the sentence. In scripts without spaces nobody can tell
// where a name ends, so they are left out.
export function namesIn(text) {
  const words = withoutQuotes(text).replace(CODE, "`").split(/\s/).filter((word) => !word.includes("://"))
  const names = words.flatMap((word) => Array.from(word.matchAll(NAME), ([, name]) => name))
  const spaced = names.filter((name) => /[^.-]/.test(name) && !HAS_UNSPACED.test(name))
  return spaced.map((name) => [...new Set([name.replace(/(?<![.-])[.-]+$/, ""), name])])
}
