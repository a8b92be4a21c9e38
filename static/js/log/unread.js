// Unread messages: counted in the title, on the icon of an installed page, and on the button that
// leads to the end, until the reader looks at the end.

import { isAttended, onAttention } from "../browser/attention.js"

export class Unread {
  #onread
  #log
  #button
  #title = document.title
  #arrived = new Set() // the seqs of unread messages that came since the page was opened
  #hasReadHistory = false // the messages that were new when the page was opened

  // `onread` is called when the reader has read everything.
  constructor(log, button, onread) {
    this.#log = log
    this.#onread = onread
    this.#button = button
    log.scroll.onchange = () => this.#update()
    onAttention(() => this.#update())
    button.addEventListener("click", () => this.#goToEnd())
    this.#update()
  }

  // Count a message that has just come.
  add({ seq, user, state }) {
    if (user !== this.#log.user && state !== "deleted") this.#arrived.add(seq)
    this.#update()
  }

  // A message has changed: a deleted one can't be read any more.
  change({ of, state }) {
    if (state === "deleted") this.#arrived.delete(of)
    this.#update()
  }

  // The reader has read up to a message somewhere else.
  markRead(mark) {
    for (const seq of this.#arrived) if (seq <= mark) this.#arrived.delete(seq)
    this.#log.markRead(mark)
    this.#update()
  }

  // Start again after the log was reloaded.
  reset() {
    this.#arrived.clear()
    this.#hasReadHistory = false
    this.#update()
  }

  #update() {
    const { isAtEnd } = this.#log.scroll
    if (isAtEnd && isAttended()) {
      this.#arrived.clear()
      this.#hasReadHistory = true
      this.#onread()
    }
    const ofHistory = this.#hasReadHistory ? 0 : this.#log.newCount
    const more = ofHistory && this.#log.hasMoreNew ? "+" : ""
    this.#show(this.#arrived.size + ofHistory, more, isAtEnd)
  }

  // `more` is "+" if there are more than can be counted.
  #show(count, more, isAtEnd) {
    const title = count ? `(${count}${more}) ${this.#title}` : this.#title
    if (document.title !== title) {
      document.title = title
      showOnIcon(count)
    }
    this.#button.hidden = isAtEnd
    const messages = count === 1 ? "message" : "messages"
    const text = count ? `${count}${more} new ${messages}` : "To the end"
    if (this.#button.textContent !== text) this.#button.textContent = text
  }

  #goToEnd() {
    const hadFocus = document.activeElement === this.#button
    this.#log.scroll.goToEnd()
    if (hadFocus) this.#log.focus() // the button is hidden now
  }
}

// Only an installed page has an icon of its own, and browsers may refuse.
function showOnIcon(count) {
  navigator.setAppBadge?.(count).catch(() => {})
}
