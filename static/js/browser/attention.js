// Whether the reader looks at the page: a window may be in sight while they work in another one.

export function isAttended() {
  return !document.hidden && document.hasFocus()
}

// Call a function when that may have changed.
export function onAttention(call) {
  document.addEventListener("visibilitychange", call)
  window.addEventListener("focus", call)
  window.addEventListener("blur", call)
}
