// What the keys held down, or an input method, make of a key or a click.

// While an input method composes, its keys are its own (keyCode 229: Safari).
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229
}

// With one of these keys a link opens elsewhere, which is the browser's business.
export function isPlain(event) {
  return !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
}
