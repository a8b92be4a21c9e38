// Desktop notifications: for who wants them on this device, when a message names them.

import { names } from "./text.js"

const KEY = "notify" // in localStorage

export class Notifier {
  #user
  #button
  #isOn = false

  constructor(user, button) {
    this.#user = user
    this.#button = button
    this.#isOn = isGranted() && isWanted()
    button.addEventListener("click", () => this.#toggle())
    this.#show()
  }

  tell({ seq, user, msg }) {
    if (!this.#isOn || !document.hidden || user === this.#user || !names(msg, this.#user)) return
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
    remember(this.#isOn)
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

function isWanted() {
  try {
    return localStorage.getItem(KEY) === "on"
  } catch {
    return false // no storage
  }
}

function remember(isOn) {
  try {
    if (isOn) localStorage.setItem(KEY, "on")
    else localStorage.removeItem(KEY)
  } catch {
    // then until the page is closed
  }
}
