// The "Change" links of messages, shown while the reader may change them. On the reader's own
// message a click starts editing in this page; other links lead to a page of their own.

import { isPlainClick } from "./keys.js"

const CHECK_EVERY = 30_000 // ms

export class ChangeLinks {
  onedit = () => false // called with a message's seq; returns true if it can be edited in this page
  #log
  #isChangeable

  // `isChangeable` returns true for the seq of a message that the reader may change.
  constructor(log, isChangeable) {
    this.#log = log
    this.#isChangeable = isChangeable
    log.addEventListener("click", (event) => this.#click(event))
    const outdated = ".message__change:not([href]), .message--deleted .message__change"
    const observer = new MutationObserver(() => this.#update(outdated))
    observer.observe(log, { childList: true, subtree: true })
    setInterval(() => this.#update(".message__change"), CHECK_EVERY)
    this.#update(".message__change")
  }

  // Remove the links that are not allowed any more, and complete those that a script has created.
  #update(links) {
    for (const link of this.#log.querySelectorAll(links)) {
      const seq = seqOf(link)
      if (this.#isChangeable(seq)) link.href = `/message/${seq}`
      else link.remove()
    }
  }

  #click(event) {
    const link = event.target.closest(".message__change")
    if (link && isPlainClick(event) && this.onedit(seqOf(link))) event.preventDefault()
  }
}

function seqOf(link) {
  return Number(link.closest(".message").dataset.seq)
}
