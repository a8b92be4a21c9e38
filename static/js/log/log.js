// The log: shows each message once and in order, and updates it in place when it is changed.

import { addressOf, idOf, seqOf } from "./addresses.js"
import { fetchLog } from "./fetch_log.js"
import { placeInGroup, keepDayNames } from "./grouping.js"
import { createMessage, entryOf, formatLog, formatMessage, updateMessage } from "./message.js"
import { NewDivider } from "./new_divider.js"
import { NewerMessages } from "./newer_messages.js"
import { OlderMessages } from "./older_messages.js"
import { OwnMessages } from "./own_messages.js"
import { ScrollPosition } from "./scroll_position.js"

// A row of the log is a message or a divider.
const MAX_ROWS = 2000 // in the page; beyond that the oldest are removed, and can be loaded again
const ROWS_KEPT = 1500 // then, so that removing is rare

export class Log {
  scroll
  element
  #history // messages that came with a page, which screen readers do not read out
  #live // rows that came since, which they do
  #older
  #newer
  #isLed = false // true once the reader has gone somewhere
  #latest = 0 // seq of the last message that came, perhaps not shown
  #newDivider
  #ownMessages
  #isSettled = false // the reader is where they left off
  #changes // the last change of each message, by the message's seq

  constructor(element) {
    this.element = element
    this.#history = element.querySelector(".log__history")
    this.#live = element.querySelector(".log__live")
    this.#setUpHistory()
    this.scroll = new ScrollPosition(element)
    this.#older = new OlderMessages(element, (page) => this.#prepend(page))
    this.#newer = new NewerMessages(element, (page) => this.#append(page))
    this.scroll.isAway = this.#newer.areThere
    const target = element.querySelector(".message--target")
    if (target) this.scroll.goToMiddle(target)
    if (target || seqOf(location)) this.#isSettled = true
    else this.#goToFirstNew()
    keepDayNames(element)
  }

  get user() {
    return this.element.dataset.user
  }

  get isModerator() {
    return this.element.dataset.moderator !== undefined
  }

  // Mark the message that is being edited; null: none.
  mark(seq) {
    this.element.querySelector(".message--editing")?.classList.remove("message--editing")
    if (seq) document.getElementById(idOf(seq))?.classList.add("message--editing")
  }

  // The seq of the last entry that is shown.
  get last() {
    return Number(this.element.dataset.last)
  }

  // The seq of the last entry that the reader had read when the page was made.
  get read() {
    return Number(this.element.dataset.read)
  }

  // The reader has read up to a message somewhere else: what is new begins after it.
  markRead(seq) {
    this.#newDivider.move(seq)
    this.scroll.keep(() => {
      const former = this.#newDivider.place(this.#messages)
      const now = this.#newDivider.element.nextElementSibling
      for (const message of [former, now]) if (message && former !== now) placeInGroup(message)
    })
  }

  // The messages after a seq that mention or answer the reader.
  meantForReader(seq) {
    const meant = [...this.element.querySelectorAll(".message--for-reader:not(.message--own)")]
    return meant.filter(({ dataset }) => Number(dataset.seq) > seq)
  }

  // False while the log loads what is new, and shows what the reader does not look at.
  get isSettled() {
    return this.#isSettled
  }

