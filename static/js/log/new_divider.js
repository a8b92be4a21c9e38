// The divider "New" before the first message that others sent since the reader's last visit, and how
// many these are. The page need not have all of them: the server has counted them, too.

export class NewDivider {
  element
  #reader
  #read
  #last
  #first
  #count // as of the server; where the page has all that are new, they are counted there
  #isExact

  // `read` is the number of the last entry that the reader has read, `last` that of the last entry
  // when the page was loaded, `unread` how many messages were new then, `firstUnread` the number of
  // the first of them. `element` is that of the page, if it has one.
  constructor({ user, read, last, unread = "0", firstUnread = "" }, element) {
    this.element = element ?? document.createElement("p")
    this.element.className = "log__new"
    this.element.textContent = "New"
    this.element.removeAttribute("tabindex") // without scripts the page opens there by it
    this.#reader = user
    this.#read = Number(read) || Infinity // nothing is new to a reader who was never here
    this.#last = Number(last)
    this.#first = Number(firstUnread)
    this.#count = Number.parseInt(unread)
    this.#isExact = !unread.endsWith("+")
  }

  // The number from which on messages are new.
  get start() {
    return Math.max(this.#read + 1, this.#first)
  }

  // Return how many messages are new, { count, more }, where `more` is "+" if there may be more.
  newsOf(messages, hasAll) {
    const { length } = this.newOf(messages)
    if (hasAll && !this.#isAfter(messages[0])) return { count: length, more: "" }
    return { count: Math.max(length, this.#count), more: this.#isExact ? "" : "+" }
  }

  // The reader has read up to a message somewhere else.
  move(seq) {
    if (seq <= this.#read) return
    this.#count = seq < this.#last ? Math.max(this.#count - (seq - this.#read), 0) : 0
    this.#isExact = seq >= this.#last
    this.#read = seq
  }

  // A message of somebody else was deleted.
  forget(seq) {
    if (seq > this.#read && seq <= this.#last && this.#count > 0) this.#count--
  }

  // Return those of the messages that are new.
  newOf(messages) {
    return messages.filter(({ classList, dataset: { seq, user } }) => {
      const isNew = seq > this.#read && seq <= this.#last && user !== this.#reader
      return isNew && !classList.contains("message--deleted")
    })
  }

  // Put the divider before the first of all new messages, if the page has it. Return the message
  // that followed it until now.
  place(messages) {
    const former = this.element.nextElementSibling
    const [first] = this.#isAfter(messages[0]) ? [] : this.newOf(messages)
    if (!first) this.element.remove()
    else if (first !== former) first.before(this.element)
    return former
  }

  // Return true if there may be new messages before this one.
  #isAfter(message) {
    return message !== undefined && Number(message.dataset.seq) > this.start
  }
}
