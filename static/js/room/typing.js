// Typing notices: tells others that the reader is typing, and tells who else is.

const SEND_EVERY = 3200 // ms; the server passes on one in 3 s (TYPING_EVERY in chat/hub.py)
const SHOW_FOR = 5000 // ms; longer than SEND_EVERY on a slow connection

export class Typing {
  #user
  #onchange
  #connection
  #sentAt = -Infinity
  #timers = new Map() // by the name of each person who is typing

  // `onchange` is called with a sentence, which is empty when nobody is typing.
  constructor(field, { user, onchange, connection }) {
    this.#user = user
    this.#onchange = onchange
    this.#connection = connection
    field.addEventListener("input", (event) => this.#input(event))
  }

  started({ user }) {
    if (user === this.#user) return
    clearTimeout(this.#timers.get(user))
    this.#timers.set(user, setTimeout(() => this.stopped(user), SHOW_FOR))
    this.#show()
  }

  stopped(user) {
    clearTimeout(this.#timers.get(user))
    if (this.#timers.delete(user)) this.#show()
  }

  // A text that a script puts into the field was not typed.
  #input({ isTrusted, target, timeStamp }) {
    if (!isTrusted || !target.value.trim() || timeStamp - this.#sentAt < SEND_EVERY) return
    if (this.#connection.send({ type: "typing" })) this.#sentAt = timeStamp
  }

  #show() {
    this.#onchange(sentence([...this.#timers.keys()]))
  }
}

function sentence(names) {
  if (!names.length) return ""
  if (names.length > 2) return "several people are typing…"
  return `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing…`
}
