// The read mark: reports to the server how far the reader has read, so that other devices and the
// next visit know.

const REPORT_EVERY = 10_000 // ms

export class ReadMark {
  #connection
  #reported // seq of the last entry that the server knows was read
  #read
  #timer = null

  // `reported` is a seq that the server knows.
  constructor(connection, reported) {
    this.#connection = connection
    this.#reported = this.#read = reported
    document.addEventListener("visibilitychange", () => document.hidden && this.#leave())
    // A reload requests the new page, which shows what is new, before this one becomes hidden.
    window.addEventListener("beforeunload", () => this.#leave())
  }

  // The seq of the last entry that the reader has read, here or elsewhere.
  get read() {
    return this.#read
  }

  move(seq) {
    this.#read = Math.max(this.#read, seq)
    if (this.#timer === null) this.#keepReporting()
  }

  // Report what was read before there was a connection.
  resume() {
    this.#report()
  }

  // Learn how far the server knows that the reader has read. Return true if that was elsewhere.
  learn(seq) {
    const isNews = seq > this.#read
    this.#reported = Math.max(this.#reported, seq)
    this.#read = Math.max(this.#read, seq)
    return isNews
  }

  #keepReporting() {
    const isDue = this.#read > this.#reported
    this.#timer = isDue ? setTimeout(() => this.#keepReporting(), REPORT_EVERY) : null
    if (isDue) this.#report()
  }

  #report() {
    const seq = this.#read
    if (seq <= this.#reported) return
    if (this.#connection.send({ type: "read", seq })) this.#reported = seq
  }

  // The last chance to report, even if the connection does not stand yet or any more.
  #leave() {
    this.#report()
    if (this.#read > this.#reported) postMark((this.#reported = this.#read))
  }
}

// Report how far the reader has read without a socket. The request outlives the page.
export function postMark(seq) {
  // If it fails, the messages are shown as new once more.
  fetch(`/read/${seq}`, { method: "POST", keepalive: true }).catch(() => {})
}
