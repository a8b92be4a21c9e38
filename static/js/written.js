// What one has written oneself, as it was written: the log shows it dressed up.

const CHANGEABLE_FOR = 15 * 60_000 // ms, as in chat/models.py: after that the server refuses

export class Written {
  #user
  #messages = new Map() // { seq, msg, time } by seq

  constructor(user) {
    this.#user = user
  }

  // Takes in the messages of a page, before anything dresses them up.
  read(page) {
    for (const message of page.querySelectorAll(".message[data-user]")) {
      this.note({
        seq: Number(message.dataset.seq),
        user: message.dataset.user,
        msg: message.querySelector(".message__text").textContent,
        time: message.querySelector(".message__time").dateTime,
        state: message.classList.contains("message--deleted") ? "deleted" : "",
      })
    }
  }

  note({ seq, user, msg, time, state }) {
    if (user === this.#user && state !== "deleted") this.#messages.set(seq, { seq, msg, time })
  }

  change({ of, msg, state }) {
    const message = this.#messages.get(of)
    if (state === "deleted") this.#messages.delete(of)
    else if (message) message.msg = msg
  }

  // A message that its author may still change, or null.
  get(seq) {
    const message = this.#messages.get(seq)
    return message && isRecent(message.time) ? { ...message } : null
  }

  last() {
    return this.get(Math.max(...this.#messages.keys()))
  }
}

export function isRecent(time) {
  return Date.now() - Date.parse(time) < CHANGEABLE_FOR
}
