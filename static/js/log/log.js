// The log: shows each message once and in order, and updates it in place when it is changed.

import { addressOf, idOf, newerThan, NEWEST, olderThan, seqOf } from "./addresses.js"
import { fetchLog } from "./fetch_log.js"
import { listenToFolds, unfold } from "./fold.js"
import { placeInGroup, keepDayNames } from "./grouping.js"
import { createMessage, entryOf, formatLog, formatMessage, updateMessage } from "./message.js"
import { MoreMessages } from "./more_messages.js"
import { NewDivider } from "./new_divider.js"
import { OwnMessages } from "./own_messages.js"
import { isMeantFor } from "./quote.js"
import { ScrollPosition } from "./scroll_position.js"

// A row of the log is a message or a divider.
const MAX_ROWS = 1000 // in the page; beyond that some at an end are removed, and can be loaded again
const ROWS_KEPT = 750 // then, so that removing is rare

export class Log {
  onend = () => {} // called when the reader goes to the end
  scroll
  element
  #history // messages that came with a page, which screen readers do not read out
  #live // rows that came since, which they do
  #older
  #newer
  #latest = 0 // seq of the last message that came, perhaps not shown
  #newDivider
  #ownMessages
  #changes // the last change of each message, by the message's seq
  #meant = new Set() // seqs of unread messages that mention or answer the reader, in the page or not
  #edited = null // seq of the message that is being edited, in the page or not
  #way = 0 // changes when the reader goes somewhere: what loads for an earlier way is not shown

