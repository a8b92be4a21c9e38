// Unread messages: counted in the title, and on a button that leads to them, until the reader has
// the page in sight and is at the end of the log.

export class Unread {
  onseen = () => {} // everything that is there has been
  #log
  #button
  #title = document.title
  #arrived = 0 // while the page is open
  #hasSeenNews = false // of before

  constructor(log, button) {
    this.#log = log
    this.#button = button
    log.scroll.onchange = () => this.#look()
    document.addEventListener("visibilitychange", () => this.#look())
    button.addEventListener("click", () => this.#jump())
    this.#look()
  }

  // Counts a message that has come.
  add({ user }) {
    this.#arrived += user === this.#log.user ? 0 : 1
    this.#look()
  }

  // Begins anew, after the history was loaded anew.
  reset() {
    this.#arrived = 0
    this.#hasSeenNews = false
    this.#look()
  }

  #look() {
    const { isAtEnd } = this.#log.scroll
    if (isAtEnd && !document.hidden) {
      this.#arrived = 0
      this.#hasSeenNews = true
      this.onseen()
    }
    this.#show(this.#arrived + (this.#hasSeenNews ? 0 : this.#log.newCount), isAtEnd)
  }

  #show(count, isAtEnd) {
    const title = count ? `(${count}) ${this.#title}` : this.#title
    if (document.title !== title) document.title = title
    this.#button.hidden = isAtEnd || !count
    const text = `${count} new ${count === 1 ? "message" : "messages"}`
    if (count && this.#button.textContent !== text) this.#button.textContent = text
  }

  #jump() {
    const hadFocus = document.activeElement === this.#button
    this.#log.scroll.goToEnd()
    if (hadFocus) this.#log.focus() // the button is gone
  }
}
