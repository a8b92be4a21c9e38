// Unread messages: counted in the title, and on a button that leads to them, until the page is
// visible and scrolled to its end.

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
    document.addEventListener("visibilitychange", () => this.#update())
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
    if (isAtEnd && !document.hidden) {
      this.#arrived = 0
      this.#hasReadHistory = true
      this.onread()
    }
    this.#show(this.#arrived + (this.#hasReadHistory ? 0 : this.#log.newCount), isAtEnd)
  }

  #show(count, isAtEnd) {
    const title = count ? `(${count}) ${this.#title}` : this.#title
    if (document.title !== title) document.title = title
    this.#button.hidden = isAtEnd || !count
    const text = `${count} new ${count === 1 ? "message" : "messages"}`
    if (count && this.#button.textContent !== text) this.#button.textContent = text
  }

  #goToEnd() {
    const hadFocus = document.activeElement === this.#button
    this.#log.scroll.goToEnd()
    if (hadFocus) this.#log.focus() // the button is hidden now
  }
}
