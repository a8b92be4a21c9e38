// Unread messages: counted in the title, on the icon of an installed page, and on the button that
// leads to the end, until the reader looks at the end. Those that mention or answer the reader have a
// button that leads to one after the other, until each was in view.

import { isAttended, onAttention } from "../browser/attention.js"

export class Unread {
  onerror = () => {} // called with a text
  #onread
  #log
  #button
  #mentioned // the button to what is meant for the reader
  #firstUnread // the button back, once the reader went to the end
  #since // the seq after which messages are unread, apart from what has been in view
  #seen = new Set() // the seqs of messages meant for the reader that were in view
  #title = document.title
  #onIcon = null // unknown: an earlier page may have left any number there
  #arrived = new Set() // the seqs of unread messages that came since the page was opened
  #hasReadHistory = false // the messages that were new when the page was opened

  // `onread` is called when the reader has read everything.
  constructor(log, { button, mentioned, firstUnread }, onread) {
    this.#log = log
    this.#onread = onread
    this.#button = button
    this.#mentioned = mentioned
    this.#firstUnread = firstUnread
    this.#since = log.read || log.last // nothing is unread to a reader who was never here
    log.scroll.onchange = () => this.#update()
    onAttention(() => this.#update())
    button.addEventListener("click", () => this.#goToEnd())
    mentioned.addEventListener("click", () => this.#goToMention())
    firstUnread.addEventListener("click", () => this.#goBack())
    this.#update()
  }

  // Count a message that has just come. It counts as read once the log has followed it: the reader
  // may be scrolling away, of which the browser tells with the next picture.
  add({ seq, user, state }) {
    const isNew = seq > this.#since && user !== this.#log.user && state !== "deleted"
    if (isNew) this.#arrived.add(seq)
    if (!this.#readsAlong) this.#show() // nothing more is in view
    else if (!this.#arrived.size) this.#update()
  }

  // A message has changed: a deleted one can't be read any more.
  change({ of, state }) {
    if (state === "deleted") this.#arrived.delete(of)
    if (!this.#arrived.size || !this.#readsAlong) this.#update()
  }

  // The reader has read up to a message somewhere else.
  markRead(mark) {
    for (const seq of this.#arrived) if (seq <= mark) this.#arrived.delete(seq)
    this.#since = Math.max(this.#since, mark)
    this.#log.markRead(mark)
    if (!this.#log.news.count) this.#firstUnread.hidden = true
    this.#update()
  }

  // Start again after the log was reloaded.
  reset() {
    this.#arrived.clear()
    this.#hasReadHistory = false
    this.#update()
  }

  get #readsAlong() {
    return this.#log.scroll.isAtEnd && isAttended()
  }

  #update() {
    if (this.#readsAlong) {
      this.#arrived.clear()
      this.#hasReadHistory = true
      this.#onread()
    }
    if (isAttended()) {
      for (const seq of this.#mentions) if (this.#log.isInView(seq)) this.#seen.add(seq)
    }
    this.#show()
  }

  #show() {
    const { count, more } = this.#hasReadHistory ? { count: 0, more: "" } : this.#log.news
    this.#showCount(this.#arrived.size + count, more)
    this.#showMentions(more || (this.#log.mayHaveMoreMeant ? "+" : ""))
  }

  get #mentions() {
    return this.#log.meantForReader(this.#since).filter((seq) => !this.#seen.has(seq))
  }

  // `more` is "+" if there may be mentions that the page does not know.
  #showMentions(more) {
    const count = this.#mentions.length
    this.#mentioned.hidden = !count
    const text = `${count}${more} ${count === 1 && !more ? "mention" : "mentions"}`
    if (this.#mentioned.textContent !== text) this.#mentioned.textContent = text
  }

  async #goToMention() {
    const [seq] = this.#mentions
    this.#offerFirstUnread()
    await this.#leave(this.#mentioned, async () => {
      await this.#log.goToMention(seq)
      this.#seen.add(seq)
      this.#update()
    })
  }

  async #goBack() {
    await this.#leave(this.#firstUnread, async () => {
      await this.#log.goToNew()
      this.#firstUnread.hidden = true
    })
  }

  #offerFirstUnread() {
    if (!this.#hasReadHistory && this.#log.news.count) this.#firstUnread.hidden = false
  }

  // `more` is "+" if there are more than can be counted.
  #showCount(count, more) {
    const title = count ? `(${count}${more}) ${this.#title}` : this.#title
    if (document.title !== title) document.title = title
    if (this.#onIcon !== count) showOnIcon((this.#onIcon = count))
    this.#button.hidden = this.#log.scroll.isAtEnd
    const messages = count === 1 ? "message" : "messages"
    const text = count ? `${count}${more} new ${messages}` : "To the end"
    if (this.#button.textContent !== text) this.#button.textContent = text
  }

  async #goToEnd() {
    this.#offerFirstUnread()
    await this.#leave(this.#button, () => this.#log.goToEnd())
  }

  // Go from a button, which may be hidden then, elsewhere.
  async #leave(button, go) {
    const hadFocus = document.activeElement === button
    try {
      await go()
      this.onerror("")
    } catch {
      this.onerror("The messages could not be loaded. Please try again")
    }
    if (hadFocus && button.hidden) this.#log.focus()
  }
}

// Only an installed page has an icon of its own, and browsers may refuse.
function showOnIcon(count) {
  navigator.setAppBadge?.(count).catch(() => {})
}
