// The composer: Enter sends, the field is cleared and keeps the focus.

export class Composer {
  onsend = () => {}
  #form
  #field
  #error

  constructor(form) {
    this.#form = form
    form.noValidate = true // an empty message is simply not sent
    this.#field = form.elements.msg
    this.#error = form.querySelector("[role=alert]")
    form.addEventListener("submit", (event) => this.#submit(event))
    this.#field.addEventListener("keydown", (event) => this.#keydown(event))
  }

  complain(text) {
    this.#error.textContent = text
  }

  focus() {
    this.#field.focus()
  }

  #submit(event) {
    event.preventDefault()
    const text = this.#field.value
    if (text.trim()) {
      this.complain("")
      this.#field.value = ""
      this.onsend(text)
    }
    this.#field.focus()
  }

  #keydown(event) {
    // While an input method composes, Enter chooses a word (keyCode 229: Safari).
    const isComposing = event.isComposing || event.keyCode === 229
    if (event.key === "Enter" && !event.shiftKey && !isComposing) {
      event.preventDefault()
      this.#form.requestSubmit()
    }
  }
}
