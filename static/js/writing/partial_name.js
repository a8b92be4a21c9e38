// The name that is being typed: what stands between @ and the caret.

// Letters of scripts without spaces, beside which a mention may stand.
const UNSPACED = String.raw`[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}]`
// Not in the middle of a word, such as a mail address, and not in code.
const BEFORE_NAME = String.raw`(?<=^|[^\p{L}\p{M}\p{N}_.@\x60-]|${UNSPACED})`
const PARTIAL_NAME = new RegExp(String.raw`${BEFORE_NAME}@([\p{L}\p{M}\p{N}_.-]{0,32})$`, "u")

// Return what a text has of a name at its end, null if there is none. The text ends at the caret.
export function partialName(text) {
  const isInAddress = text.split(/\s/).at(-1).includes("://") // as in https://example.com/@bob
  return isInAddress ? null : (PARTIAL_NAME.exec(text)?.[1] ?? null)
}
