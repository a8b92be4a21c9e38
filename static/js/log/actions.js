// What the reader may do with a message: reply, edit, delete, copy its link. The buttons are put into
// the message under the mouse, the one that was tapped, or the one that the arrow keys have reached.

import { announce } from "../browser/announce.js"
import { copyText } from "../browser/clipboard.js"
import { changeOf } from "./addresses.js"
import { entryOf } from "./message.js"

const TOUCH = matchMedia("(hover: none)")
const BELOW_DAY = 36 // px; the day of what is in view covers the top of it
const TOLD_FOR = 2000 // ms
const RESTS = 100 // ms in which a mouse that is on its way has moved on
const STEPS = { ArrowUp: -1, ArrowDown: 1 }

export class Actions {
  onreply = () => {} // called with the message
  onedit = () => {} // called with the message's seq
  ondelete = () => {} // the same
  #log
  #element
  #told // says for a while what has been done
  #toldTimer = null
  #message = null // that has the buttons
  #restTimer = null

  constructor(log, element) {
    const { reply, edit, copy, delete: deleteButton } = element.elements
    this.#log = log
    this.#element = element
    this.#told = element.querySelector(".actions__told")
    for (const type of ["pointerover", "pointermove"]) {
      log.element.addEventListener(type, (event) => this.#pointed(event))
    }
    log.element.addEventListener("pointerleave", (event) => this.#left(event))
    log.element.addEventListener("click", (event) => this.#tapped(event))
    log.element.addEventListener("focusin", ({ target }) => this.#show(messageAt(target)))
    log.element.addEventListener("keydown", (event) => this.#keydown(event))
    log.element.addEventListener("scroll", () => this.#keepInView())
    element.addEventListener("submit", (event) => event.preventDefault())
    reply.addEventListener("click", () => this.onreply(entryOf(this.#message)))
    edit.addEventListener("click", () => this.onedit(this.#seq))
    deleteButton.addEventListener("click", () => this.ondelete(this.#seq))
    copy.addEventListener("click", () => this.#copyLink())
  }

  get #seq() {
    return Number(this.#message.dataset.seq)
  }

  get #hasFocus() {
    return this.#element.contains(document.activeElement)
  }

  // The way from a message to its buttons may lead over the message above it, so that gets them only
  // once the mouse rests there.
  #pointed({ pointerType, target }) {
    if (pointerType !== "mouse") return
    clearTimeout(this.#restTimer)
    const show = () => this.#hasFocus || this.#show(messageAt(target))
    if (this.#message) this.#restTimer = setTimeout(show, RESTS)
    else show()
  }

  // A finger leaves at the end of each tap, before the click.
  #left({ pointerType }) {
    if (pointerType !== "mouse") return
    clearTimeout(this.#restTimer)
    if (!this.#hasFocus) this.#hide()
  }

  #tapped({ target }) {
    if (!TOUCH.matches || target.closest("a, audio, button, label, video") || !getSelection().isCollapsed) return
    const message = messageAt(target)
    if (message === this.#message) this.#hide()
    else this.#show(message)
  }

  // The arrow keys go from message to message; Tab then leads to the buttons.
  #keydown(event) {
    const { key, target } = event
    const isOnMessage = target.matches(".message")
    if (!(key in STEPS) || !(isOnMessage || target === this.#log.element)) return
    const messages = [...this.#log.element.querySelectorAll(".message")]
    const { bottom } = this.#log.element.getBoundingClientRect()
    const next = isOnMessage
      ? messages[messages.indexOf(target) + STEPS[key]]
      : messages.findLast((message) => message.getBoundingClientRect().top < bottom)
    if (!next) return
    event.preventDefault()
    next.tabIndex = -1
    next.focus()
  }

  #show(message) {
    if (!message || message === this.#message || message.matches(".message--deleted")) return
    this.#message = message
    this.#tell("")
    const { edit, delete: deleteButton } = this.#element.elements
    const isChangeable = this.#log.ownChangeable(this.#seq) !== null
    edit.hidden = deleteButton.hidden = !isChangeable
    const moderate = this.#element.querySelector("a")
    moderate.hidden = isChangeable || !this.#log.isModerator
    moderate.href = changeOf(this.#seq)
    this.#move(() => message.append(this.#element))
    this.#keepInView()
  }

  // The buttons are at the top of their message; where that is out of view, at the top of the view.
  #keepInView() {
    if (!this.#message) return
    const { top } = this.#log.element.getBoundingClientRect()
    const hidden = top - this.#message.getBoundingClientRect().top
    this.#element.style.setProperty("--hidden", `${hidden + BELOW_DAY}px`)
  }

  #hide() {
    this.#message = null
    this.#move(() => this.#element.remove())
  }

  // Where the browser does not let a page copy, the link is opened: then its address can be copied.
  async #copyLink() {
    const link = this.#message.querySelector(".message__time")
    const isCopied = await copyText(link.href)
    if (!isCopied) link.click()
    this.#tell(isCopied ? "Link copied" : "The link is this page's address now")
  }

  #tell(text) {
    clearTimeout(this.#toldTimer)
    this.#told.textContent = text
    this.#told.hidden = !text
    if (!text) return
    announce(text)
    this.#toldTimer = setTimeout(() => this.#tell(""), TOLD_FOR)
  }

  // Beside the text they take no place; on a phone they are below it.
  #move(change) {
    if (TOUCH.matches) this.#log.scroll.keep(change)
    else change()
  }
}

function messageAt(target) {
  return target.closest(".message")
}
