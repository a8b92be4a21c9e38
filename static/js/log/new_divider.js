// The divider "New" before the first message that others sent since the reader's last visit.

export class NewDivider {
  element = document.createElement("p")
  #reader
  #read
  #last

  // `read` is the number of the last entry that the reader has read, `last` that of the last entry
  // when the page was loaded.
  constructor({ user, read, last }) {
    this.element.className = "log__new"
    this.element.textContent = "New"
    this.#reader = user
    this.#read = Number(read) || Infinity // nothing is new to a reader who was never here
    this.#last = Number(last)
  }

  // Return true if there may be new messages before this one.
  isBefore(message) {
    return message !== undefined && Number(message.dataset.seq) > this.#read + 1
  }

  // The reader has read up to a message somewhere else.
  move(seq) {
    this.#read = Math.max(this.#read, seq)
  }

  // Return those of the messages that are new.
  newOf(messages) {
    return messages.filter(({ classList, dataset: { seq, user } }) => {
      const isNew = seq > this.#read && seq <= this.#last && user !== this.#reader
      return isNew && !classList.contains("message--deleted")
    })
  }

  // Put the divider before the first new one of the page's messages, if there is any. Return the
  // message that followed it until now.
  place(messages) {
    const former = this.element.nextElementSibling
    const [first] = this.newOf(messages)
    if (!first) this.element.remove()
    else if (first !== former) first.before(this.element)
    return former
  }
}
