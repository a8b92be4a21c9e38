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
    document.addEventListener("visibilitychange", () => document.hidden && this.#report())
    // A reload requests the new page, which shows what is new, before this one becomes hidden.
    window.addEventListener("beforeunload", () => this.#report())
  }

  move(seq) {
    this.#read = seq
    if (this.#timer === null) this.#keepReporting()
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
}
