// The composer: Enter sends what was written; what is too long stays in the field.

import { excess } from "./counter.js"
import { isComposing } from "./keys.js"

export class Composer {
  onsend = () => {}
  onblank = () => {} // there is nothing to send
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
    this.#field.addEventListener("input", () => this.#forgive())
  }

  get text() {
    return this.#field.value
  }

  // Whoever listens to the field learns of it.
  set text(text) {
    this.#field.value = text
    this.#field.dispatchEvent(new Event("input", { bubbles: true }))
  }

  complain(text) {
    this.#error.textContent = text
  }

  focus() {
    this.#field.focus()
  }

  #submit(event) {
    event.preventDefault()
    this.#field.focus()
    if (excess(this.#field) > 0) {
      return this.#refuse(`A message has at most ${this.#field.dataset.maxLength} characters`)
    }
    if (!this.text.trim()) return this.onblank()
    this.complain("")
    this.onsend(this.text)
  }

  #keydown(event) {
    if (event.key !== "Enter" || event.shiftKey) return
    if (event.defaultPrevented || isComposing(event)) return
    event.preventDefault()
    this.#form.requestSubmit()
  }

  #refuse(text) {
    this.complain(text)
    this.#field.setAttribute("aria-invalid", "true")
    this.#field.setAttribute("aria-describedby", this.#error.id)
  }

  #forgive() {
    if (!this.#field.hasAttribute("aria-invalid") || excess(this.#field) > 0) return
    this.complain("")
    this.#field.removeAttribute("aria-invalid")
    this.#field.removeAttribute("aria-describedby")
  }
}
