// The WebSocket connection: reconnects by itself, and handles the server's frames one after the
// other. Where no socket can be opened it polls instead.

import { askServer } from "../browser/server.js"
import { Backoff } from "./backoff.js"

const SIGNED_OUT = 4401 // close code
const BLOCKED_AFTER = 2 // failures in a row; after a single one the network may just have come back
const ANSWER_WITHIN = 10_000 // ms; the server needs at most five seconds
const CHECK_EVERY = 10_000 // ms
const TURN = 30 // ms in which frames that wait are handled, before the reader's keys get their turn
const DRAWN_WITHIN = 100 // ms; longer only in a covered window
const ASLEEP_AFTER = 90_000 // ms; browsers run the timers of hidden tabs once a minute

export class Connection {
  #since
  #polling
  #onframe
  #ondisconnect
  #onunreachable
  #onblocked
  #socket = null
  #isReady = false // this socket has received the hello frame
  #isReturning = false // this page was connected before; the server need not announce the reader again
  #refusals = 0 // sockets in a row that could not be opened although the server answered
  #backoff = new Backoff()
  #timer = null // runs while there is no socket
  #answerTimer = null // runs from sending something that has an answer until anything comes
  #queue = Promise.resolve() // frames that are being handled or wait for that
  #waiting = 0 // so many
  #turnEnds = 0

  // `since` returns the seq of the last entry that the page shows; the server replays later ones.
  // `onframe` may return a promise; `ondisconnect` is told whether the connection ended cleanly;
  // `onunreachable` is called when no socket can be opened because the server does not answer,
  // `onblocked` when none can although it does.
  constructor({ since, polling, onframe, ondisconnect, onunreachable, onblocked }) {
    this.#since = since
    this.#polling = polling
    this.#onframe = onframe
    this.#ondisconnect = ondisconnect
    this.#onunreachable = onunreachable
    this.#onblocked = onblocked
    window.addEventListener("online", () => this.#reconnect())
    window.addEventListener("offline", () => this.#timer === null && this.#reconnect())
    document.addEventListener("visibilitychange", () => this.#openIfVisible())
    window.addEventListener("pageshow", () => this.#openIfVisible())
    this.#reconnectAfterSleep()
  }

  open() {
    clearTimeout(this.#timer)
    this.#timer = null
    this.#isReady = false
    const url = new URL("/ws", location.href)
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:"
    url.searchParams.set("since", this.#since())
    if (this.#isReturning) url.searchParams.set("returning", "")
    const socket = (this.#socket = new WebSocket(url, "chat.v1"))
    socket.onmessage = (event) => {
      this.#stopWaiting()
      this.#enqueue(socket, () => this.#handle(JSON.parse(event.data)))
    }
    socket.onclose = (event) => {
      socket.onclose = null // it is closed for #reconnect, too, though #closed waits for its turn
      this.#enqueue(socket, () => this.#closed(event))
    }
  }

  // Return true if the frame went out. Only an answer shows that it arrived. Without a socket a
  // message goes out only while polling replaces the connection.
  send(frame) {
    if (!this.#isReady || this.#socket.readyState !== WebSocket.OPEN) {
      return this.#polling.send(frame)
    }
    this.#socket.send(JSON.stringify(frame))
    if (frame.nonce) this.#answerTimer ??= setTimeout(() => this.#reconnect(), ANSWER_WITHIN)
    return true
  }

  #stopWaiting() {
    clearTimeout(this.#answerTimer)
    this.#answerTimer = null
  }

  // Frames stay in order even while one of them waits for older messages to load.
  #enqueue(socket, handle) {
    this.#waiting++
    const inTurn = async () => {
      await this.#giveWay()
      this.#waiting--
      await handle()
    }
    this.#queue = this.#queue.then(inTurn).catch((error) => {
      console.error(error)
      socket.close()
    })
  }

  // More than a thousand frames may wait for the log to load. Promises alone would let the browser do
  // nothing else before the last of them.
  async #giveWay() {
    if (performance.now() < this.#turnEnds) return
    if (this.#waiting > 1 && !document.hidden) await nextDrawing()
    await nextTask()
    this.#turnEnds = performance.now() + TURN
  }

  async #handle(frame) {
    if (frame.type === "hello") {
      this.#isReady = this.#isReturning = true
      this.#refusals = 0
      this.#backoff.reset()
      this.#polling.stop()
    }
    await this.#onframe(frame)
  }

  async #closed({ code, wasClean }) {
    this.#stopWaiting()
    if (code === SIGNED_OUT) return location.assign("/login")
    if (this.#isReady) {
      this.#isReady = false
      this.#ondisconnect(wasClean)
    } else {
      const answer = await askServer()
      if (answer === "signed out") return logIn()
      this.#refusals = answer === "signed in" ? this.#refusals + 1 : 0
      if (answer !== "signed in") this.#onunreachable()
      if (this.#refusals >= BLOCKED_AFTER) {
        this.#polling.start()
        this.#onblocked()
      }
    }
    this.#timer = setTimeout(() => this.open(), this.#backoff.next())
  }

  #openIfVisible() {
    if (this.#timer !== null && document.visibilityState === "visible") this.open()
  }

  // After sleep, a change of networks or in a dead spot a socket may be dead without a close event.
  #reconnect() {
    if (this.#timer !== null) return this.open()
    const socket = this.#socket
    if (!this.#isReady || socket.onclose === null) return // it is being opened, or closed already
    socket.onmessage = socket.onclose = null
    socket.close()
    this.#enqueue(socket, () => this.#closed({ code: 1006, wasClean: false }))
  }

  #reconnectAfterSleep() {
    let last = Date.now()
    setInterval(() => {
      if (Date.now() - last > ASLEEP_AFTER) this.#reconnect()
      last = Date.now()
    }, CHECK_EVERY)
  }
}

// Wait until the browser is about to draw what there is.
function nextDrawing() {
  return new Promise((resolve) => {
    requestAnimationFrame(resolve)
    setTimeout(resolve, DRAWN_WITHIN)
  })
}

// Wait until the browser has done what is more urgent. Unlike a timer it is not slow in a hidden tab.
function nextTask() {
  const { port1, port2 } = new MessageChannel()
  return new Promise((resolve) => {
    port1.onmessage = resolve
    port2.postMessage(null)
  })
}

// Let the reader log in again, and come back to where they were.
function logIn() {
  const here = location.pathname + location.search
  location.assign(here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`)
}
