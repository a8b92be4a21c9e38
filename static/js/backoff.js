// Pauses between attempts, with full jitter: pages that the same failure disconnected do not come
// back all at once.

const FIRST_PAUSE = 500 // ms
const LONGEST_PAUSE = 30_000 // ms

export class Backoff {
  #attempts = 0

  // Return how long to wait before the next attempt, in ms.
  next() {
    return Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#attempts++)
  }

  reset() {
    this.#attempts = 0
  }
}
