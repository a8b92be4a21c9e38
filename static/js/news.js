// News: what others have said since the reader's last visit, and the line before it.

export class News {
  line = document.createElement("p")
  #reader
  #from
  #to

  // `read` is the number up to which the reader had read, `last` that of the last entry.
  constructor({ user, read, last }) {
    this.line.className = "log__new"
    this.line.textContent = "New"
    this.#reader = user
    this.#from = Number(read) || Infinity // who comes for the first time finds nothing new
    this.#to = Number(last)
  }

  of(messages) {
    return messages.filter(({ dataset: { seq, user } }) => {
      return seq > this.#from && seq <= this.#to && user !== this.#reader
    })
  }

  // Puts the line where it belongs among all messages of the page; returns where it was.
  mark(messages) {
    const before = this.line.nextElementSibling
    const [first] = this.of(messages)
    if (first !== before) first?.before(this.line)
    return before
  }
}
