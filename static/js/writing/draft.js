// The draft: the text in the field, and the message that it answers, survive a reload. It belongs to
// one user, because others may use the same browser, and to one tab, so that sending in one does not
// delete what is written in another.

import { keysOf, onTakenOver, recall, remember, takeOver } from "../browser/storage.js"

// Between a quote and the text it stands for the newline of the message: no field can have it.
const END_OF_QUOTE = "\r"

// Call a function when what is written changes: the text of the field, or what it answers.
export function listenToText(field, onchange) {
  field.addEventListener("input", onchange)
  field.addEventListener("change", onchange)
}

// Return a reply as one text, to be kept; `quote` is "" if the text answers nothing.
export function draftOf({ quote, text }) {
  return quote ? quote.slice(0, -1) + END_OF_QUOTE + text : text
}

// Return the quote and the text of a draft.
export function partsOf(draft) {
  const end = draft.indexOf(END_OF_QUOTE)
  if (end < 0) return { quote: "", text: draft }
  return { quote: `${draft.slice(0, end)}\n`, text: draft.slice(end + 1) }
}

export class Draft {
  #prefix
  #key
  #text = "" // also kept here, in case the browser does not store it
  #isPaused = false

  constructor(field, { composer, user, tab }) {
    this.#prefix = `draft:${user}:`
    this.#key = this.#prefix + tab
    // What a refused form brings back, or was typed before the scripts were there.
    const typed = field.value
    const kept = recall(this.#key) || (typed ? "" : this.#leftByAnother())
    const both = kept.endsWith(END_OF_QUOTE) ? kept + typed : [kept, typed].filter(Boolean).join("\n")
    this.#store(typed.includes(kept) ? typed : both)
    listenToText(field, () => this.#isPaused || this.#store(composer.draft))
    onTakenOver(this.#key, () => remember(this.#key, this.#text)) // but this tab is still open
  }

  get text() {
    return this.#text
  }

  // Let the draft answer a message while the field shows something else.
  reply(quote) {
    this.#store(draftOf({ ...partsOf(this.#text), quote }))
  }

  // A message was deleted: if the draft answers it, it does not repeat what it said any more.
  forget(seq) {
    const { quote, text } = partsOf(this.#text)
    const [begin, answered] = /^> .+? #(\d+): /.exec(quote) ?? []
    if (Number(answered) === seq) this.#store(draftOf({ quote: `${begin}…\n`, text }))
  }

  // Ignore the field while it holds a text that is no draft.
  pause() {
    this.#isPaused = true
  }

  resume() {
    this.#isPaused = false
  }

  // Return the latest draft of another tab. If that is still open, it keeps it, too.
  #leftByAnother() {
    const formerKey = this.#prefix.slice(0, -1) // of all tabs of a former version
    return takeOver(this.#others().at(-1) ?? formerKey)
  }

  #store(text) {
    if (text === this.#text) return
    if (!text) {
      // It was sent or removed, so a copy that a closed tab has left must not come back.
      for (const key of this.#others()) if (recall(key) === this.#text) takeOver(key)
    }
    this.#text = text
    remember(this.#key, text)
  }

  #others() {
    return keysOf(this.#prefix).filter((key) => key !== this.#key)
  }
}
