// Pauses between attempts, with full jitter: whom the same fault stopped come back spread out.

const FIRST_PAUSE = 500 // ms
const LONGEST_PAUSE = 30_000 // ms

export class Backoff {
  #attempts = 0

  // How long to wait before the next attempt, in ms.
  next() {
    return Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#attempts++)
  }

  reset() {
    this.#attempts = 0
  }
}
