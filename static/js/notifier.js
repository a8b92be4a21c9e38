// Desktop notifications: tell the reader of messages that mention them, on devices where the reader
// turned them on.

import { mentions } from "./rich_text.js"
import { recall, remember } from "./storage.js"

const KEY = "notify" // in localStorage

export class Notifier {
  #user
  #button
  #isOn = false

  constructor(user, button) {
    this.#user = user
    this.#button = button
    this.#isOn = isGranted() && recall(KEY) === "on"
    button.addEventListener("click", () => this.#toggle())
    this.#show()
  }

  // Notify the reader of a message that mentions them, while the page is hidden.
  notify({ seq, user, msg }) {
    if (!this.#isOn || !document.hidden || user === this.#user || !mentions(msg, this.#user)) return
    try {
      // The tag prevents a second notification from another tab.
      const notification = new Notification(user, { body: msg, tag: `message-${seq}` })
      notification.onclick = () => {
        window.focus()
        notification.close()
      }
    } catch {
      // Chrome for Android has no notifications of pages, and throws only here.
    }
  }

  async #toggle() {
    const isWanted = !this.#isOn
    this.#isOn = isWanted && (await Notification.requestPermission()) === "granted"
    remember(KEY, this.#isOn ? "on" : "")
    this.#show()
  }

  #show() {
    this.#button.hidden = !("Notification" in window) || Notification.permission === "denied"
    this.#button.ariaPressed = String(this.#isOn)
  }
}

function isGranted() {
  return "Notification" in window && Notification.permission === "granted"
}
