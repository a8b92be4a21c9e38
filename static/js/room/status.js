// The status line above the composer: whether the page is connected, who is typing, or what has just
// happened. The log itself has only what was said.

const SHOW_FOR = 5000 // ms

export class Status {
  #element
  #trouble = "" // shown for as long as it lasts
  #typing = ""
  #notice = ""
  #timer = null // runs while a notice is shown

  constructor(element) {
    this.#element = element
  }

  // Show that something has happened, for a while or until somebody else begins to type.
  notice(text) {
    clearTimeout(this.#timer)
    this.#notice = text
    if (text) this.#timer = setTimeout(() => this.notice(""), SHOW_FOR)
    this.#show()
  }

  set typing(text) {
    this.#typing = text
    this.notice("")
  }

  // What is wrong with the connection; empty if nothing is.
  set trouble(text) {
    this.#trouble = text
    document.body.classList.toggle("room--disconnected", Boolean(text))
    this.notice("")
  }

  #show() {
    const text = this.#trouble || this.#notice || this.#typing
    if (this.#element.textContent !== text) this.#element.textContent = text
  }
}
