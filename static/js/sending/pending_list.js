// The list of pending messages at the end of the log: each is being sent, or was refused and can be
// retried or discarded.

import { richText } from "../log/rich_text.js"

export class PendingList {
  onretry = () => {}
  ondiscard = () => {}
  onfocuslost = () => {} // the button that had the focus is gone
  #element
  #template = document.getElementById("pending-template")
  #items = new Map() // elements by nonce

  constructor(element) {
    this.#element = element
  }

  // Show the messages in their order: those that are waiting with this state, the others as not sent.
  show(messages, waiting, state) {
    const focused = document.activeElement
    const hadFocus = this.#element.contains(focused)
    const items = new Map()
    for (const message of messages) {
      const item = this.#items.get(message.nonce) ?? this.#create(message)
      showState(item, message, waiting.includes(message) && state)
      items.set(message.nonce, item)
    }
    for (const [nonce, item] of this.#items) if (!items.has(nonce)) item.remove()
    this.#arrange([...items.values()])
    this.#items = items
    if (hadFocus && (!focused.isConnected || focused.closest("[hidden]"))) this.onfocuslost()
  }

  // Add an item of something that is no message yet, after the messages.
  append(item) {
    this.#element.append(item)
  }

  #create({ nonce, msg, file }) {
    const item = this.#template.content.firstElementChild.cloneNode(true)
    const name = file ? `${msg && "\n"}${file.name}` : ""
    item.querySelector(".pending__text").append(richText(msg, []), name)
    item.querySelector("[name=retry]").addEventListener("click", () => this.onretry(nonce))
    item.querySelector("[name=discard]").addEventListener("click", () => this.ondiscard(nonce))
    return item
  }

  // Move only the items that are out of place: an element loses the focus when it is moved.
  #arrange(items) {
    items.forEach((item, index) => {
      const current = this.#element.children[index]
      if (current !== item) this.#element.insertBefore(item, current ?? null)
    })
  }
}

function showState(item, { problem }, waitingState) {
  const isWaiting = Boolean(waitingState)
  const text = waitingState || ["not sent", problem].filter(Boolean).join(": ")
  const state = item.querySelector(".pending__state")
  if (state.textContent === text) return // screen readers would read it again
  state.textContent = text
  item.classList.toggle("pending--failed", !isWaiting)
  item.querySelector(".pending__actions").hidden = isWaiting
}
