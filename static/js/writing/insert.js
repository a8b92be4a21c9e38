// Puts a text into a field so that Ctrl+Z takes it back, as if it were typed. A browser can undo no
// other change of a field, and mixes up what was typed before with what is there then.

const MAX_LINES = 100 // Chromium takes 0.1 s for as many, and twenty seconds for 2,000

// Put a text in the place of the selection.
export function insert(field, text) {
  field.focus()
  document.addEventListener("input", hush, { capture: true })
  const isQuick = text.split("\n").length <= MAX_LINES
  const isDone = isQuick && document.execCommand(text ? "insertText" : "delete", false, text)
  document.removeEventListener("input", hush, { capture: true })
  if (!isDone) field.setRangeText(text, field.selectionStart, field.selectionEnd, "end")
  field.dispatchEvent(new Event("input", { bubbles: true }))
}

// The browser's own event says that the reader has typed.
function hush(event) {
  event.stopImmediatePropagation()
}
