// The status line above the composer: what is wrong with the connection, who is typing, or what has
// just happened. It is empty while all is well. The log itself has only what was said.

import { announce } from "../browser/announce.js"

const SHOW_FOR = 5000 // ms
const QUIET_FOR = 5000 // ms; a server that is started anew is back by then

export class Status {
  #element
  #trouble = "" // shown for as long as it lasts
  #isBroken = false // then #trouble is about that
  #waiting = 0 // messages that are to be sent
  #typing = ""
  #notice = ""
  #timer = null // runs while a notice is shown
  #quietTimer = null // runs while the connection is away and may be back soon

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

  // How many messages are to be sent.
  set waiting(count) {
    this.#waiting = count
    if (this.#isBroken) this.#showTrouble(broken(count))
  }

  // There is no connection. If it may be back soon, this is told only if it is not.
  disconnected(mayBeBackSoon) {
    if (this.#isBroken) this.#showTrouble(broken(this.#waiting))
    else if (mayBeBackSoon) this.#quietTimer ??= setTimeout(() => this.#break(), QUIET_FOR)
    else this.#break()
  }

  // No socket can be opened, and messages come and go by the page.
  blocked() {
    this.#tell("No live connection: new messages come every few seconds", false)
  }

  // The connection is there. Tell so whoever was told that it is not.
  connected() {
    const wasTold = this.#trouble !== ""
    this.#tell("", false)
    if (!wasTold) return
    const text = "Connection to server started"
    this.notice(text)
    announce(text)
  }

  #break() {
    this.#tell(broken(this.#waiting), true)
  }

  // Tell what is wrong with the connection, or that nothing is; screen readers say it once.
  #tell(text, isBroken) {
    clearTimeout(this.#quietTimer)
    this.#quietTimer = null
    this.#isBroken = isBroken
    if (text && text !== this.#trouble) announce(text)
    this.#showTrouble(text)
  }

  #showTrouble(text) {
    this.#trouble = text
    document.body.classList.toggle("room--disconnected", Boolean(text))
    document.body.classList.toggle("room--broken", this.#isBroken)
    this.notice("")
  }

  #show() {
    const text = this.#trouble || this.#notice || this.#typing
    if (this.#element.textContent !== text) this.#element.textContent = text
  }
}

// Return what to tell while the connection is broken and so many messages wait.
function broken(waiting) {
  const many = waiting === 0 ? "messages go" : `${waiting} messages go`
  const messages = waiting === 1 ? "message goes" : many
  const device = navigator.onLine ? "" : " This device is offline."
  return `Connection broken. Your ${messages} out when you are back.${device}`
}