  // Go to the line "New". It may have left the page.
  goToNew() {
    if (this.#newDivider.element.isConnected) this.scroll.goTo(this.#newDivider.element)
  }

  // How many messages others sent since the reader's last visit.
  get newCount() {
    return this.#newDivider.newOf(this.#messages).length
  }

  // True if there may be more of them than the page has.
  get hasMoreNew() {
    return this.#newDivider.isBefore(this.#messages[0])
  }

  // The authors of all messages in the page, the latest first.
  get authors() {
    return this.#messages.map(({ dataset }) => dataset.user).reverse()
  }

  // Return the reader's own message as it was typed, { seq, msg, time }, or null once the author
  // can't change it any more.
  ownChangeable(seq) {
    return this.#ownMessages.changeable(seq)
  }

  lastOwnChangeable() {
    return this.#ownMessages.lastChangeable()
  }

  focus() {
    this.element.focus()
  }

  // Show a message at the end. Return true if it is new.
  show(entry) {
    if (entry.seq <= this.last) return false
    this.#ownMessages.add(entry)
    this.element.dataset.last = entry.seq
    this.#latest = entry.seq
    if (this.#newer.areThere) return true // it is shown when the reader gets there
    this.element.querySelector(".log__empty")?.remove()
    const message = createMessage(entry, this.user)
    this.#live.append(message)
    placeInGroup(message)
    this.#rowAdded()
    return true
  }

  // Show a message as it is after a change. Return it as it was, undefined if it is not in the page.
  change(entry) {
    if (entry.seq <= this.last) return undefined
    this.element.dataset.last = entry.seq
    this.#changes.set(entry.of, entry) // a page of older messages may be loading with its old text
    return this.#change({ ...entry, seq: entry.of })
  }

  // Replace all rows by the messages of a new copy of the page: the server does not replay as much
  // as was missed.
  async reload() {
    const place = this.#newer.areThere ? this.place : null
    const page = await fetchLog(place ? addressOf(place.seq) : "/")
    this.element.dataset.last = this.#latest = 0
    this.#replace(page)
    if (place) await this.goBackTo(place)
  }

  // Where the reader is: { isAtEnd }, or the message at the top of the view, { seq, offset }.
  get place() {
    const { isAtEnd, firstInView } = this.scroll
    if (isAtEnd || !firstInView) return { isAtEnd: true }
    const { message, offset } = firstInView
    return { seq: Number(message.dataset.seq), offset }
  }

  // Go to a message, loading those around it if it is not in the page. Return false if there is none.
  async goTo(seq) {
    const message = await this.#find(seq)
    this.#markTarget(message)
    if (!message) return false
    message.tabIndex = -1
    message.focus({ preventScroll: true })
    this.scroll.goToMiddle(message)
    return true
  }

  // Go to where the reader was before. Return false if its message is not there any more.
  async goBackTo({ seq, offset }) {
    const message = await this.#find(seq)
    this.#markTarget(document.getElementById(idOf(seqOf(location))))
    if (message) this.scroll.goToOffset(message, offset)
    return message !== null
  }

  async goToEnd() {
    if (seqOf(location)) history.replaceState(history.state, "", "/")
    this.#isLed = true
    this.#markTarget(null)
    this.scroll.goToEnd()
    if (!this.#newer.areThere) return
    const page = await fetchLog("/").catch(() => null) // the link to newer messages is in sight
    if (page) this.#replace(page)
  }

  // Show what is new or has changed in a new copy of the page. Return the new messages, and those
  // that have changed, as { entry, before }.
  update(page) {
    const entries = messagesOf(page).map(entryOf)
    const added = entries.filter(({ seq }) => seq > this.last)
    const changed = []
    const isGap = added.length && added.length === entries.length && added[0].seq > this.last + 1
    if (isGap && !this.#newer.areThere) {
      this.#replace(page) // there are more between
    } else {
      for (const entry of entries) {
        const before = entry.state && entry.seq <= this.last && this.#change(entry)
        if (before && !isSame(before, entry)) changed.push({ entry, before })
      }
      for (const entry of added) this.show(entry)
      // Never back: another process, which lags behind, may have sent the page.
      this.element.dataset.last = Math.max(this.last, page.dataset.last)
    }
    return { added, changed }
  }

  #replace(page) {
    for (const row of this.#rows) row.remove()
    this.#history.append(...messagesOf(page))
    this.#older.continueFrom(page)
    const { last, read, now } = page.dataset
    Object.assign(this.element.dataset, { last: Math.max(this.last, last), read, now })
    this.#setUpHistory()
    this.#continueAfter(page)
    this.scroll.goToEnd()
  }

  // Return a message, after loading those around it if it is not in the page; null: there is none.
  async #find(seq) {
    this.#isLed = true
    const id = idOf(seq)
    if (!document.getElementById(id)) {
      const page = await fetchLog(addressOf(seq))
      if (page.querySelector(`#${id}`)) this.#replace(page)
    }
    return document.getElementById(id)
  }

  #markTarget(message) {
    const former = this.element.querySelector(".message--target")
    former?.classList.remove("message--target")
    message?.classList.add("message--target")
    for (const changed of [former, message]) if (changed) placeInGroup(changed)
  }

  // Show that messages are missing after those of a page, or that the log reaches to the newest.
  #continueAfter(page) {
    const isEnd = !page.querySelector("#newer") && Number(page.dataset.last) >= this.#latest
    this.#newer.continueAfter(isEnd ? null : (this.#messages.at(-1)?.dataset.seq ?? 0))
    this.scroll.isAway = !isEnd
  }

