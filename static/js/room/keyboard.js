// Keys that work wherever the focus is: typing writes into the field, and PageUp and PageDown scroll
// the log from there.

import { isComposing } from "../browser/keys.js"

const PAGES = { PageUp: -0.9, PageDown: 0.9 } // heights of the log

export function listenToKeys(field, log) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event
    if (event.ctrlKey || event.metaKey || event.altKey || isComposing(event)) return
    if (key in PAGES && target === field) {
      event.preventDefault()
      log.scrollBy(0, PAGES[key] * log.clientHeight)
    } else if (key.length === 1 && key !== " " && !target.closest("input:not([type=checkbox]), textarea")) {
      field.focus() // the key press goes there
    }
  })
}
