// Names in a text that is being written, and the one between @ and the caret.

// Letters of scripts without spaces, beside which a mention may stand.
const UNSPACED = String.raw`[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}]`
// Not in the middle of a word, such as a mail address, and not in code.
const BEFORE_NAME = String.raw`(?<=^|[^\p{L}\p{M}\p{N}_.@\x60-]|${UNSPACED})`
const NAME = new RegExp(String.raw`${BEFORE_NAME}@([\p{L}\p{M}\p{N}_.-]+)`, "gu")
const PARTIAL_NAME = new RegExp(String.raw`${BEFORE_NAME}@([\p{L}\p{M}\p{N}_.-]{0,32})$`, "u")

// Return what a text has of a name at its end, null if there is none. The text ends at the caret.
export function partialName(text) {
  const isInAddress = text.split(/\s/).at(-1).includes("://") // as in https://example.com/@bob
  return isInAddress ? null : (PARTIAL_NAME.exec(text)?.[1] ?? null)
}

// Return the names in a text that are written like logins. In scripts without spaces nobody can tell
// where a name ends, so they are left out.
export function namesIn(text) {
  const words = text.split(/\s/).filter((word) => !word.includes("://"))
  const names = words.flatMap((word) => Array.from(word.matchAll(NAME), ([, name]) => name))
  const isWhole = new RegExp(UNSPACED, "u")
  return names.map((name) => name.replace(/(?<![.-])[.-]+$/, "")).filter((it) => it && !isWhole.test(it))
}
