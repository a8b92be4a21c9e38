// The WebSocket: opens it, opens it again, and hands its frames on one after the other.

import { Backoff } from "./backoff.js"

const SIGNED_OUT = 4401 // close code
const LOOK_EVERY = 10_000 // ms
const ASLEEP = 90_000 // ms; hidden tabs may be held up for a minute, so longer than that

export class Connection {
  #since
  #receive
  #ended
  #socket = null
  #greeted = false // by this socket
  #wasHere = false // by any, so that coming back is no news to the others
  #backoff = new Backoff()
  #timer = null
  #work = Promise.resolve()

  constructor({ since, receive, ended }) {
    this.#since = since
    this.#receive = receive
    this.#ended = ended
    window.addEventListener("online", () => this.#renew())
    document.addEventListener("visibilitychange", () => this.#hurry())
    window.addEventListener("pageshow", () => this.#hurry())
    this.#noticeSleep()
  }

  open() {
    clearTimeout(this.#timer)
    this.#timer = null
    this.#greeted = false
    const url = new URL("/ws", location.href)
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:"
    url.searchParams.set("since", this.#since())
    if (this.#wasHere) url.searchParams.set("returning", "")
    const socket = (this.#socket = new WebSocket(url, "chat.v1"))
    socket.onmessage = (event) => this.#enqueue(socket, JSON.parse(event.data))
    socket.onclose = (event) => this.#enqueue(socket, null, event)
  }

  // Says whether the frame went to the socket; whether it arrived, only an answer tells.
  send(frame) {
    if (!this.#greeted || this.#socket.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(frame))
    return true
  }

  // Frames are handled in order, also while one of them waits for history to load.
  #enqueue(socket, frame, closeEvent) {
    this.#work = this.#work
      .then(() => (closeEvent ? this.#closed(closeEvent) : this.#handle(frame)))
      .catch((error) => {
        console.error(error)
        socket.close()
      })
  }

  async #handle(frame) {
    if (frame.type === "hello") {
      this.#greeted = this.#wasHere = true
      this.#backoff.reset()
    }
    await this.#receive(frame)
  }

  async #closed({ code, wasClean }) {
    if (code === SIGNED_OUT) return location.assign("/login")
    if (this.#greeted) {
      this.#greeted = false
      this.#ended(wasClean)
    } else if (await signedOut()) {
      return location.assign("/login")
    }
    this.#timer = setTimeout(() => this.open(), this.#backoff.next())
  }

  #hurry() {
    if (this.#timer !== null && document.visibilityState === "visible") this.open()
  }

  // A socket that slept, or changed networks, may be dead without knowing it.
  #renew() {
    if (this.#timer !== null) return this.open()
    if (!this.#greeted) return
    const socket = this.#socket
    socket.onmessage = socket.onclose = null
    socket.close()
    this.#enqueue(socket, null, { code: 1006, wasClean: false })
  }

  #noticeSleep() {
    let last = Date.now()
    setInterval(() => {
      if (Date.now() - last > ASLEEP) this.#renew()
      last = Date.now()
    }, LOOK_EVERY)
  }
}

// A browser does not tell why an upgrade was refused; a redirect of the page does.
async function signedOut() {
  try {
    const response = await fetch("/", { method: "HEAD", redirect: "manual" })
    return response.type === "opaqueredirect"
  } catch {
    return false
  }
}
