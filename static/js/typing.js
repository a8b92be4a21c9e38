// Typing notices: tells the others that one is writing, and shows who else is.

const EVERY = 3200 // ms; the server passes on one in 3 s
const LASTS = 5000 // ms; must be more than EVERY and a slow connection

export class Typing {
  #user
  #element
  #send
  #sentAt = -Infinity
  #writers = new Map() // a timer by name

  constructor(field, { user, element, send }) {
    this.#user = user
    this.#element = element
    this.#send = send
    field.addEventListener("input", (event) => this.#changed(event))
  }

  heard({ user }) {
    if (user === this.#user) return
    clearTimeout(this.#writers.get(user))
    this.#writers.set(user, setTimeout(() => this.ended(user), LASTS))
    this.#show()
  }

  // Somebody has sent the message, or left.
  ended(user) {
    clearTimeout(this.#writers.get(user))
    if (this.#writers.delete(user)) this.#show()
  }

  // What a script has put into the field nobody has typed.
  #changed({ isTrusted, target, timeStamp }) {
    if (!isTrusted || !target.value.trim() || timeStamp - this.#sentAt < EVERY) return
    if (this.#send({ type: "typing" })) this.#sentAt = timeStamp
  }

  #show() {
    this.#element.textContent = sentence([...this.#writers.keys()])
  }
}

function sentence(names) {
  if (!names.length) return ""
  if (names.length > 2) return "several people are typing"
  return `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing`
}
