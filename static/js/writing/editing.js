// Editing: puts the reader's own message back into the field, and asks the server to change it.
// Asking again for the same change is harmless, because it keeps its nonce. What is being edited
// survives a reload of this tab, and goes on in the next one that opens if this one is closed.

import { announce } from "../browser/announce.js"
import { isComposing, isEscape } from "../browser/keys.js"
import { keysOf, onTakenOver, recall, remember, takeOver } from "../browser/storage.js"
import { newNonce } from "../sending/nonce.js"

const ANSWER_WITHIN = 5000 // ms
const OPEN_WITHIN = 500 // ms in which a tab that is open stores its change again
const CONFIRM_WITHIN = 4000 // ms; a second press within this time deletes

export class Editing {
  #composer
  #draft
  #log
  #connection
  #key
  #bar
  #deleteButton
  #submitButton
  #message = null // { seq, msg, time, hasFile } of the message that is being edited
  #request = null // the last frame sent to change it
  #answerTimer = null
  #confirmTimer = null // runs while a second press deletes

  constructor(form, { composer, draft, log, connection, tab }) {
    this.#composer = composer
    this.#draft = draft
    this.#log = log
    this.#connection = connection
    this.#key = `edit:${log.user}:${tab}`
    this.#bar = form.querySelector(".editing")
    this.#deleteButton = form.elements.delete
    this.#submitButton = form.querySelector("#submit")
    composer.editing = this
    form.addEventListener("keydown", (event) => this.#keydown(event))
    form.elements.cancel.addEventListener("click", () => this.#end())
    this.#deleteButton.addEventListener("click", () => this.#deletePressed())
    form.elements.msg.addEventListener("input", () => this.#keep())
    onTakenOver(this.#key, () => this.#keep())
  }

  get isActive() {
    return this.#message !== null
  }

  // Start to edit a message of log.ownChangeable(). Return false if there is none, or if another
  // change is not saved yet.
  start(message) {
    if (message === null || this.#isUnsaved("then you can change another message")) return false
    this.#draft.pause()
    this.#message = message
    this.#request = null
    this.#show(() => (this.#composer.text = message.msg))
    announce("Editing your message, Escape cancels")
    return true
  }

  // Go on with what was being edited before a reload, or in a tab that was closed. The server knows
  // whether it can be changed.
  async resume() {
    const left = recall(this.#key) ? undefined : keysOf(`edit:${this.#log.user}:`).at(-1)
    if (left) {
      remember(this.#key, takeOver(left))
      await new Promise((resolve) => setTimeout(resolve, OPEN_WITHIN))
      if (recall(left)) return remember(this.#key, "")
    }
    const kept = parse(recall(this.#key))
    const own = kept && this.#log.ownChangeable(kept.seq)
    if (!kept || own?.msg === kept.text) return remember(this.#key, "") // it has been saved
    this.start(own ?? kept)
    this.#composer.text = kept.text
  }

  // Make room for a reply. While a change is not saved, its quote is kept: then return false.
  makeRoomFor(reply) {
    if (this.#isUnsaved("then your reply is here")) {
      this.#draft.reply(reply)
      return false
    }
    if (this.isActive) this.#end()
    return true
  }

  // Start to edit a message, and ask whether to delete it.
  startDeleting(message) {
    if (!this.start(message)) return
    this.#askToConfirm()
    this.#deleteButton.focus()
  }

  // Ask for the message to be changed; without a text and a file, to be deleted.
  save(msg) {
    if (!msg.trim() && !this.#message.hasFile) this.#askToConfirm()
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

  // Return true and say what to do if there is a change that would be lost.
  #isUnsaved(what) {
    if (!this.isActive || this.#composer.text === this.#message.msg) return false
    this.#composer.showError(`Please save or cancel this change first: ${what}`)
    this.#composer.focus()
    return true
  }

  #keydown(event) {
    if (event.defaultPrevented || isComposing(event)) return
    const isIdle = !this.isActive && !this.#composer.text
    if (isEscape(event) && this.isActive) this.#end()
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
      const text = "No answer came. Please save it again."
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

  #keep() {
    if (!this.isActive) return
    remember(this.#key, JSON.stringify({ ...this.#message, text: this.#composer.text }))
  }

  #end() {
    this.#message = this.#request = null
    remember(this.#key, "")
    this.#draft.resume()
    this.#show(() => (this.#composer.draft = this.#draft.text))
  }

  #show(fill) {
    this.#stopWaiting()
    this.#resetDeleteButton()
    this.#bar.hidden = !this.isActive
    this.#log.mark(this.#message?.seq ?? null)
    this.#submitButton.querySelector("span").textContent = this.isActive ? "Save" : "Send"
    fill()
    this.#composer.focus()
  }
}

// Anybody at this computer can change what is stored, and so can another version of this page.
function parse(text) {
  try {
    const { seq, msg, time, hasFile, text: edited } = JSON.parse(text)
    const isValid = Number.isInteger(seq) && [msg, edited].every((it) => typeof it === "string")
    return isValid ? { seq, msg, time, hasFile: hasFile === true, text: edited } : null
  } catch {
    return null
  }
}