  #append(page) {
    const newer = messagesOf(page)
    this.#ownMessages.addFrom(page)
    this.#history.append(...newer)
    for (const message of newer) this.#format(message)
    this.#newDivider.place(this.#messages)
    for (const message of newer) placeInGroup(message)
    this.#continueAfter(page)
  }

  get #messages() {
    return messagesOf(this.element)
  }

  get #rows() {
    return [...this.element.querySelectorAll(".message, .day, .log__new")]
  }

  // Show a message of the log as it is now. Return it as it was, undefined if it is not in the page.
  #change(entry) {
    this.#ownMessages.change(entry)
    const message = this.#messages.find(({ dataset }) => Number(dataset.seq) === entry.seq)
    if (!message) return undefined
    const shown = entryOf(message)
    if (!isSame(shown, entry)) this.scroll.keep(() => updateMessage(message, entry, this.user))
    return shown
  }

  // Begin where the reader left off, even if that is not in the page yet.
  async #goToFirstNew() {
    const { element } = this.#newDivider
    if (element.isConnected) this.scroll.goTo(element)
    let hasLoaded = true
    while (this.hasMoreNew && hasLoaded && this.#rows.length < MAX_ROWS) {
      hasLoaded = await this.#older.load()
    }
    if (!this.#isLed && element.isConnected) this.scroll.goTo(element)
    this.#isSettled = true
    this.scroll.onchange()
  }

  #setUpHistory() {
    this.#newDivider = new NewDivider(this.element.dataset)
    this.#newDivider.place(this.#messages)
    this.#ownMessages = new OwnMessages(this.element.dataset)
    this.#ownMessages.addFrom(this.element)
    this.#changes = new Map()
    for (const message of this.#messages) removeLink(message)
    formatLog(this.element)
  }

  // Call it after placeInGroup(), which may change the height of the row.
  #rowAdded() {
    if (this.scroll.isAtEnd) this.#trim()
    this.scroll.follow()
  }

  #trim() {
    if (this.#history.childElementCount + this.#live.childElementCount <= MAX_ROWS) return
    this.scroll.keep(() => {
      for (const row of this.#rows.slice(0, -ROWS_KEPT)) row.remove()
      const [first] = this.#messages
      this.#older.continueBefore(first?.dataset.seq ?? this.last + 1)
      if (first) placeInGroup(first)
    })
  }

  #prepend(page) {
    const older = messagesOf(page)
    this.scroll.keep(() => {
      const [first] = this.#messages
      this.#ownMessages.addFrom(page)
      this.#history.prepend(...older)
      for (const message of older) this.#format(message)
      const formerlyAfterDivider = this.#newDivider.place(this.#messages)
      const moved = [...older, first, formerlyAfterDivider].filter(Boolean)
      for (const message of moved) placeInGroup(message)
      this.#older.continueFrom(page)
    })
  }

  // Format an older message, and apply a change that came while its page was loading.
  #format(message) {
    removeLink(message)
    formatMessage(message, this.user)
    const change = this.#changes.get(Number(message.dataset.seq))
    if (!change) return
    this.#ownMessages.change({ ...change, seq: change.of })
    updateMessage(message, change, this.user)
  }
}

function messagesOf(log) {
  return [...log.querySelectorAll(".message")]
}

// Instead of the link to a page where it can be changed there are buttons.
function removeLink(message) {
  message.querySelector(".message__change")?.remove()
}

function isSame(shown, entry) {
  return shown.msg === entry.msg && shown.state === entry.state
}
