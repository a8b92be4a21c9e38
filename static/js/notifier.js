// Desktop notifications: for who wants them on this device, when a message names them.

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

  tell({ seq, user, msg }) {
    if (!this.#isOn || !document.hidden || user === this.#user || !mentions(msg, this.#user)) return
    try {
      // The tag lets two tabs show it once.
      const notification = new Notification(user, { body: msg, tag: `message-${seq}` })
      notification.onclick = () => {
        window.focus()
        notification.close()
      }
    } catch {
      // Android has no notifications of pages, and says so only here.
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
