// The names of everybody with an account: a few for each beginning, asked of the server when it is
// typed, because a room may have thousands.

import { fetchJSON } from "../browser/fetch_json.js"
import { caseless } from "../log/names.js"

const FRESH_FOR = 60_000 // ms; somebody may have registered or left since

export class Accounts {
  onanswer = () => {}
  #fetchNames
  #answers = new Map() // by beginning: { names, more, time }
  #wanted = null // the beginning to ask for next
  #isAsking = false

  // `fetchNames` returns { names, more } for a beginning.
  constructor(fetchNames = fromServer) {
    this.#fetchNames = fetchNames
  }

  get names() {
    return [...this.#answers.values()].flatMap(({ names }) => names)
  }

  // Return whether all names that begin like this are known.
  knowsAll(beginning) {
    return this.#hasAnswer((asked, { more }) => !more && caseless(beginning).startsWith(asked))
  }

  // Return whether a name is known not to be an account's.
  isNobody(name) {
    const key = caseless(name)
    if (this.names.some((each) => caseless(each) === key)) return false
    // The first in order of all that begin like this would be the name itself.
    const hasAsked = this.#hasAnswer((asked, { isAway }) => asked === key && !isAway)
    return hasAsked || this.knowsAll(name)
  }

  // Return whether nothing is known of a name, not even that the server gave no answer.
  isUnknown(name) {
    const key = caseless(name)
    const isKnown = this.names.some((each) => caseless(each) === key) || this.knowsAll(name)
    return !isKnown && !this.#hasAnswer((asked) => asked === key)
  }

  // Ask for the names that begin like this, one beginning after the other, and only the latest.
  async learn(beginning) {
    this.#wanted = beginning
    if (this.#isAsking) return
    this.#isAsking = true
    while (this.#wanted !== null) {
      const next = this.#wanted
      this.#wanted = null
      if (this.knowsAll(next) || this.#hasAnswer((asked) => asked === caseless(next))) continue
      this.#answers.set(caseless(next), { ...(await this.#ask(next)), time: Date.now() })
      this.onanswer()
    }
    this.#isAsking = false
  }

  async #ask(beginning) {
    try {
      return await this.#fetchNames(beginning)
    } catch {
      return { names: [], more: true, isAway: true } // not asked again at each key
    }
  }

  #hasAnswer(fits) {
    for (const [asked, { time }] of this.#answers) {
      if (time + FRESH_FOR < Date.now()) this.#answers.delete(asked)
    }
    return [...this.#answers].some(([asked, answer]) => fits(asked, answer))
  }
}

function fromServer(beginning) {
  return fetchJSON(`/people/names?${new URLSearchParams({ begin: beginning })}`)
}
