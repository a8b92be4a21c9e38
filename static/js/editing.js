// Editing: puts one's own message back into the field, and asks the server for the change. Asking
// for the same change again is harmless: it keeps its nonce.

import { announce } from "./announce.js"
import { isComposing } from "./keys.js"
import { newNonce } from "./nonce.js"

const ANSWER_WITHIN = 5000 // ms
const DOUBT_LASTS = 4000 // ms in which a second press deletes

export class Editing {
  #composer
  #draft
  #log
  #send
  #bar
  #button // that deletes
  #submit
  #message = null // what is being edited
  #frame = null // what was asked for last
  #waiting = null // timer: for the answer
  #doubting = null // timer: whether to delete

  constructor(form, { composer, draft, log, send }) {
    this.#composer = composer
    this.#draft = draft
    this.#log = log
    this.#send = send
    this.#bar = form.querySelector(".editing")
    this.#button = form.elements.delete
    this.#submit = form.querySelector("#submit")
    composer.onblank = () => this.isOn && this.#doubt()
    form.addEventListener("keydown", (event) => this.#keydown(event))
    form.elements.cancel.addEventListener("click", () => this.#end())
    this.#button.addEventListener("click", () => (this.#doubting ? this.#delete() : this.#doubt()))
  }

  get isOn() {
    return this.#message !== null
  }

  // Says whether there is something to edit.
  start(message) {
    if (message === null) return false
    this.#draft.pause()
    this.#message = message
    this.#frame = null
    this.#show(message.msg)
    announce("Editing your message, Escape cancels")
    return true
  }

  save(msg) {
    if (msg === this.#message.msg) this.#end()
    else this.#ask({ type: "edit", of: this.#message.seq, msg })
  }

  // A change has come into the log, maybe the one asked for here.
  acknowledge({ user, nonce }) {
    if (user !== this.#log.user || nonce !== this.#frame?.nonce) return
    const { type, msg } = this.#frame
    this.#settle()
    // Who has gone on writing meanwhile has not finished.
    if (type === "edit" && msg !== this.#composer.text) this.#message = { ...this.#message, msg }
    else this.#end()
  }

  // Says whether the error is about what was asked for here.
  refuse({ nonce, text }) {
    if (this.#frame === null || nonce !== this.#frame.nonce) return false
    this.#settle(text)
    return true
  }

  #keydown(event) {
    if (event.defaultPrevented || isComposing(event)) return
    const isIdle = !this.isOn && !this.#composer.text
    if (event.key === "Escape" && this.isOn) this.#end()
    else if (event.key === "ArrowUp" && isIdle) this.start(this.#log.lastOwnChangeable())
    else return
    event.preventDefault()
  }

  #doubt() {
    this.#trust()
    this.#button.textContent = "Really delete?"
    this.#doubting = setTimeout(() => this.#trust(), DOUBT_LASTS)
    announce("Press again to delete the message")
  }

  #trust() {
    clearTimeout(this.#doubting)
    this.#doubting = null
    this.#button.textContent = "Delete"
  }

  #delete() {
    this.#trust()
    this.#ask({ type: "delete", of: this.#message.seq })
  }

  #ask(change) {
    const isSame = this.#frame?.type === change.type && this.#frame.msg === change.msg
    if (!isSame) this.#frame = { ...change, nonce: newNonce() }
    this.#settle()
    if (!this.#send(this.#frame)) return this.#settle("There is no connection, please try again")
    const text = "No answer came; saving it again is harmless"
    this.#waiting = setTimeout(() => this.#settle(text), ANSWER_WITHIN)
  }

  #settle(problem = "") {
    clearTimeout(this.#waiting)
    this.#composer.complain(problem)
  }

  #end() {
    this.#message = this.#frame = null
    this.#draft.resume()
    this.#show(this.#draft.text)
  }

  #show(text) {
    this.#settle()
    this.#trust()
    this.#bar.hidden = !this.isOn
    this.#submit.textContent = this.isOn ? "Save" : "Send"
    this.#composer.text = text
    this.#composer.focus()
  }
}
