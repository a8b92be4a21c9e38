// Names in a text that is being written, and the one between @ and the caret.

// Letters of scripts without spaces between words, or whose words take particles, as Hangul does.
const UNSPACED = `[${["Han", "Hira", "Kana", "Bopo", "Hang", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"]
  .map((script) => String.raw`\p{scx=${script}}`)
  .join("")}]`
// Not in the middle of a word, such as a mail address, nor in code.
const BEFORE_NAME = String.raw`(?<=^|[^\p{L}\p{M}\p{N}_.@\\\x60-]|${UNSPACED})`
const HAS_UNSPACED = new RegExp(UNSPACED, "u")
const NAME = new RegExp(String.raw`${BEFORE_NAME}[@＠]([\p{L}\p{M}\p{N}_.-]+)`, "gu")
const PARTIAL_NAME = new RegExp(String.raw`${BEFORE_NAME}[@＠]([\p{L}\p{M}\p{N}_.-]{0,32})$`, "u")

// Return what a text has of a name at its end, null if there is none. The text ends at the caret.
export function partialName(text) {
  const isInAddress = text.split(/\s/).at(-1).includes("://") // as in https://example.com/@bob
  return isInAddress ? null : (PARTIAL_NAME.exec(text)?.[1] ?? null)
}

// Return the names in a text, each as it may be meant: as it stands there, and without a full stop or
// hyphens that end the sentence. In scripts without spaces nobody can tell where a name ends, so they
// are left out.
export function namesIn(text) {
  const words = text.split(/\s/).filter((word) => !word.includes("://"))
  const names = words.flatMap((word) => Array.from(word.matchAll(NAME), ([, name]) => name))
  const spaced = names.filter((name) => /[^.-]/.test(name) && !HAS_UNSPACED.test(name))
  return spaced.map((name) => [...new Set([name.replace(/(?<![.-])[.-]+$/, ""), name])])
}
