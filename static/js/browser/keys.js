// What a key press or a click means beside its key or its target.

// Return true while an input method is composing: the key belongs to it (keyCode 229: Safari).
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229
}

// Return true if Escape is pressed to end something in the page: an open popover is closed first.
export function isEscape(event) {
  if (event.key !== "Escape" || event.defaultPrevented || isComposing(event)) return false
  return !document.querySelector(":popover-open")
}

// Return true if no modifier key is held down. With one a key press means something else, and a
// click opens the link elsewhere.
export function isPlain(event) {
  return !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
}
