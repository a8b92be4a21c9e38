// The log: shows each message once, in order, and changes it in place.

import { keepDays, settle, showTime } from "./days.js"
import { create, dress, dressAll, revise } from "./message.js"
import { News } from "./news.js"
import { fetchLog, Older } from "./older.js"
import { Place } from "./place.js"
import { OwnMessages } from "./own_messages.js"

const LINES = 2000 // in the page; with more the oldest go, and can be loaded again
const LINES_KEPT = 1500 // then, so that it is seldom done

export class Log {
  place // the reader's
  #element
  #history // what came with a page, which is not read out
  #live // what came since, which is
  #older
  #news
  #ownMessages
  #changes // the last of each message, by its seq

  constructor(element) {
    this.#element = element
    this.#history = element.querySelector(".log__history")
    this.#live = element.querySelector(".log__live")
    this.#dressAll()
    this.place = new Place(element)
    if (this.#news.line.isConnected) this.place.toLine(this.#news.line)
    this.#older = new Older(element, (page) => this.#prepend(page))
    keepDays(element)
  }

  get user() {
    return this.#element.dataset.user
  }

  get isModerator() {
    return this.#element.dataset.moderator !== undefined
  }

  // The number of the last entry shown.
  get last() {
    return Number(this.#element.dataset.last)
  }

  // How many messages of others have come since the last visit.
  get news() {
    return this.#news.of(this.#messages).length
  }

  // Who has written, as far as the log goes back, the latest first.
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
    this.#element.focus()
  }

  // Says whether the message is new.
  show(entry) {
    if (entry.seq <= this.last) return false
    this.#ownMessages.add(entry)
    this.#element.dataset.last = entry.seq
    this.#element.querySelector(".log__empty")?.remove()
    const message = create(entry, this.user)
    this.#live.append(message)
    settle(message)
    this.#grown()
    return true
  }

  // A message that is not in the page may be under way to it, as it read before.
  change(entry) {
    if (entry.seq <= this.last) return
    this.#ownMessages.change(entry)
    this.#changes.set(entry.of, entry)
    this.#element.dataset.last = entry.seq
    const message = this.#messages.find(({ dataset }) => Number(dataset.seq) === entry.of)
    if (message) this.place.hold(() => revise(message, entry, this.user))
  }

  notice(text) {
    const notice = document.createElement("p")
    notice.className = "notice"
    const time = document.createElement("span")
    showTime(time, new Date())
    notice.append(time, ` ${text}`)
    this.#live.append(notice)
    this.#grown()
  }

  // More was missed than the server replays: take the history from a new copy of the page.
  async reload() {
    const page = await fetchLog("/")
    for (const line of this.#lines) line.remove()
    this.#history.append(...messagesOf(page))
    this.#older.adopt(page)
    const { last, read } = page.dataset
    Object.assign(this.#element.dataset, { last, read })
    this.#dressAll()
    this.place.toEnd()
  }

  get #messages() {
    return messagesOf(this.#element)
  }

  get #lines() {
    return [...this.#element.querySelectorAll(".message, .notice, .day, .log__new")]
  }

  #dressAll() {
    this.#news = new News(this.#element.dataset)
    this.#news.mark(this.#messages)
    // Anew: what happened to messages that are not in the page is not known.
    this.#ownMessages = new OwnMessages(this.#element.dataset)
    this.#changes = new Map()
    this.#ownMessages.addFrom(this.#element)
    dressAll(this.#element)
  }

  // Called once a new line is settled, which changes its height.
  #grown() {
    if (this.place.isAtEnd) this.#trim()
    this.place.follow()
  }

  #trim() {
    if (this.#history.childElementCount + this.#live.childElementCount <= LINES) return
    this.place.hold(() => {
      for (const line of this.#lines.slice(0, -LINES_KEPT)) line.remove()
      const [first] = this.#messages
      this.#older.beginAt(first?.dataset.seq ?? this.last + 1)
      if (first) settle(first)
    })
  }

  #prepend(page) {
    const messages = messagesOf(page)
    this.place.hold(() => {
      const [first] = this.#messages
      this.#ownMessages.addFrom(page)
      this.#history.prepend(...messages)
      for (const message of messages) this.#bringUpToDate(message)
      const formerlyNew = this.#news.mark(this.#messages)
      for (const message of [...messages, first, formerlyNew]) if (message) settle(message)
      this.#older.adopt(page)
    })
  }

  #bringUpToDate(message) {
    dress(message, this.user)
    const change = this.#changes.get(Number(message.dataset.seq))
    if (!change) return
    this.#ownMessages.change(change)
    revise(message, change, this.user)
  }
}

function messagesOf(log) {
  return [...log.querySelectorAll(".message")]
}
