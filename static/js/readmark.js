// The read mark: tells the server how far the reader has read, so that every device knows it.

const EVERY = 10_000 // ms

export class ReadMark {
  #send
  #told
  #seen
  #timer = null

  // `send` says whether the frame went out; `told` is what the server knows already.
  constructor(send, told) {
    this.#send = send
    this.#told = this.#seen = told
    document.addEventListener("visibilitychange", () => document.hidden && this.#tell())
    // Before a reload asks for a page that says what is new; it is hidden only afterwards.
    window.addEventListener("beforeunload", () => this.#tell())
  }

  move(seq) {
    this.#seen = seq
    if (this.#timer === null) this.#keepTelling()
  }

  #keepTelling() {
    const isDue = this.#seen > this.#told
    this.#timer = isDue ? setTimeout(() => this.#keepTelling(), EVERY) : null
    if (isDue) this.#tell()
  }

  #tell() {
    const seq = this.#seen
    if (seq > this.#told && this.#send({ type: "read", seq })) this.#told = seq
  }
}
