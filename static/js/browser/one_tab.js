// One tab speaks for all tabs of a person in this browser: the one they look at, or any other. Web
// Locks would do it, too, but are missing over plain HTTP.

import { isAttended } from "./attention.js"

const PATIENCE = 300 // ms in which other tabs may object

export class OneTab {
  #channel
  #rank = Math.random() + 1 // the lowest of all tabs speaks
  #claimed = new Set() // what this tab is about to speak of, by number
  #spoken = 0 // the highest number that it has spoken of

  constructor(user) {
    this.#channel = new BroadcastChannel(`speaks:${user}`)
    this.#channel.onmessage = ({ data }) => this.#hear(data)
  }

  // Return true if it is this tab that speaks of something, which has a number.
  async speaksOf(seq) {
    this.#claimed.add(seq)
    this.#channel.postMessage({ seq, rank: this.#rankOf(seq) })
    await new Promise((resolve) => setTimeout(resolve, PATIENCE))
    const speaks = this.#claimed.delete(seq) && !isAttended()
    if (speaks) this.#spoken = Math.max(this.#spoken, seq)
    return speaks
  }

  #hear({ seq, rank }) {
    const own = this.#rankOf(seq)
    if (rank < own) this.#claimed.delete(seq)
    else if (rank > own && (own === 0 || this.#claimed.has(seq))) {
      this.#channel.postMessage({ seq, rank: own })
    }
  }

  // 0: no other tab need speak.
  #rankOf(seq) {
    return isAttended() || seq <= this.#spoken ? 0 : this.#rank
  }
}
