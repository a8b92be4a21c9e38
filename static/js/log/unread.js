// Unread messages: counted in the title, on the icon of an installed page, and on the button that
// leads to the end, until the reader looks at the end.

import { isAttended, onAttention } from "../browser/attention.js"

export class Unread {
  onread = () => {} // called when the reader has read everything
  #log
  #button
  #title = document.title
  #arrived = 0 // unread messages that came since the page was opened
  #hasReadHistory = false // the messages that were new when the page was opened

  constructor(log, button) {
    this.#log = log
    this.#button = button
    log.scroll.onchange = () => this.#update()
    onAttention(() => this.#update())
    button.addEventListener("click", () => this.#goToEnd())
    this.#update()
  }

  // Count a message that has just come.
  add({ user }) {
    this.#arrived += user === this.#log.user ? 0 : 1
    this.#update()
  }

  // Start again after the log was reloaded.
  reset() {
    this.#arrived = 0
    this.#hasReadHistory = false
    this.#update()
  }

  #update() {
    const { isAtEnd } = this.#log.scroll
    if (isAtEnd && isAttended()) {
      this.#arrived = 0
      this.#hasReadHistory = true
      this.onread()
    }
    const ofHistory = this.#hasReadHistory ? 0 : this.#log.newCount
    const more = ofHistory && this.#log.hasMoreNew ? "+" : ""
    this.#show(this.#arrived + ofHistory, more, isAtEnd)
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
    this.#log.goToEnd()
    if (hadFocus) this.#log.focus() // the button is hidden now
  }
}

// Only an installed page has an icon of its own, and browsers may refuse.
function showOnIcon(count) {
  navigator.setAppBadge?.(count).catch(() => {})
}