  constructor(element) {
    this.element = element
    const scrolled = element.scrollTop // negative: up from the end, before the scripts were there
    this.#history = element.querySelector(".log__history")
    this.#live = element.querySelector(".log__live")
    this.#newDivider = new NewDivider(element.dataset, element.querySelector(".log__new"))
    this.#noteAddressed(element)
    this.#setUpHistory()
    this.scroll = new ScrollPosition(element, () => this.#messages)
    this.#older = new MoreMessages(element, {
      id: "older",
      text: "Older messages",
      addressAt: olderThan,
      onload: (page) => this.#prepend(page),
    })
    this.#newer = new MoreMessages(element, {
      id: "newer",
      text: "Newer messages",
      addressAt: newerThan,
      onload: (page) => this.#append(page),
    })
    this.scroll.isAway = this.#newer.areThere
    const target = element.querySelector(".message--target")
    if (target) this.scroll.goToMiddle(target)
    else if (scrolled < 0) this.scroll.goUp(-scrolled)
    else if (!seqOf(location)) this.#goToFirstNew()
    else this.scroll.update()
    keepDayNames(element)
    listenToFolds(element, (message) => this.scroll.stayAt(message))
  }

  get user() {
    return this.element.dataset.user
  }

  get isModerator() {
    return this.element.dataset.moderator !== undefined
  }

  // Mark the message that is being edited; null: none.
  mark(seq) {
    this.#edited = seq
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
    this.#placeNewDivider()
  }

  // The numbers of the messages after a seq that mention or answer the reader, in their order; the
  // page need not show them.
  meantForReader(seq) {
    return [...this.#meant].filter((each) => each > seq).sort((a, b) => a - b)
  }

  // True if more messages may mention or answer the reader than the page can tell of.
  get mayHaveMoreMeant() {
    return this.element.dataset.moreAddressed !== undefined
  }

  // Return true if a message is in the page, and in view.
  isInView(seq) {
    const message = document.getElementById(idOf(seq))
    return message !== null && this.scroll.isInView(message)
  }

  // Go to the line "New", loading what is around it if it has left the page.
  async goToNew() {
    this.#way++
    if (!this.#newDivider.element.isConnected) {
      const page = await this.#load(addressOf(this.#newDivider.start))
      if (!page) return
      this.#replace(page)
    }
    this.#goToFirstNew()
  }

  // How many messages others sent since the reader's last visit, { count, more }; `more` is "+" if
  // there may be more.
  get news() {
    return this.#newDivider.newsOf(this.#messages, !this.#newer.areThere)
  }

  // The authors of the messages in the page, each once, the latest first.
  get authors() {
    return [...new Set(this.#messages.map(({ dataset }) => dataset.user).reverse())]
  }

  // The numbers of the messages in the page that are deleted.
  get deleted() {
    const isDeleted = (message) => message.classList.contains("message--deleted")
    return this.#messages.filter(isDeleted).map(({ dataset }) => Number(dataset.seq))
  }

  // Return the reader's own message as it was typed, { seq, msg, time, hasFile }, or null once the author
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
    this.#noteIfMeant(entry)
    if (this.#newer.areThere) return true // it is shown when the reader gets there
    if (!this.#rows.length) this.element.querySelector(".log__empty")?.remove()
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
  // as was missed. Whoever was at the end begins with the first that they missed.
  async reload() {
    const { end, ...place } = this.place
    const page = await fetchLog(end === undefined ? addressOf(place.seq) : "/")
    this.element.dataset.last = this.#latest = 0
    this.element.dataset.read = page.dataset.read
    this.#newDivider = new NewDivider(page.dataset)
    this.#meant.clear()
    this.#noteAddressed(page)
    this.#replace(page)
    if (end === undefined) await this.goBackTo(place)
    else this.#goToFirstNew()
  }

  // Where the reader is: the message at the top of the view, { seq, offset }, and at the end also the
  // last entry, { end }.
  get place() {
    const { isAtEnd, firstInView } = this.scroll
    const end = isAtEnd || !firstInView ? { end: this.last } : {}
    if (!firstInView) return end
    const { message, offset } = firstInView
    return { ...end, seq: Number(message.dataset.seq), offset }
  }

  // Go to a message, loading those around it if it is not in the page. Return false if there is none.
  async goTo(seq) {
    const message = await this.#find(seq)
    if (message === undefined) return true
    this.#markTarget(message)
    if (!message) return false
    unfold(message)
    message.tabIndex = -1
    message.focus({ preventScroll: true })
    this.scroll.goToMiddle(message)
    return true
  }

  // Go to a message that mentions or answers the reader, but leave the focus where it is.
  async goToMention(seq) {
    const message = await this.#find(seq)
    if (message) this.scroll.goToMiddle(message)
  }

  // Go to where the reader was before: at the end, if nothing has come since. Return false if its
  // message is not there any more.
  async goBackTo({ seq, offset, end = 0 }) {
    if (end >= this.last) {
      await this.goToEnd()
      return true
    }
    const message = await this.#find(seq)
    this.#markTarget(document.getElementById(idOf(seqOf(location))))
    if (message) this.scroll.goToOffset(message, offset)
    return message !== null
  }

  async goToEnd() {
    if (seqOf(location)) history.replaceState(history.state, "", "/")
    this.onend()
    this.#markTarget(null)
    // Before it scrolls, or the link to newer messages would load what is not wanted. If this fails
    // that link comes into sight.
    const way = ++this.#way
    const page = this.#newer.areThere && (await fetchLog(NEWEST).catch(() => null))
    if (way !== this.#way) return
    if (page) this.#replace(page)
    this.scroll.goToEnd()
  }

  // Show what is new or has changed in a new copy of the page. Return the new messages, and those
  // that have changed, as { entry, before }.
  update(page) {
    const entries = messagesOf(page).map(entryOf)
    const added = entries.filter(({ seq }) => seq > this.last)
    const changed = []
    const isGap = added.length && added.length === entries.length && added[0].seq > this.last + 1
    if (isGap && !this.#newer.areThere) {
      this.element.dataset.last = this.#latest = Number(page.dataset.last)
      this.#showGap(true) // there are more between
      this.#noteAddressed(page)
      this.scroll.update()
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

  // Replace all rows. Call it before going somewhere: what is in view in between counts for nothing.
  #replace(page) {
    this.#remove(this.#rows)
    this.#history.append(...messagesOf(page))
    this.#older.continueFrom(page)
    const { last, now } = page.dataset
    Object.assign(this.element.dataset, { last: Math.max(this.last, last), now })
    this.#setUpHistory()
    this.#continueAfter(page)
    this.element.scrollTop = this.element.scrollHeight
  }

  // Remove rows. If one has the focus, the log gets it, so that the keys go on scrolling.
  #remove(rows) {
    const hadFocus = rows.some((row) => row.contains(document.activeElement))
    for (const row of rows) row.remove()
    if (hadFocus) this.element.focus({ preventScroll: true })
  }

  // Return a message, after loading those around it if it is not in the page; null: there is none,
  // undefined: the reader has gone elsewhere meanwhile.
  async #find(seq) {
    const id = idOf(seq)
    this.#way++
    if (!document.getElementById(id)) {
      const page = await this.#load(addressOf(seq))
      if (!page) return undefined
      if (page.querySelector(`#${id}`)) this.#replace(page)
    }
    return document.getElementById(id)
  }

  // Load a page to go to. Return nothing if the reader has gone elsewhere meanwhile.
  async #load(url) {
    const way = ++this.#way
    try {
      const page = await fetchLog(url)
      return way === this.#way ? page : undefined
    } catch (error) {
      if (way === this.#way) throw error
    }
  }

  #markTarget(message) {
    const former = this.element.querySelector(".message--target")
    former?.classList.remove("message--target")
    message?.classList.add("message--target")
    for (const changed of [former, message]) if (changed) placeInGroup(changed)
  }

  // Note those messages to the reader of which a page tells, but which it does not show.
  #noteAddressed(page) {
    for (const entry of JSON.parse(page.dataset.addressed ?? "[]")) this.#noteIfMeant(entry)
  }

  #noteIfMeant(entry) {
    const { seq, user, state } = entry
    const isMeant =
      seq > this.read && user !== this.user && state !== "deleted" && isMeantFor(this.user, entry)
    if (isMeant) this.#meant.add(seq)
    else this.#meant.delete(seq)
  }

  // Show that messages are missing after those of a page, or that the log reaches to the newest.
  #continueAfter(page) {
    const isEnd = !page.querySelector("#newer") && Number(page.dataset.last) >= this.#latest
    this.#showGap(!isEnd)
  }

  #showGap(isGap) {
    this.#newer.continueAt(isGap ? (this.#messages.at(-1)?.dataset.seq ?? 0) : null)
    this.scroll.isAway = isGap
  }

  // Add newer messages that come with a page. After rows that have come over the socket they say that
  // screen readers need not read them out.
  #addNewer(messages) {
    if (!this.#live.hasChildNodes()) return this.#history.append(...messages)
    for (const message of messages) message.ariaLive = "off"
    this.#live.append(...messages)
  }

  #append(page) {
    const newer = messagesOf(page)
    this.#ownMessages.addFrom(page)
    this.#addNewer(newer)
    for (const message of newer) this.#format(message)
    this.#newDivider.place(this.#messages)
    for (const message of newer) placeInGroup(message)
    this.#continueAfter(page)
    this.scroll.update()
    this.#trim()
  }

  // Not by a selector, which would look at everything in the rows.
  get #rows() {
    return [...this.#history.children, ...this.#live.children]
  }

  get #messages() {
    return this.#rows.filter(isMessage)
  }

  // Show a message of the log as it is now. Return it as it was, undefined if it is not in the page.
  #change(entry) {
    this.#ownMessages.change(entry)
    const message = document.getElementById(idOf(entry.seq))
    const shown = message && entryOf(message)
    const isDeleted = entry.state === "deleted" && shown?.state !== "deleted"
    if (isDeleted && (shown ?? entry).user !== this.user) this.#newDivider.forget(entry.seq)
    this.#noteIfMeant({ ...entry, user: (shown ?? entry).user })
    if (!message) return undefined
    if (!isSame(shown, entry)) this.scroll.keep(() => updateMessage(message, entry, this.user))
    if (isDeleted) this.#placeNewDivider()
    return shown
  }

  #placeNewDivider() {
    this.scroll.keep(() => {
      const former = this.#newDivider.place(this.#messages)
      const now = this.#newDivider.element.nextElementSibling
      for (const message of [former, now]) if (message && former !== now) placeInGroup(message)
    })
  }

  // Go to where the reader left off.
  #goToFirstNew() {
    const { element, start } = this.#newDivider
    if (element.isConnected) return this.scroll.goTo(element)
    const isUnread = ({ dataset }) => Number(dataset.seq) >= start
    const first = this.#newer.areThere && this.#messages.find(isUnread)
    if (first) this.scroll.goTo(first)
    else this.scroll.update()
  }

  #setUpHistory() {
    this.#newDivider.place(this.#messages)
    this.#ownMessages = new OwnMessages(this.element.dataset)
    this.#ownMessages.addFrom(this.element)
    this.#changes = new Map()
    for (const message of this.#messages) {
      removeLink(message)
      this.#noteIfMeant(entryOf(message))
    }
    formatLog(this.element)
    this.mark(this.#edited)
  }

  // Call it after placeInGroup(), which may change the height of the row.
  #rowAdded() {
    this.#trim()
    this.scroll.follow()
  }

  // Remove rows if there are too many: at the end if the reader is in the first third, else at the
  // beginning. There are always more between these and what is in view than a page brings.
  #trim() {
    const rows = this.#rows
    if (rows.length <= MAX_ROWS) return
    this.scroll.keep((first) => {
      if (first && rows.indexOf(first.message) < rows.length / 3) this.#removeLast(rows)
      else this.#removeFirst(rows)
    })
  }

  #removeFirst(rows) {
    this.#remove(rows.slice(0, -ROWS_KEPT))
    const [first] = this.#messages
    this.#older.continueAt(first?.dataset.seq ?? this.last + 1)
    if (first) placeInGroup(first)
  }

  #removeLast(rows) {
    const last = rows.findLastIndex((row, index) => index < ROWS_KEPT && isMessage(row))
    this.#remove(rows.slice(last + 1)) // dividers before the first of them, too
    this.#showGap(true)
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
    this.#trim()
  }

  // Format a message that came with a page, and apply a change that came while that was loading.
  #format(message) {
    const seq = Number(message.dataset.seq)
    removeLink(message)
    this.#noteIfMeant(entryOf(message))
    formatMessage(message, this.user)
    message.classList.toggle("message--editing", seq === this.#edited)
    message.classList.toggle("message--target", seq === seqOf(location))
    const change = this.#changes.get(seq)
    if (!change) return
    this.#ownMessages.change({ ...change, seq: change.of })
    this.#noteIfMeant({ ...change, seq, user: message.dataset.user })
    updateMessage(message, change, this.user)
  }
}

function messagesOf(page) {
  return [...page.querySelectorAll(".message")]
}

function isMessage(row) {
  return row.classList.contains("message")
}

// Instead of the link to a page where it can be changed there are buttons.
function removeLink(message) {
  message.querySelector(".message__change")?.remove()
}

function isSame(shown, entry) {
  return shown.msg === entry.msg && shown.state === entry.state
}
