// The composer: the form in which the reader writes. Enter submits the text, but not on a phone,
// whose keyboard has no other key for a new line; a text that is too long stays in the field. A
// submitted text goes to the outbox, or to the message that is being edited.

import { isComposing } from "../browser/keys.js"
import { isTooLong } from "./counter.js"
import { insert } from "./insert.js"

const TOUCH = matchMedia("(pointer: coarse)")

export class Composer {
  editing // takes the text while it is active; set by Editing
  #outbox
  #log
  #form
  #field
  #error

  constructor(form, { outbox, log }) {
    this.#outbox = outbox
    this.#log = log
    this.#form = form
    form.noValidate = true // the browser would complain about an empty field
    this.#field = form.elements.msg
    this.#error = form.querySelector("[role=alert]")
    this.#field.addEventListener("keydown", (event) => this.#keydown(event))
    form.addEventListener("submit", (event) => this.#submit(event))
    this.#field.addEventListener("input", () => this.#acceptIfShortened())
  }

  get text() {
    return this.#field.value
  }

  // As if it were typed, because the counter, the draft and others listen to that.
  set text(text) {
    if (text === this.text) return
    this.#insert(text, 0, this.text.length)
  }

  // Put a text before what is written.
  prepend(text) {
    this.#insert(text, 0, 0)
  }

  // Show the text with which the page opens: Ctrl+Z does not remove it, and the focus stays.
  open(text) {
    this.#field.value = text
    this.#field.dispatchEvent(new Event("input", { bubbles: true }))
  }

  showError(text) {
    this.#error.textContent = text
  }

  focus() {
    this.#field.focus()
  }

  // A step of its own for Ctrl+Z: the caret moves after it, so what is typed then is another step.
  #insert(text, start, end) {
    this.#field.setSelectionRange(start, end)
    insert(this.#field, text)
    this.#field.setSelectionRange(0, 0)
    this.#field.setSelectionRange(this.text.length, this.text.length)
    this.#field.scrollTop = this.#field.scrollHeight // where the caret is
  }

  #keydown(event) {
    if (event.key !== "Enter" || event.shiftKey) return
    if (event.defaultPrevented || isComposing(event)) return
    if (TOUCH.matches && !event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    this.#form.requestSubmit()
  }

  #submit(event) {
    event.preventDefault()
    this.#field.focus()
    if (isTooLong(this.#field)) return this.#reject()
    const { text } = this
    if (this.editing.isActive) return this.editing.save(text)
    if (!text.trim()) return
    this.showError("")
    this.text = ""
    this.#outbox.add(text)
    this.#log.goToEnd()
  }

  #reject() {
    this.showError(`A message has at most ${this.#field.dataset.maxLength} characters`)
    this.#field.setAttribute("aria-invalid", "true")
    this.#field.setAttribute("aria-describedby", this.#error.id)
  }

  #acceptIfShortened() {
    if (!this.#field.hasAttribute("aria-invalid") || isTooLong(this.#field)) return
    this.showError("")
    this.#field.removeAttribute("aria-invalid")
    this.#field.removeAttribute("aria-describedby")
  }
}
