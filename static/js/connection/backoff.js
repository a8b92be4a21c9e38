// Pauses between attempts, with full jitter: pages that the same failure disconnected do not come
// back all at once.

const FIRST_PAUSE = 500 // ms
const LONGEST_PAUSE = 10_000 // ms; with 30 s the last of 2,000 pages come back only 23 s after a restart of 3 s

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
