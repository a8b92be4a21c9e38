// Tells the reader of messages that mention or quote them while they are not looking: by a
// notification, by a quiet sound, or by both, on devices where the reader turned it on.

import { isAttended } from "../browser/attention.js"
import { OneTab } from "../browser/one_tab.js"
import { isMeantFor } from "../log/quote.js"
import { recall, remember } from "../browser/storage.js"

const VOLUME = 0.05 // of 1
const SOUND_LENGTH = 0.25 // seconds
const PITCH = 660 // Hz

export class Notifier {
  #user
  #notify // check boxes
  #sound
  #isRead
  #oneTab
  #told = new Map() // the notification of each message that was meant for the reader, null without

  // `isRead` returns true for a message or an edit that the reader has read, perhaps elsewhere.
  constructor(user, { notify, sound }, isRead) {
    this.#user = user
    this.#notify = notify
    this.#sound = sound
    this.#isRead = isRead
    this.#oneTab = new OneTab(user)
    this.#recall()
    window.addEventListener("storage", () => this.#recall()) // chosen in another tab
    notify.addEventListener("change", () => this.#toggleNotify())
    sound.addEventListener("change", () => this.#toggleSound())
    if (!("Notification" in window) || Notification.permission === "denied") this.#giveUp()
  }

  // Tell the reader of a message, if it mentions or quotes them, and did not `before` an edit.
  // `seq` is that of the message or of its edit, `of` that of the message, which need not be in the
  // page. Of a deleted message take back what was told.
  async notify({ seq, of = seq, user, msg, all, file }, before) {
    if (!msg) return this.#withdraw(of)
    const wasMeant = before ? isMeantFor(this.#user, before) : this.#told.has(of)
    if (wasMeant || user === this.#user || !isMeantFor(this.#user, { msg, all })) return
    this.#told.set(of, null)
    const isWanted = this.#notify.checked || this.#sound.checked
    if (!isWanted || isAttended()) return
    const speaks = await this.#oneTab.speaksOf(seq)
    if (!speaks || this.#isRead(seq) || !this.#told.has(of)) return
    if (this.#notify.checked) {
      const body = file ? `${msg}\nsent ${file.name}` : msg
      this.#told.set(of, this.#show(user, { body, tag: `message-${seq}` }))
    }
    if (this.#sound.checked) play()
  }

  #withdraw(of) {
    this.#told.get(of)?.close()
    this.#told.delete(of)
  }

  #recall() {
    const isAllowed = !this.#notify.disabled && isGranted()
    this.#notify.checked = recall("notify") === "on" && isAllowed
    this.#sound.checked = recall("sound") === "on"
  }

  async #toggleNotify() {
    const isWanted = this.#notify.checked
    const permission = isWanted ? await Notification.requestPermission() : ""
    this.#notify.checked = permission === "granted"
    remember("notify", this.#notify.checked ? "on" : "")
    if (this.#notify.checked) this.#show("Notifications are on", { tag: "on" })
    if (permission === "denied") this.#giveUp()
  }

  #toggleSound() {
    remember("sound", this.#sound.checked ? "on" : "")
    if (this.#sound.checked) play()
  }

  // The tag of a notification lets all tabs show it once. Return it if there is one.
  #show(title, options) {
    try {
      const notification = new Notification(title, options)
      notification.onclick = () => {
        window.focus()
        notification.close()
      }
      return notification
    } catch {
      this.#giveUp() // Chrome for Android has no notifications of pages, and says so only here
      return null
    }
  }

  #giveUp() {
    remember("notify", "")
    this.#notify.checked = false
    this.#notify.disabled = true
    this.#notify.previousElementSibling.append(" (this browser does not allow it)")
  }
}

function isGranted() {
  return "Notification" in window && Notification.permission === "granted"
}

function play() {
  const audio = new AudioContext()
  const tone = new OscillatorNode(audio, { frequency: PITCH })
  const volume = new GainNode(audio, { gain: VOLUME })
  tone.connect(volume).connect(audio.destination)
  tone.start()
  tone.stop(audio.currentTime + SOUND_LENGTH)
  tone.onended = () => audio.close()
}
