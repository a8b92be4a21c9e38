// The composer: the form in which the reader writes. Enter submits the text, but not on a phone,
// whose keyboard has no other key for a new line; a text that is too long stays in the field. A
// submitted text goes to the outbox, with the files that were chosen, once they are in the tray; or to
// the message that is being edited.

import { announce } from "../browser/announce.js"
import { isComposing, isEscape } from "../browser/keys.js"
import { isTooLong } from "./counter.js"
import { draftOf, listenToText, partsOf } from "./draft.js"
import { insert } from "./insert.js"
import { ReplyCard } from "./reply_card.js"

const TOUCH = matchMedia("(pointer: coarse)")
const QUOTED = /^>[ \t\n]/ // would go on with a quote before it

export class Composer {
  editing // takes the text while it is active; set by Editing
  files // take the text if some are chosen; a FileLoader
  #outbox
  #log
  #form
  #field
  #card
  #error

  constructor(form, { outbox, log }) {
    this.#outbox = outbox
    this.#log = log
    this.#form = form
    form.noValidate = true // the browser would complain about an empty field
    this.#field = form.elements.msg
    this.#card = new ReplyCard(form.querySelector(".reply"))
    this.#card.ondismiss = () => this.#dismissReply()
    this.#error = form.querySelector("[role=alert]")
    this.#field.addEventListener("keydown", (event) => this.#keydown(event))
    form.addEventListener("keydown", (event) => this.#escape(event))
    form.addEventListener("submit", (event) => this.#submit(event))
    listenToText(this.#field, () => this.#acceptIfShortened())
  }

  // What would be sent: a reply begins with its quote.
  get text() {
    const { quote } = this.#card
    const { value } = this.#field
    return quote + (quote && QUOTED.test(value) ? "\n" : "") + value
  }

  // As if it were typed, because the counter, the draft and others listen to that.
  set text(text) {
    this.#show({ quote: "", text })
  }

  // What is kept of it, see draft.js.
  get draft() {
    return draftOf({ quote: this.#card.quote, text: this.#field.value })
  }

  set draft(draft) {
    this.#show(partsOf(draft))
  }

  // Show the draft with which the page opens: Ctrl+Z does not remove it, and the focus stays.
  open(draft) {
    const { quote, text } = partsOf(draft)
    this.#card.quote = quote
    this.#field.value = text
    this.#field.dispatchEvent(new Event("input", { bubbles: true }))
  }

  // Answer a message, whose quote this is, with what is written.
  reply(quote) {
    this.#show({ quote, text: this.#field.value })
    this.focus()
    announce(`Replying to ${this.#card.author}, Escape takes it back`)
  }

  // Put a text that was not sent back, before what is written now.
  giveBack(text) {
    const { quote, text: written } = partsOf(this.draft)
    this.#show({ quote, text: [text, written].filter(Boolean).join("\n") })
  }

  showError(text) {
    this.#error.textContent = text
  }

  focus() {
    this.#field.focus()
  }

  #show({ quote, text }) {
    const isOther = quote !== this.#card.quote
    this.#card.quote = quote
    if (text !== this.#field.value) this.#replaceAll(text)
    else if (isOther) this.#field.dispatchEvent(new Event("change")) // nothing is typed
  }

  // A step of its own for Ctrl+Z: the caret moves after it, so what is typed then is another step.
  #replaceAll(text) {
    this.#field.select()
    insert(this.#field, text)
    this.#field.setSelectionRange(0, 0)
    this.#field.setSelectionRange(text.length, text.length)
    this.#field.scrollTop = this.#field.scrollHeight // where the caret is
  }

  #dismissReply() {
    this.#show({ quote: "", text: this.#field.value })
    this.focus()
    announce("Not a reply any more")
  }

  #escape(event) {
    if (!this.#card.quote || !isEscape(event)) return
    event.preventDefault()
    this.#dismissReply()
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
    if (this.#isTooLong) return this.#reject()
    const { text } = this
    if (this.editing.isActive) return this.editing.save(text)
    if (this.files.hold(text)) return
    if (!this.#field.value.trim() && !this.files.areChosen) return
    this.showError("")
    this.text = ""
    if (!this.files.send(text)) this.#outbox.add(text)
    this.#log.goToEnd()
  }

  get #isTooLong() {
    return isTooLong(this.text, this.#field.dataset.maxLength)
  }

  #reject() {
    const what = this.#card.quote ? "A message with its quote" : "A message"
    this.showError(`${what} has at most ${this.#field.dataset.maxLength} characters`)
    this.#field.setAttribute("aria-invalid", "true")
    this.#field.setAttribute("aria-describedby", this.#error.id)
  }

  #acceptIfShortened() {
    if (!this.#field.hasAttribute("aria-invalid") || this.#isTooLong) return
    this.showError("")
    this.#field.removeAttribute("aria-invalid")
    this.#field.removeAttribute("aria-describedby")
  }
}
