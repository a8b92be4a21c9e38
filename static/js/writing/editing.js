// Editing: puts the reader's own message back into the field, and asks the server to change it.
// Asking again for the same change is harmless, because it keeps its nonce.

import { announce } from "../browser/announce.js"
import { isComposing } from "../browser/keys.js"
import { newNonce } from "../sending/nonce.js"

const ANSWER_WITHIN = 5000 // ms
const CONFIRM_WITHIN = 4000 // ms; a second press within this time deletes

export class Editing {
  #composer
  #draft
  #log
  #connection
  #bar
  #deleteButton
  #submitButton
  #message = null // { seq, msg, time } of the message that is being edited
  #request = null // the last frame sent to change it
  #answerTimer = null
  #confirmTimer = null // runs while a second press deletes

  constructor(form, { composer, draft, log, connection }) {
    this.#composer = composer
    this.#draft = draft
    this.#log = log
    this.#connection = connection
    this.#bar = form.querySelector(".editing")
    this.#deleteButton = form.elements.delete
    this.#submitButton = form.querySelector("#submit")
    composer.editing = this
    form.addEventListener("keydown", (event) => this.#keydown(event))
    form.elements.cancel.addEventListener("click", () => this.#end())
    this.#deleteButton.addEventListener("click", () => this.#deletePressed())
  }

  get isActive() {
    return this.#message !== null
  }

  // Start to edit a message of log.ownChangeable(). Return false if there is none.
  start(message) {
    if (message === null) return false
    this.#draft.pause()
    this.#message = message
    this.#request = null
    this.#show(message.msg)
    announce("Editing your message, Escape cancels")
    return true
  }

  // Start to edit a message, and ask whether to delete it.
  startDeleting(message) {
    if (!this.start(message)) return
    this.#askToConfirm()
    this.#deleteButton.focus()
  }

  // Ask for the message to be changed; without a text, to be deleted.
  save(msg) {
    if (!msg.trim()) this.#askToConfirm()
    else if (msg === this.#message.msg) this.#end()
    else this.#ask({ type: "edit", of: this.#message.seq, msg })
  }

  // Finish if a change in the log is the one that was asked for here.
  acknowledge({ user, nonce }) {
    if (user !== this.#log.user || nonce !== this.#request?.nonce) return
    const { type, msg } = this.#request
    this.#stopWaiting()
    // If the reader has typed more since, go on editing.
    if (type === "edit" && msg !== this.#composer.text) this.#message = { ...this.#message, msg }
    else this.#end()
  }

  // Show an error if it answers what was asked for here. Return true if so.
  refuse({ nonce, text }) {
    if (this.#request === null || nonce !== this.#request.nonce) return false
    this.#stopWaiting(text)
    return true
  }

  #keydown(event) {
    if (event.defaultPrevented || isComposing(event)) return
    const isIdle = !this.isActive && !this.#composer.text
    if (event.key === "Escape" && this.isActive) this.#end()
    else if (event.key === "ArrowUp" && isIdle) this.start(this.#log.lastOwnChangeable())
    else return
    event.preventDefault()
  }

  #deletePressed() {
    if (this.#confirmTimer === null) return this.#askToConfirm()
    this.#resetDeleteButton()
    this.#ask({ type: "delete", of: this.#message.seq })
  }

  #askToConfirm() {
    this.#resetDeleteButton()
    this.#deleteButton.textContent = "Really delete?"
    this.#confirmTimer = setTimeout(() => this.#resetDeleteButton(), CONFIRM_WITHIN)
    announce("Press again to delete the message")
  }

  #resetDeleteButton() {
    clearTimeout(this.#confirmTimer)
    this.#confirmTimer = null
    this.#deleteButton.textContent = "Delete"
  }

  #ask(change) {
    const isSame = this.#request?.type === change.type && this.#request.msg === change.msg
    if (!isSame) this.#request = { ...change, nonce: newNonce() }
    this.#stopWaiting()
    if (this.#connection.send(this.#request)) {
      this.#submitButton.ariaBusy = "true"
      const text = "No answer came; saving it again is harmless"
      this.#answerTimer = setTimeout(() => this.#stopWaiting(text), ANSWER_WITHIN)
    } else {
      this.#stopWaiting("There is no connection, please try again")
    }
  }

  #stopWaiting(problem = "") {
    clearTimeout(this.#answerTimer)
    this.#submitButton.ariaBusy = null
    this.#composer.showError(problem)
  }

  #end() {
    this.#message = this.#request = null
    this.#draft.resume()
    this.#show(this.#draft.text)
  }

  #show(text) {
    this.#stopWaiting()
    this.#resetDeleteButton()
    this.#bar.hidden = !this.isActive
    this.#log.mark(this.#message?.seq ?? null)
    this.#submitButton.textContent = this.isActive ? "Save" : "Send"
    this.#composer.text = text
    this.#composer.focus()
  }
}
