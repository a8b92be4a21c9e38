// The clipboard. Only pages over HTTPS or from this machine have navigator.clipboard, and a browser
// may still refuse; others copy what is selected in a field.

// Put a text on the clipboard. Return false if the browser does not let this page do that.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyFromField(text)
  }
}

function copyFromField(text) {
  const focused = document.activeElement
  const field = document.createElement("textarea")
  field.className = "visually-hidden"
  field.readOnly = true // a phone shows no keyboard
  field.value = text
  document.body.append(field)
  field.focus({ preventScroll: true })
  field.select()
  const isCopied = document.execCommand("copy")
  field.remove()
  focused?.focus({ preventScroll: true })
  return isCopied
}
